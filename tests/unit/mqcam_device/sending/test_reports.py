"""Sender reports and answers, on a transport that only remembers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from mqcam.feedback import ReportBlock
from mqcam.rtcp import (
    ReferenceTime,
    SenderClock,
    compact_ntp,
    read_reference_delays,
    read_sender_report,
    unix_ns_from_ntp,
    write_reference_time,
)
from mqcam_device.sending.reports import MAX_WAITING, Reports

if TYPE_CHECKING:
    from mqcam.media import MediaTransport

SSRC = 1234


class Outgoing:
    """What reports see of a media transport."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, packet: bytes) -> bool:
        """Remember a packet."""
        self.sent.put_nowait(packet)
        return True


def reports(out: Outgoing) -> Reports:
    """Return reports of a stream with 3 packets and 400 octets."""
    return Reports(
        cast("MediaTransport", out),
        ssrc=SSRC,
        cname="cam",
        clock=SenderClock(rtp_timestamp=9000, captured_ns=0),
        counts=lambda: (3, 400),
    )


async def test_the_first_report_is_there_before_the_first_picture() -> None:
    out = Outgoing()
    one = reports(out)
    await one.start()
    report = read_sender_report(out.sent.get_nowait())
    await one.stop()

    assert report is not None
    assert (report.ssrc, report.packets, report.octets) == (SSRC, 3, 400)


async def test_a_report_pairs_now_with_the_capture_clock() -> None:
    report = read_sender_report(reports(Outgoing()).report())
    now_ns = time.monotonic_ns()

    assert report is not None
    late_ticks = (9000 + now_ns * 9 // 100_000 - report.rtp_timestamp) % 2**32
    assert late_ticks < 90_000
    assert abs(unix_ns_from_ntp(report.ntp) - time.time_ns()) < 1e9


async def test_reports_go_on_while_no_picture_does() -> None:
    out = Outgoing()
    one = reports(out)
    await one.start()
    async with asyncio.timeout(10):
        seen = [read_sender_report(await out.sent.get()) for _ in range(7)]
    await one.stop()

    assert all(report is not None for report in seen)


async def test_a_question_for_the_time_is_answered() -> None:
    out = Outgoing()
    one = reports(out)
    await one.start()
    one.take(write_reference_time(ReferenceTime(ssrc=77, ntp=0x1122334455667788)), [])
    async with asyncio.timeout(5):
        while not (delays := read_reference_delays(await out.sent.get())):
            pass
    await one.stop()

    assert [(delay.ssrc, delay.last_ntp) for delay in delays] == [(77, 0x33445566)]


async def test_a_viewer_that_asks_without_end_is_answered_so_often_and_no_more() -> None:
    out = Outgoing()
    one = reports(out)
    question = write_reference_time(ReferenceTime(ssrc=77, ntp=1 << 32))
    for _ in range(MAX_WAITING * 10):
        one.take(question, [])
    await one.start()
    async with asyncio.timeout(5):
        answers = 0
        while answers < MAX_WAITING:
            answers += bool(read_reference_delays(await out.sent.get()))
        # The next is a report again.
        assert not read_reference_delays(await out.sent.get())
    await one.stop()


async def test_the_round_trip_is_learnt_from_report_blocks() -> None:
    one = reports(Outgoing())
    report = read_sender_report(one.report())
    assert report is not None
    block = ReportBlock(SSRC, 0.0, 0, 0, 0, compact_ntp(report.ntp), 0)
    assert one.round_trip_s is None
    one.take(b"", [block])

    assert one.round_trip_s is not None
    assert 0 <= one.round_trip_s < 1


async def test_a_block_without_a_report_says_nothing_of_the_round_trip() -> None:
    one = reports(Outgoing())
    one.take(b"", [ReportBlock(SSRC, 0.0, 0, 0, 0, 0, 0)])

    assert one.round_trip_s is None
