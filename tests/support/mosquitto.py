"""A real mosquitto on a random loopback port, started and ended by a test.

It must not know mqcam: a test writes what the broker shall do, line by line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

READY_S = 10.0
END_S = 10.0
LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def mosquitto_program() -> str | None:
    """Return the path of the broker, None where it is not installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses at present."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(slots=True)
class Mosquitto:
    """One broker; its folder, port and configuration outlive a restart."""

    folder: Path
    port: int
    lines: Sequence[str]
    protocol: str = "mqtt"
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Return the address of the (first) listener."""
        return f"{self.protocol}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Return what the broker wrote so far."""
        return (self.folder / "log").read_text()

    def file(self, name: str, content: str) -> Path:
        """Write a file that the broker can read, a password file for example."""
        path = self.folder / name
        path.write_text(content)
        path.chmod(0o600)
        return path

    async def start(self) -> None:
        """Start the broker and wait until it accepts connections."""
        program = mosquitto_program()
        assert program is not None, "mosquitto is not installed"
        config = self.file("mosquitto.conf", "\n".join(self.lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                [program, "-v", "-c", str(config)], stdout=log, stderr=log
            )
        async with asyncio.timeout(READY_S):
            while not self._is_listening():
                assert self.process.poll() is None, f"mosquitto ended:\n{self.log}"
                await asyncio.sleep(0.01)

    def _is_listening(self) -> bool:
        # a connection attempt would show up in the log: ask the kernel's table instead
        tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
        rows = [row.split() for table in tables for row in table.read_text().splitlines()[1:]]
        return any(row[1].endswith(f":{self.port:04X}") and row[3] == LISTENS for row in rows)

    async def stop(self) -> None:
        """End the broker as `systemctl stop` does."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the broker as a power cut does: it can neither say goodbye nor save."""
        await self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the broker: its sockets stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self._signal(number)
        try:
            async with asyncio.timeout(END_S):
                while self.process.poll() is None:  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(0.01)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None


@contextlib.asynccontextmanager
async def mosquitto(
    *lines: str, protocol: str = "mqtt", listener: Sequence[str] = (), anonymous: bool = True
) -> AsyncIterator[Mosquitto]:
    """Run a broker with a plain configuration plus ``lines``; ``listener`` is about the port.

    ``{folder}`` in a line stands for the broker's own folder.
    """
    with tempfile.TemporaryDirectory(prefix="mqcam-mosquitto-") as name:
        port = free_port()
        folder = Path(name)
        plain = [
            f"listener {port} 127.0.0.1",
            *listener,
            f"allow_anonymous {str(anonymous).lower()}",
            "set_tcp_nodelay true",
            "log_dest stdout",
            "max_queued_messages 1000",
            *(["user root"] if os.geteuid() == 0 else []),
            *lines,
            # 2.0.11 does not start with WebSocket listeners alone
            *([f"listener {free_port()} 127.0.0.1"] if protocol.startswith("ws") else []),
        ]
        filled = [line.replace("{folder}", name) for line in plain]
        broker = Mosquitto(folder, port, filled, protocol)
        try:
            yield broker
        finally:
            if broker.process is not None:
                broker.resume()
            await broker.stop()


@contextlib.asynccontextmanager
async def running_mosquitto(*lines: str) -> AsyncIterator[Mosquitto]:
    """Run a broker that lets everybody in."""
    async with mosquitto(*lines) as broker:
        await broker.start()
        yield broker
