"""A camera's host and viewers' hosts whose lines can be made long, lossy, narrow or dead.

It must not know what runs on the hosts. Needs root and iproute2.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from support.namespaces import INTERFACE, TIMEOUT_S, ip

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = Path(__file__).with_name("line.py")
CAMERA = "camera"
NETWORK = "10.203.0"
QUEUE_PACKETS = "4000"
"""Bursts wait in the interface, where they are neither lost nor late."""
SEED = "1"


class Star:
    """One camera's host and ``viewers`` others, each with a line to the middle; a context manager.

    ``seed`` chooses which packets get lost. Lines are perfect until they are changed; each change
    holds from its return on.
    """

    def __init__(self, *, viewers: int = 1, seed: str = SEED) -> None:
        own = os.getpid()
        self.camera = f"mqcam-{own}-{CAMERA}"
        self.viewers = tuple(f"mqcam-{own}-viewer{index}" for index in range(viewers))
        self.camera_address = f"{NETWORK}.1"
        self.viewer_addresses = tuple(f"{NETWORK}.{index + 2}" for index in range(viewers))
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None

    @property
    def viewer(self) -> str:
        """Return the first viewer's host."""
        return self.viewers[0]

    @property
    def viewer_address(self) -> str:
        """Return the first viewer's address."""
        return self.viewer_addresses[0]

    def command(self, host: str, *arguments: str) -> list[str]:
        """Return the command that runs something on a host."""
        return ["ip", "netns", "exec", host, *arguments]

    def delay(self, round_trip_ms: float) -> None:
        """Let a round trip between the camera and any viewer take so long."""
        self._change_camera(f"delay {round_trip_ms / 2}")

    def lose(self, share: float) -> None:
        """Lose a share, 0 to 1, of the packets between the camera and the viewers, each way."""
        self._change_camera(f"loss {share}")

    def black(self, is_black: bool) -> None:
        """Let nothing pass between the camera and the viewers, or everything again."""
        self._change_camera(f"black {int(is_black)}")

    def narrow_uplink(self, rate_bps: float, queue_ms: float) -> None:
        """Let the camera send so much to all viewers together; 0 is any."""
        self.order(f"{CAMERA} up rate {rate_bps} {queue_ms}")

    def narrow_viewer(self, index: int, rate_bps: float, queue_ms: float) -> None:
        """Let one viewer receive so much; 0 is any."""
        self.order(f"viewer{index} down rate {rate_bps} {queue_ms}")

    def counts(self) -> dict[str, dict[str, float]]:
        """Return what became of the packets, by ``HOST up`` and ``HOST down``."""
        answer: dict[str, dict[str, float]] = json.loads(self._ask("counts"))
        return answer

    def queue_ms(self, way: str = f"{CAMERA} up") -> float:
        """Return how long the queue in front of a narrow place is at this moment."""
        return self.counts()[way]["queue_ms"]

    def order(self, order: str) -> None:
        """Change one direction of one line, as ``line.py`` has it."""
        answer = self._ask(order)
        if answer != "ok":
            raise ValueError(answer)

    def _change_camera(self, change: str) -> None:
        for direction in ("up", "down"):
            self.order(f"{CAMERA} {direction} {change}")

    def _ask(self, order: str) -> str:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("there is no network")
        process.stdin.write(f"{order}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def _hosts(self) -> list[tuple[str, str, str]]:
        """Return each host's short name, namespace and address."""
        names = [CAMERA, *(f"viewer{index}" for index in range(len(self.viewers)))]
        addresses = (self.camera_address, *self.viewer_addresses)
        return list(zip(names, (self.camera, *self.viewers), addresses, strict=True))

    def __enter__(self) -> Self:
        for _, host, _ in self._hosts():
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "tuntap", "add", "mode", "tun", "name", INTERFACE)
            ip("-n", host, "link", "set", INTERFACE, "txqueuelen", QUEUE_PACKETS)
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), self._seed, *map("=".join, self._hosts())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._process.stdout is None or self._process.stdout.readline() != "ready\n":
            self.__exit__(None, None, None)
            raise RuntimeError("the network does not start")
        for _, host, address in self._hosts():
            ip("-n", host, "address", "add", f"{address}/24", "dev", INTERFACE)
            ip("-n", host, "link", "set", INTERFACE, "up")
            # Browsers tell no address of a host from which nothing leads away.
            ip("-n", host, "route", "add", "default", "dev", INTERFACE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=TIMEOUT_S)
            self._process.kill()
            self._process.wait()
        for _, host, _ in self._hosts():
            ip("netns", "delete", host)


class SlowLine(Star):
    """Two hosts with a long line between them: each packet takes ``delay_ms`` one way."""

    def __init__(self, delay_ms: float) -> None:
        super().__init__()
        self._delay_ms = delay_ms

    def __enter__(self) -> Self:
        super().__enter__()
        self.delay(2 * self._delay_ms)
        return self
