"""What a viewer tells its camera, on a transport that only remembers."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, cast

from mqcam.feedback import read_feedback
from mqcam.offer import offered_video
from mqcam.payload import read_packet
from mqcam.rtcp import read_reference_times
from mqcam_viewer.reporting import REQUEST_COPIES, Reporting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mqcam.media import MediaTransport

SSRC = 1234
OWN_SSRC = 5678
LIMIT_S = 5.0


class Wire:
    """What the reporting sees of a media transport."""

    def __init__(self) -> None:
        self.listener: Callable[[bytes, float], None] = lambda _packet, _at: None
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.ends = 0

    def add_rtcp_listener(self, listener: Callable[[bytes, float], None]) -> None:
        self.listener = listener

    def send_now(self, packet: bytes) -> bool:
        self.sent.put_nowait(packet)
        return True

    async def next(self) -> bytes:
        async with asyncio.timeout(LIMIT_S):
            return await self.sent.get()

    def end(self) -> None:
        self.ends += 1


@contextlib.asynccontextmanager
async def reporting(wire: Wire) -> AsyncIterator[Reporting]:
    """Report on a stream whose source the answer does not name."""
    made = Reporting(
        cast("MediaTransport", wire),
        offered_video(cname="c", rtcp_ssrc=OWN_SSRC),
        on_round_trip=lambda _seconds: None,
        on_end=wire.end,
    )
    made.start()
    try:
        yield made
    finally:
        await made.stop()


def hear(subject: Reporting, *, sequence: int = 1, extension: bytes = b"") -> None:
    """Give the reporting a packet of the stream."""
    first, block = 0x80, b""
    if extension:
        first, block = 0x90, struct.pack("!HH", 0xBEDE, len(extension) // 4) + extension
    data = struct.pack("!BBHII", first, 96, sequence, 3000, SSRC) + block + b"\x41\x00"
    packet = read_packet(data, 1.0)
    assert packet is not None
    subject.see_rtp(data, packet)


async def test_requests_go_out_twice_and_name_the_source_that_was_heard() -> None:
    wire = Wire()
    async with reporting(wire) as subject:
        hear(subject)
        subject.ask_again([7, 9])
        subject.ask_for_keyframe()
        heard = [read_feedback(await wire.next(), ssrc=SSRC) for _ in range(REQUEST_COPIES + 1)]

    assert [each.lost for each in heard] == [*[[7, 9]] * REQUEST_COPIES, []]
    assert heard[-1].is_keyframe_wanted


async def test_nothing_is_reported_before_anything_came_and_then_it_begins() -> None:
    wire = Wire()
    async with reporting(wire) as subject:
        await asyncio.sleep(0)
        assert wire.sent.empty()
        hear(subject, sequence=77)
        packets = [await wire.next()]
        while not read_feedback(packets[-1], ssrc=SSRC).blocks:
            packets.append(await wire.next())
        (block,) = read_feedback(packets[-1], ssrc=SSRC).blocks

    assert block.highest == 77
    assert any(each.ssrc == OWN_SSRC for packet in packets for each in read_reference_times(packet))


async def test_arrivals_are_reported_where_they_are_agreed_on() -> None:
    wire = Wire()
    async with reporting(wire) as subject:
        for number in (5, 7):
            hear(subject, sequence=number, extension=bytes((0x31, 0, number, 0)))
        told: list[tuple[int, bool]] = []
        while not told:
            for arrivals in read_feedback(await wire.next(), ssrc=SSRC).arrivals:
                told += [(number, at is not None) for number, at in arrivals.arrivals]

    assert told == [(5, True), (6, False), (7, True)]


async def test_only_the_streams_own_goodbye_ends_it_and_once() -> None:
    wire = Wire()
    async with reporting(wire) as subject:
        hear(subject)
        for source in (1, SSRC, SSRC):
            wire.listener(struct.pack("!BBHI", 0x81, 203, 1, source), 1.0)

    assert wire.ends == 1


async def test_garbage_is_survived() -> None:
    wire = Wire()
    async with reporting(wire) as subject:
        for packet in (b"", b"\x81", b"\x81\xcb\x00\x09", b"\x9f\xcf\x00\x01" + bytes(4)):
            wire.listener(packet, 1.0)
        hear(subject, extension=b"\x31\x00\x00\x31")
        hear(subject, extension=b"\x30\x00\x00\x00")

    assert wire.ends == 0
