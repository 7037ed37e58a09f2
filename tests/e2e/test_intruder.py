"""A viewer that is let in and then abuses its connection: the others see nothing of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.intruder import flood, intruder, negative_acknowledgement, picture_loss, sign_of_life
from support.stranger import Stranger
from support.watching import Recorder, gaps, viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mqcam.connection import Connection
    from support.agent import RunningAgent
    from support.broker import ShippedBroker

pytestmark = pytest.mark.alone

SECONDS = 3.0
FLOOD_PER_S = 5000
KEYFRAME_INTERVAL_S = 0.3
PARAMETER_SET, FRAGMENT = 7, 28


class Tap:
    """Counts what the camera sends to one viewer."""

    def __init__(self, connection: Connection) -> None:
        self.newest = 0
        self.bytes = 0
        self.keyframes: set[int] = set()
        self._kind = connection.video.payload_type
        connection.media.add_rtp_listener(self._see)

    def _see(self, packet: bytes, _arrived_at: float) -> None:
        self.bytes += len(packet)
        if packet[1] & 0x7F != self._kind:
            return
        self.newest = int.from_bytes(packet[2:4])
        head = 12 + 4 * (packet[0] & 0x0F)
        if packet[0] & 0x10:
            head += 4 + 4 * int.from_bytes(packet[head + 2 : head + 4])
        kind = packet[head] & 0x1F
        # A keyframe begins with its parameter sets, alone or first in an aggregate (24).
        if kind == PARAMETER_SET or (kind == 24 and packet[head + 3] & 0x1F == PARAMETER_SET):
            self.keyframes.add(int.from_bytes(packet[4:8]))


@pytest.fixture
async def joined(
    broker: ShippedBroker, camera: RunningAgent
) -> AsyncIterator[tuple[Connection, Tap]]:
    """Join beside a good viewer, of whom not one picture may be missing."""
    log_before = len(camera.log)
    broker.credentials("viewer", "stranger")
    async with viewer(broker) as client, client.watch(camera.name) as stream:
        recorder = Recorder(stream)
        await recorder.more(30)
        async with (
            Stranger(broker, camera=camera.name) as stranger,
            intruder(stranger) as connection,
        ):
            tap = Tap(connection)
            async with asyncio.timeout(5):
                while not tap.newest:  # noqa: ASYNC110 - packets tell nobody
                    await asyncio.sleep(0.01)
            yield connection, tap
        await recorder.more(30)
        await recorder.stop()
        report = await stream.report()

    assert gaps(recorder.numbers) == []
    assert report.reconnects == 0
    assert "Traceback" not in camera.log[log_before:]


async def test_a_flood_of_picture_losses_makes_few_keyframes(
    joined: tuple[Connection, Tap],
) -> None:
    """One in 300 ms, whatever is asked."""
    connection, tap = joined
    tap.keyframes.clear()
    packet = picture_loss(connection)
    sent = await flood(connection, packet, per_s=FLOOD_PER_S, seconds=SECONDS)

    assert sent >= SECONDS * FLOOD_PER_S * 0.9
    assert 2 <= len(tap.keyframes) <= SECONDS / KEYFRAME_INTERVAL_S + 2


async def test_a_packet_that_is_missed_a_thousand_times_is_not_sent_a_thousand_times(
    joined: tuple[Connection, Tap],
) -> None:
    """Repeats are at most as many as packets; stock sent 70 MB for 24 kB of requests."""
    connection, tap = joined
    before = tap.bytes
    for _ in range(20):
        missing = negative_acknowledgement(connection, tap.newest - 20, 300)
        await connection.media.send(missing)
        await asyncio.sleep(SECONDS / 20)

    assert tap.bytes - before < 2_000_000


async def test_a_flood_of_reports_disturbs_nobody(joined: tuple[Connection, Tap]) -> None:
    connection, _ = joined
    await flood(connection, sign_of_life(connection), per_s=FLOOD_PER_S, seconds=SECONDS)
