"""One viewer's way out, on a connection that only remembers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import pytest
from mqcam.feedback import write_nack
from mqcam.payload import read_packet, read_rotation
from mqcam.rtcp import write_picture_loss
from mqcam.sdp import ORIENTATION_URI
from mqcam.steadyclock import SteadyClock
from mqcam_device.rate.path import PathRate
from mqcam_device.sending.egress import MediaEgress
from mqcam_device.sending.pacing import PACED_PACKETS
from mqcam_device.sending.parcels import Parcels
from mqcam_device.sending.pulse import Pulse
from support.sending import RTX_SSRC, SSRC, TAG, Sealed, Wire, unit, video

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.connection import Connection
    from mqcam.payload import RtpPacket
    from mqcam.srtp import Scratch

BIG = 30_000


class Media:
    """What an egress sees of a media transport."""

    def __init__(self) -> None:
        self.sealed = Sealed()
        self.hear: Callable[[bytes, float], None] = lambda _packet, _at: None
        self.reports: list[bytes] = []

    def make_sealer(self, _scratch: Scratch) -> Sealed:
        """Return what stands for SRTP."""
        return self.sealed

    def add_rtcp_listener(self, listener: Callable[[bytes, float], None]) -> None:
        """Take the one that listens."""
        self.hear = listener

    def send_now(self, packet: bytes) -> bool:
        """Remember a report."""
        self.reports.append(packet)
        return True


class Way:
    """A way with one route, or none."""

    def __init__(self, wire: Wire) -> None:
        self.wire: Wire | None = wire
        self.is_closed = False

    def route(self) -> Wire | None:
        """Return the route of the moment."""
        return self.wire

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class Rig:
    """An egress, what is on its wire, and who was told what."""

    def __init__(self) -> None:
        self.media = Media()
        self.wire = Wire()
        self.way = Way(self.wire)
        self.video = video()
        self.rotation = 0
        self.asked = 0
        self.stops = 0
        loop = asyncio.get_running_loop()
        self.egress = MediaEgress(
            cast("Connection", self),
            parcels=Parcels(epoch=0),
            scratch=self.media.sealed.scratch,
            pulse=Pulse(clock=time.monotonic, call_later=loop.call_later),
            report_clock=SteadyClock(),
            path=PathRate(start_bps=1_000_000, ceiling_bps=4_000_000, now=0.0),
            bitrate_bps=lambda: 1_000_000,
            rotation=lambda: self.rotation,
            on_keyframe_wanted=self._ask,
            on_stopped=self._stopped,
        )
        self.egress.start()

    def open_way(self, _on_refused: Callable[[OSError], None]) -> Way:
        """Return the way, as a connection does."""
        return self.way

    def _ask(self, _round_trip_s: float) -> None:
        self.asked += 1

    def _stopped(self) -> None:
        self.stops += 1

    def read(self) -> list[RtpPacket]:
        """Return what is on the wire."""
        found = [read_packet(each.removesuffix(TAG)) for each in self.wire.packets]
        return [each for each in found if each is not None]


@pytest.fixture
async def rig() -> Rig:
    """Return a started egress."""
    return Rig()


async def test_nothing_is_sent_before_a_keyframe(rig: Rig) -> None:
    assert not rig.egress.send(unit(0))
    assert rig.egress.send(unit(1, keyframe=True))
    assert rig.egress.send(unit(2))

    assert len({each.timestamp for each in rig.read()}) == 2
    assert rig.egress.dropped == 1
    rig.egress.stop()


async def test_a_source_that_is_turned_meanwhile_is_said_with_its_next_picture(rig: Rig) -> None:
    for seq, rotation in enumerate((90, 90, 0)):
        rig.rotation = rotation
        assert rig.egress.send(unit(seq, size=100, keyframe=seq == 0))

    number = rig.video.extensions[ORIENTATION_URI]
    assert [read_rotation(each, number) for each in rig.wire.packets] == [90, 90, 0]
    rig.egress.stop()


async def test_a_report_is_there_before_the_first_picture(rig: Rig) -> None:
    assert len(rig.media.reports) == 1
    assert rig.wire.packets == []
    rig.egress.stop()


async def test_a_full_way_stops_the_viewer_until_the_next_keyframe(rig: Rig) -> None:
    rig.egress.send(unit(0, keyframe=True))
    rig.wire.is_full = True
    assert not rig.egress.send(unit(1))
    rig.wire.is_full = False
    assert not rig.egress.send(unit(2))
    sent = len(rig.wire.packets)
    assert rig.egress.send(unit(3, keyframe=True))

    numbers = [each.sequence for each in rig.read()]
    assert numbers[:sent] == list(range(numbers[0], numbers[0] + sent))
    assert rig.egress.dropped == 2
    rig.egress.stop()


async def test_a_path_that_is_gone_is_like_a_full_one(rig: Rig) -> None:
    rig.egress.send(unit(0, keyframe=True))
    rig.way.wire = None
    assert not rig.egress.send(unit(1))
    rig.way.wire = rig.wire

    assert not rig.egress.send(unit(2))
    assert rig.egress.send(unit(3, keyframe=True))
    rig.egress.stop()


async def test_a_large_keyframe_leaves_in_short_runs_and_whole(rig: Rig) -> None:
    rig.egress.send(unit(0, size=BIG, keyframe=True))
    assert sum(rig.wire.runs) <= PACED_PACKETS
    async with asyncio.timeout(5):
        while not (rig.read() and rig.read()[-1].marker):  # noqa: ASYNC110 - a timer sends them
            await asyncio.sleep(0.001)

    assert max(rig.wire.runs) <= PACED_PACKETS
    assert len(rig.wire.packets) == 27
    rig.egress.stop()


async def test_a_picture_behind_a_keyframe_that_still_leaves_keeps_its_place(rig: Rig) -> None:
    rig.egress.send(unit(0, size=BIG, keyframe=True))
    rig.egress.send(unit(1))
    async with asyncio.timeout(5):
        while len(rig.wire.packets) < 30:  # noqa: ASYNC110 - a timer sends them
            await asyncio.sleep(0.001)

    stamps = [each.timestamp for each in rig.read()]
    assert stamps == sorted(stamps)
    rig.egress.stop()


async def test_after_the_end_nothing_leaves_and_nothing_is_heard(rig: Rig) -> None:
    rig.egress.send(unit(0, size=BIG, keyframe=True))
    sent = len(rig.wire.packets)
    rig.egress.stop()
    rig.media.hear(write_picture_loss(9, SSRC), 0.0)
    rig.media.hear(write_nack(9, SSRC, [rig.read()[0].sequence]), 0.0)
    assert not rig.egress.send(unit(1, keyframe=True))
    await asyncio.sleep(0.03)

    assert len(rig.wire.packets) == sent
    assert rig.asked == 0
    assert rig.way.is_closed
    assert rig.stops == 1


async def test_what_a_viewer_misses_is_sent_again(rig: Rig) -> None:
    rig.egress.send(unit(0, keyframe=True))
    missing = rig.read()[1].sequence
    rig.media.hear(write_nack(9, SSRC, [missing]), 0.0)
    rig.media.hear(write_nack(9, SSRC, [missing]), 0.0)

    assert [each.ssrc for each in rig.read()].count(RTX_SSRC) == 1
    assert rig.read()[-1].payload[:2] == missing.to_bytes(2)
    rig.egress.stop()


async def test_a_burst_of_losses_is_answered_by_a_keyframe_and_forgotten(rig: Rig) -> None:
    for seq in range(30):
        rig.egress.send(unit(seq, keyframe=seq == 0))
    numbers = [each.sequence for each in rig.read()]
    rig.media.hear(write_nack(9, SSRC, numbers), 0.0)
    repeated = rig.egress.packets[1]
    assert 0 < repeated < len(numbers)
    assert rig.asked == 1
    rig.egress.send(unit(30, keyframe=True))
    rig.media.hear(write_nack(9, SSRC, numbers), 0.0)

    assert rig.egress.packets[1] == repeated
    rig.egress.stop()


async def test_a_viewer_that_asks_for_a_keyframe_is_heard(rig: Rig) -> None:
    rig.media.hear(write_picture_loss(9, SSRC), 0.0)
    rig.media.hear(write_picture_loss(9, SSRC + 1), 0.0)

    assert rig.asked == 1
    rig.egress.stop()


@pytest.mark.parametrize("packet", [b"", b"\x80", b"\x81\xcd\x00\x02" + bytes(4), b"\xff" * 200])
async def test_what_cannot_be_read_changes_nothing(rig: Rig, packet: bytes) -> None:
    rig.media.hear(packet, 0.0)

    assert rig.asked == 0
    assert len(rig.media.reports) == 1
    rig.egress.stop()


async def test_a_viewer_from_whom_nothing_is_heard_does_not_lose_count(rig: Rig) -> None:
    """Beyond 2**15 packets it would take every later one for an old one."""
    seq = 0
    while rig.egress.send(unit(seq, size=20_000, keyframe=seq == 0)):
        seq += 1
        assert seq < 2**14
    assert rig.egress.packets[0] < 2**14 + 100
    assert not rig.egress.send(unit(seq + 1, keyframe=True))
    rig.media.hear(write_picture_loss(9, SSRC), 0.0)

    assert rig.egress.send(unit(seq + 2, keyframe=True))
    rig.egress.stop()
