"""An X server that shows nothing to anybody, a window manager on it, a hand and an eye.

It must not know the window. Every wait has a deadline; a photograph of a window that is gone would
stop the whole server, so the eye looks at all of the screen.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

WIDTH, HEIGHT = 1440, 900
DEADLINE_S = 20.0
TOOL_TIMEOUT_S = 10.0
POLL_S = 0.05


class Photograph:
    """All of the screen at one moment."""

    def __init__(self, pixels: bytes) -> None:
        self._pixels = pixels

    def colour(self, x: int, y: int) -> tuple[int, int, int]:
        """Return red, green and blue of a pixel."""
        at = (y * WIDTH + x) * 3
        red, green, blue = self._pixels[at : at + 3]
        return red, green, blue

    def colours(self) -> set[tuple[int, int, int]]:
        """Return the colours of every eighth pixel of every eighth line."""
        return {self.colour(x, y) for x in range(0, WIDTH, 8) for y in range(0, HEIGHT, 8)}


class XServer:
    """A context manager; ``environment`` leads programs to it."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self._state = tempfile.TemporaryDirectory(prefix="mqcam-state-")
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        screen = f"{WIDTH}x{HEIGHT}x24"
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", screen, "-nolisten", "tcp"]
        quiet = subprocess.DEVNULL
        self._processes.append(
            subprocess.Popen(command, pass_fds=[writing], stdout=quiet, stderr=quiet)
        )
        os.close(writing)
        with os.fdopen(reading) as number:  # the server writes it when it is ready, or ends
            display = f":{number.readline().strip()}"
        left_out = {"WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "DISPLAY"}
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        # What programs remember is forgotten with the server.
        self.environment = {**kept, "DISPLAY": display, "XDG_STATE_HOME": self._state.name}
        self._processes.append(
            subprocess.Popen(["openbox"], env=self.environment, stdout=quiet, stderr=quiet)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(TOOL_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._state.cleanup()

    def window_of(self, pid: int) -> str:
        """Wait for the visible window of a process; return X's name for it."""
        found: list[str] = []

        def look() -> bool:
            found[:] = self._tool("xdotool", "search", "--onlyvisible", "--pid", str(pid)).split()
            return bool(found)

        self.until(look, "a window appears")
        return found[-1]

    def press(self, window: str, *keys: str) -> None:
        """Give a window the focus and press keys, as a keyboard does."""
        self._tool("xdotool", "windowactivate", "--sync", window)
        for key in keys:
            self._tool("xdotool", "key", "--clearmodifiers", key)

    def look(self) -> Photograph:
        """Photograph the screen."""
        done = subprocess.run(
            ["import", "-window", "root", "-depth", "8", "rgb:-"],
            env=self.environment,
            capture_output=True,
            timeout=TOOL_TIMEOUT_S,
            check=True,
        )
        return Photograph(done.stdout)

    def save(self, path: Path) -> None:
        """Photograph the screen into a file."""
        self._tool("import", "-window", "root", str(path))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Look again and again until a condition holds: a screen tells no events."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {DEADLINE_S:g} s: {what}")
            time.sleep(POLL_S)

    def _tool(self, *command: str) -> str:
        with contextlib.suppress(subprocess.CalledProcessError):
            return subprocess.run(
                command,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=TOOL_TIMEOUT_S,
                check=True,
            ).stdout
        return ""
