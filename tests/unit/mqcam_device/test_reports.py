"""The stock sender's reports, mended and completed, on a transport that only remembers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket
from mqcam.rtcp import (
    ReferenceDelay,
    ReferenceTime,
    read_reference_delays,
    read_sender_report,
    unix_ns_from_ntp,
    write_empty_report,
    write_reference_time,
)
from mqcam_device.reports import MAX_WAITING, Reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.media import MediaTransport

SSRC = 1234
CAPTURED_NS = 5_000_000_000


class Wire:
    """What the reports see of a media transport."""

    def __init__(self) -> None:
        self.tap: Callable[[bytes], bytes | None] | None = None
        self.listener: Callable[[bytes, float], None] | None = None
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()

    def set_outgoing_tap(self, tap: Callable[[bytes], bytes | None] | None) -> None:
        self.tap = tap

    def add_rtcp_listener(self, listener: Callable[[bytes, float], None]) -> None:
        self.listener = listener

    async def send(self, packet: bytes) -> bool:
        passed = packet if self.tap is None else self.tap(packet)
        if passed is not None:
            self.sent.put_nowait(passed)
        return True

    def pass_out(self, packet: bytes) -> bytes | None:
        """Let the tap see what the stock sender sends."""
        assert self.tap is not None
        return self.tap(packet)


def rtp(timestamp: int = 9000, ssrc: int = SSRC) -> bytes:
    """Return an RTP packet with 100 bytes of payload."""
    packet = RtpPacket(payload_type=96, sequence_number=1, timestamp=timestamp, ssrc=ssrc)
    packet.payload = bytes(100)
    return packet.serialize()


def stock_report() -> bytes:
    """Return a sender report with the times that stock would write."""
    info = RtcpSenderInfo(ntp_timestamp=1, rtp_timestamp=2, packet_count=3, octet_count=4)
    return bytes(RtcpSrPacket(ssrc=SSRC, sender_info=info))


def reports(wire: Wire, captured_ns: int | None = CAPTURED_NS) -> Reports:
    """Return reports that watch the wire."""
    made = Reports(cast("MediaTransport", wire), ssrc=SSRC, captured_ns=lambda: captured_ns)
    made.start()
    return made


async def test_a_report_before_the_first_picture_is_not_sent() -> None:
    wire = Wire()
    one = reports(wire)

    assert wire.pass_out(stock_report()) is None
    await one.stop()


async def test_a_camera_without_a_picture_says_that_it_is_there() -> None:
    """A source that is broken is no reason to think that the path is."""
    wire = Wire()
    one = reports(wire)
    async with asyncio.timeout(5):
        seen = [await wire.sent.get() for _ in range(3)]
    await one.stop()

    assert seen == [write_empty_report(SSRC)] * 3


async def test_a_question_before_the_first_picture_is_answered() -> None:
    wire = Wire()
    one = reports(wire)
    assert wire.listener is not None
    wire.listener(write_reference_time(ReferenceTime(ssrc=77, ntp=1 << 32)), 0.0)
    async with asyncio.timeout(5):
        delays = read_reference_delays(await wire.sent.get())
    await one.stop()

    assert [delay.ssrc for delay in delays] == [77]


async def test_a_report_pairs_now_with_the_capture_clock() -> None:
    """The RTP time of now lies as far after the picture's as now is after its capture."""
    wire = Wire()
    one = reports(wire)
    wire.pass_out(rtp(timestamp=9000))
    mended = wire.pass_out(stock_report())
    await one.stop()

    assert mended is not None
    report = read_sender_report(mended)
    assert report is not None
    since_capture_s = (time.monotonic_ns() - CAPTURED_NS) / 1e9
    ticks = (report.rtp_timestamp - 9000) % 2**32
    assert abs(ticks - since_capture_s * 90_000 % 2**32) < 90_000
    assert abs(unix_ns_from_ntp(report.ntp) - time.time_ns()) < 1e9
    assert (report.packets, report.octets) == (3, 4)


async def test_the_first_picture_is_followed_by_a_report_at_once() -> None:
    wire = Wire()
    one = reports(wire)
    wire.pass_out(rtp())
    async with asyncio.timeout(5):
        report = read_sender_report(await wire.sent.get())
    await one.stop()

    assert report is not None
    assert (report.ssrc, report.packets) == (SSRC, 0)


async def test_reports_go_on_while_no_picture_does() -> None:
    wire = Wire()
    one = reports(wire)
    wire.pass_out(rtp())
    async with asyncio.timeout(10):
        seen = [read_sender_report(await wire.sent.get()) for _ in range(8)]
    await one.stop()

    assert all(report is not None for report in seen)


async def test_retransmissions_do_not_count_as_pictures() -> None:
    wire = Wire()
    one = reports(wire)
    wire.pass_out(rtp(ssrc=SSRC + 1))

    assert wire.pass_out(stock_report()) is None
    await one.stop()


async def test_a_question_for_the_time_is_answered() -> None:
    wire = Wire()
    one = reports(wire)
    wire.pass_out(rtp())
    assert wire.listener is not None
    wire.listener(write_reference_time(ReferenceTime(ssrc=77, ntp=0x1122334455667788)), 0.0)
    delays: list[ReferenceDelay] = []
    async with asyncio.timeout(5):
        while not delays:
            delays = read_reference_delays(await wire.sent.get())
    await one.stop()

    assert [(delay.ssrc, delay.last_ntp) for delay in delays] == [(77, 0x33445566)]


async def test_a_viewer_that_asks_without_end_is_answered_so_often_and_no_more() -> None:
    wire = Wire()
    one = reports(wire)
    wire.pass_out(rtp())
    assert wire.listener is not None
    question = write_reference_time(ReferenceTime(ssrc=77, ntp=1 << 32))
    for _ in range(MAX_WAITING * 10):
        wire.listener(question, 0.0)
    async with asyncio.timeout(5):
        for _ in range(MAX_WAITING):
            await wire.sent.get()
    await one.stop()

    assert wire.sent.empty()
