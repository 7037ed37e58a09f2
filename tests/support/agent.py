"""A real camera agent in its own processes, for tests and benches: the shipped command, a config.

It must not know what is tested. Start-up and shut-down block for a moment, nothing else does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mqcam_device.control import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from support.broker import ShippedBroker
    from support.sharing import SharedBroker

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 8.0
STATUS_TIMEOUT_S = 5.0
POLL_S = 0.02

SMALL = "video: {size: 640x360, fps: 30, bitrate_bps: 800000}\n"
"""Settings of a picture big enough for its marker, small enough for many viewers on two cores."""

ASKEW = "video: {size: 640x360, fps: 30, bitrate_bps: 800000, rotation: 90}\n"
"""The same of a camera whose picture viewers turn."""


WITH_CLOCK = (
    "import sys; from mqcam_device import wallclock; "
    "wallclock.is_synchronised = lambda: {clock}; "
    "from mqcam_device.cli import main; sys.exit(main(sys.argv[1:]))"
)
"""The command on a machine whose clock is as a test wants it."""

WITH_CHILD = (
    "import functools, sys; from mqcam_device import app; "
    "app.CaptureProcess = functools.partial(app.CaptureProcess, program={program!r}); "
    "from mqcam_device.cli import main; sys.exit(main(sys.argv[1:]))"
)
"""The command with another capture child, one that breaks when told to."""


def has_pictures(status: dict[str, Any]) -> bool:
    """Tell whether the camera of an agent with this status delivers, or could at once."""
    return bool(status["source"] == "running")


class RunningAgent:
    """``mqcam-device run`` for one camera at a broker of the tests; a context manager."""

    def __init__(
        self,
        broker: ShippedBroker | SharedBroker,
        *,
        name: str = "front",
        settings: str = "",
        is_loopback: bool = True,
        ice: str = "",
        has_clock: bool | None = None,
        child: tuple[str, ...] | None = None,
    ) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"mqcam-{name}-"))
        self.config = self.folder / "device.yaml"
        self.log_file = self.folder / "log"
        credentials = broker.credentials("device", name)
        self.config.write_text(
            f"credentials: '{credentials}'\n"
            f"runtime_dir: '{self.folder}'\n"
            f"state_dir: '{self.folder}'\n"
            f"ice: {{loopback: {str(is_loopback).lower()}{ice and ', '}{ice}}}\n{settings}",
            encoding="utf-8",
        )
        program = ["-m", "mqcam_device.cli"]
        if has_clock is not None:
            program = ["-c", WITH_CLOCK.format(clock=has_clock)]
        if child is not None:
            program = ["-c", WITH_CHILD.format(program=child)]
        self._command = [sys.executable, *program, "run", "--config", str(self.config)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the agent's process id."""
        if self._process is None:
            raise RuntimeError("the agent does not run")
        return self._process.pid

    @property
    def log(self) -> str:
        """Return what the agent has logged, over all of its starts."""
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    def ask(self, verb: str) -> dict[str, Any]:
        """Ask the agent over its socket."""
        return ask(self.name, verb, self.folder)

    def capture_pid(self) -> int:
        """Return the process id of the capture child."""
        return int(self.ask("status")["capture_pid"])

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Ask the agent for its status until it fulfils a condition; fails after 5 s."""
        async with asyncio.timeout(STATUS_TIMEOUT_S):
            while not condition(self.ask("status")):  # noqa: ASYNC110
                # Another process' state: there is no event to wait for.
                await asyncio.sleep(POLL_S)

    def start(self) -> Self:
        """Start the agent and wait until the broker knows it."""
        online_before = self.log.count("camera online")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.log.count("camera online") == online_before:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the agent does not start:\n{self.log}")
            time.sleep(POLL_S)
        return self

    def stop(self) -> int:
        """End the agent in good order; return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the agent as a crash would."""
        self._end(signal.SIGKILL)

    def kill_capture(self) -> None:
        """Kill the capture child, and only it."""
        os.kill(self.capture_pid(), signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if error is not None:
            sys.stderr.write(f"--- log of the agent {self.name}\n{self.log}")
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the agent did not stop:\n{self.log}") from None
