"""What strangers and liars send as candidates costs neither time nor memory nor the path."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from mqcam.ice import JUDGED_LIMIT, IceSettings
from support.lag import measured_lag
from support.trickling import Pair

LOOPBACK = IceSettings(loopback=True, exclude_interfaces=("*",))
GARBAGE = [
    "",
    "candidate:",
    "\x00\ud800" * 200,
    "candidate:1 1 udp 1 192.0.2.1 0 typ host",
    "candidate:1 1 udp 1 192.0.2.1 99999 typ host",
    "candidate:1 2 udp 1 192.0.2.1 9 typ host",
    "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
    "candidate:1 1 udp 1 host.example.org 9 typ host",
    "candidate:1 1 udp 1 nobody.local 9 typ prflx",
    "candidate:1 1 udp 1 fe80::1%eth0%eth1 9 typ nonsense",
    "candidate:1 1 udp 1 224.0.0.1 9 typ host",
    "candidate:1 1 udp 1 ::ffff:255.255.255.255 9 typ host",
]
BUDGET_S = 0.02


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fail whoever looks a name up, and note it."""
    asked: list[str] = []

    def look_up(host: str, *_arguments: object, **_options: object) -> object:
        asked.append(str(host))
        raise OSError("no names in this test")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "gethostbyname", look_up)
    return asked


@pytest.mark.parametrize("is_in_one_message", [True, False])
async def test_ten_thousand_bad_candidates_neither_block_nor_break(
    caplog: pytest.LogCaptureFixture, is_in_one_message: bool
) -> None:
    caplog.set_level(logging.INFO, "mqcam.ice")
    bad = (GARBAGE * (10_000 // len(GARBAGE) + 1))[:10_000]
    async with Pair().made(LOOPBACK, LOOPBACK) as pair:
        await pair.negotiate()
        camera = pair.camera.connection
        async with measured_lag() as lag:
            ufrag = pair.viewer.connection.ufrag
            size = len(bad) if is_in_one_message else 32
            for first in range(0, len(bad), size):
                camera.add_remote_candidates(bad[first : first + size], ufrag=ufrag, end=False)
                await asyncio.sleep(0)
            camera.add_remote_candidates(bad[:100], ufrag="another", end=False)
            await pair.connect_now()
        assert lag.longest_s <= BUDGET_S
        assert camera.refused_candidates == 10_000 + 100
    refusals = [each for each in caplog.records if each.message.startswith("candidates of the")]
    assert len(refusals) == 1


async def test_candidates_that_lead_nowhere_neither_block_nor_break() -> None:
    """They are well formed, so each is a pair; their number is bounded."""
    async with Pair().made(LOOPBACK, LOOPBACK) as pair:
        await pair.negotiate()
        camera = pair.camera.connection
        many = [f"candidate:1 1 udp {n} 127.0.0.1 {n + 1} typ host" for n in range(JUDGED_LIMIT)]
        async with measured_lag() as lag:
            camera.add_remote_candidates(many, ufrag=pair.viewer.connection.ufrag, end=True)
            await pair.connect_now()
        assert lag.longest_s <= 2.5 * BUDGET_S
        assert pair.path == ("host", "host")


async def test_by_default_no_server_is_asked_and_no_name_looked_up(
    monkeypatch: pytest.MonkeyPatch, no_names: list[str]
) -> None:
    """Every datagram goes to an address of the peer's description."""
    sent: set[str] = set()
    original = asyncio.selector_events._SelectorDatagramTransport.sendto  # type: ignore[attr-defined]

    def sendto(transport: object, data: bytes, addr: tuple[str, int] | None = None) -> None:
        assert addr is not None
        sent.add(addr[0])
        original(transport, data, addr)

    monkeypatch.setattr(asyncio.selector_events._SelectorDatagramTransport, "sendto", sendto)  # type: ignore[attr-defined]
    async with Pair().made(LOOPBACK, LOOPBACK) as pair:
        await pair.connect()
    assert IceSettings().servers == ()
    assert no_names == []
    assert sent == {"127.0.0.1"}
