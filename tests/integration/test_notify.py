"""systemd hears what the agent says, over a socket with or without a file."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from typing import TYPE_CHECKING

import pytest
from mqcam_device.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Manager:
    """Stands for systemd: receives what is sent to NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.socket.settimeout(5)
        self.environ = {"NOTIFY_SOCKET": address}

    def heard(self) -> str:
        """Return the next datagram."""
        return self.socket.recv(4096).decode()

    def has_heard_more(self) -> bool:
        """Tell whether another datagram is waiting."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return False
        return True


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = secrets.token_hex(8)
    manager = Manager(str(tmp_path / "n") if request.param == "file" else f"@mqcam-test-{name}")
    yield manager
    manager.socket.close()


def test_life_of_the_agent_is_told_in_order(manager: Manager) -> None:
    notifier = Notifier(manager.environ)
    notifier.ready("waiting for viewers")
    notifier.watchdog()
    notifier.stopping()
    assert [manager.heard() for _ in range(3)] == [
        "READY=1\nSTATUS=waiting for viewers",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_same_status_is_sent_once_and_on_one_line(manager: Manager) -> None:
    notifier = Notifier(manager.environ)
    notifier.status("2 viewers")
    notifier.status("2 viewers")
    notifier.status("a\nREADY=1")
    assert manager.heard() == "STATUS=2 viewers"
    assert manager.heard() == "STATUS=a READY=1"
    assert not manager.has_heard_more()


async def test_watchdog_is_fed_in_half_its_time_while_the_agent_is_alive(manager: Manager) -> None:
    notifier = Notifier({**manager.environ, "WATCHDOG_USEC": "40000"})
    asked: asyncio.Queue[None] = asyncio.Queue()
    alive = [True, False, True]

    def is_alive() -> bool:
        asked.put_nowait(None)
        return alive.pop(0) if alive else False

    task = asyncio.create_task(notifier.keep_alive(is_alive), name="watchdog")
    async with asyncio.timeout(5):
        for _ in range(4):
            await asked.get()
    task.cancel()
    await asyncio.wait([task])
    assert [manager.heard(), manager.heard()] == ["WATCHDOG=1", "WATCHDOG=1"]
    assert not manager.has_heard_more()


async def test_nothing_is_fed_where_nobody_watches(manager: Manager) -> None:
    async with asyncio.timeout(5):
        await Notifier(manager.environ).keep_alive()
    assert not manager.has_heard_more()


@pytest.mark.parametrize(
    ("usec", "pid", "interval_s"),
    [
        ("20000000", None, 10.0),
        pytest.param("20000000", os.getpid(), 10.0, id="our own process"),
        ("20000000", 1, None),
        ("0", None, None),
        ("-5", None, None),
        ("soon", None, None),
        ("9" * 5000, None, None),
    ],
)
def test_interval_is_half_of_what_systemd_waits(
    usec: str, pid: int | None, interval_s: float | None
) -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": usec}
    if pid is not None:
        environ["WATCHDOG_PID"] = str(pid)
    assert Notifier(environ).watchdog_interval_s == interval_s


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    notifier.ready("x")
    notifier.stopping()
    assert notifier.watchdog_interval_s is None


def test_manager_that_is_gone_or_full_does_not_stop_the_agent(manager: Manager) -> None:
    notifier = Notifier(manager.environ)
    for _ in range(2000):  # more than the socket's queue holds
        notifier.watchdog()
    manager.socket.close()
    notifier.watchdog()
