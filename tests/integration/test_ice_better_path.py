"""A relay that was faster gives way to a direct path within two seconds, and no packet is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mqcam.checks import BETTER_PATH_S
from mqcam.ice import IceSettings
from mqcam.rtcp import ReferenceTime, read_reference_times, write_reference_time
from mqcam.servers import IceServer
from support.coturn import PASSWORD, USER, Coturn, free_port, is_available
from support.losses import LossyLine, is_check
from support.trickling import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not is_available(), reason="needs coturn")


def report(number: int) -> bytes:
    """Make a report that holds a number."""
    return write_reference_time(ReferenceTime(ssrc=7, ntp=number))


@pytest.fixture(scope="module")
def relayed() -> Iterator[IceSettings]:
    """Return settings with loopback and a relay on it."""
    port = free_port()
    with Coturn(["127.0.0.1"], port=port):
        server = IceServer(urls=(f"turn:127.0.0.1:{port}",), username=USER, credential=PASSWORD)
        yield IceSettings(servers=(server,), loopback=True, exclude_interfaces=("*",))


class Barrier:
    """What stops the checks between two sockets until it is opened; data passes."""

    def __init__(self) -> None:
        self.is_open = False

    def stops(self, data: bytes) -> bool:
        """Tell whether a datagram is stopped."""
        return is_check(data) and not self.is_open


async def connect_over_relays(pair: Pair, barrier: Barrier, *, is_late: bool = False) -> None:
    """Connect two sides whose direct checks are stopped.

    Where the direct candidates are late, none is in the descriptions.
    """
    offer = await pair.viewer.connection.create_offer()
    if is_late:
        offer = without_candidates(offer)
    answer = await pair.camera.answer(offer)
    if is_late:
        answer = without_candidates(answer)
    await pair.viewer.accept(answer, ())
    for end in (pair.viewer, pair.camera):
        LossyLine(barrier.stops).carry(end.connection)
    await asyncio.gather(pair.viewer.connect(5.0), pair.camera.connect(5.0))
    assert pair.path == ("relay", "relay")


def without_candidates(description: str) -> str:
    return "".join(
        f"{line}\r\n" for line in description.splitlines() if not line.startswith("a=candidate")
    )


def host_candidates(pair: Pair) -> dict[str, list[str]]:
    """Return the text of each side's own addresses."""
    return {
        role: [
            f"candidate:1 1 udp 2130706431 {each.host} {each.port} typ host"
            for each in end.connection._ice.gatherer.ice.local_candidates
            if each.type == "host"
        ]
        for role, end in (("viewer", pair.viewer), ("camera", pair.camera))
    }


def is_direct(pair: Pair) -> Callable[[], bool]:
    """Return what tells whether both sides send directly."""
    checks = [each.connection._ice for each in (pair.viewer, pair.camera)]

    def look() -> bool:
        pairs = [each.selected_pair() for each in checks]
        return all(
            each is not None and "relay" not in (each.local_type, each.remote_type)
            for each in pairs
        )

    return look


async def stream_until(pair: Pair, condition: Callable[[], bool]) -> tuple[int, int]:
    """Send reports to the viewer until a condition holds, and a few more; count both ends."""
    heard: set[int] = set()
    pair.viewer.connection.media.add_rtcp_listener(
        lambda packet, _: heard.update(each.ntp for each in read_reference_times(packet))
    )
    sent, after = 0, 0
    async with asyncio.timeout(BETTER_PATH_S + 1.0):
        while after < 10:
            assert await pair.camera.connection.media.send(report(sent))
            sent += 1
            after += condition()
            await asyncio.sleep(0.005)  # the pace of a stream
    return sent, len(heard)


async def test_a_direct_path_takes_over_from_a_relay_without_a_gap(relayed: IceSettings) -> None:
    barrier = Barrier()
    async with Pair().made(relayed, relayed) as pair:
        await connect_over_relays(pair, barrier)
        barrier.is_open = True
        sent, heard = await stream_until(pair, is_direct(pair))
        assert sent == heard


async def test_a_direct_path_that_is_named_late_takes_over_from_a_relay(
    relayed: IceSettings,
) -> None:
    """Its candidate was slower than the relay's: on a bad line they travel in any order."""
    barrier = Barrier()
    async with Pair().made(relayed, relayed) as pair:
        await connect_over_relays(pair, barrier, is_late=True)
        barrier.is_open = True
        candidates = host_candidates(pair)
        viewer, camera = pair.viewer.connection, pair.camera.connection
        viewer.add_remote_candidates(candidates["camera"], ufrag="", end=False)
        camera.add_remote_candidates(candidates["viewer"], ufrag="", end=False)
        sent, heard = await stream_until(pair, is_direct(pair))
        assert sent == heard


async def test_a_relay_stays_when_no_direct_path_comes_in_time(
    relayed: IceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcam.checks.BETTER_PATH_S", 0.3)
    async with Pair().made(relayed, relayed) as pair:
        await connect_over_relays(pair, Barrier())
        checks = pair.viewer.connection._ice.gatherer.ice
        assert checks.is_looking_for_better
        async with asyncio.timeout(2.0):
            while checks.is_looking_for_better:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.02)
        assert pair.path == ("relay", "relay")
        repeated = checks.repeated
        await asyncio.sleep(0.5)  # in which at least one more would come
        assert checks.repeated == repeated
