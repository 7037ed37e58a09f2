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
from mqcam.steadyclock import SteadyClock
from mqcam_device.sending.pulse import Pulse
from mqcam_device.sending.reports import Reports

if TYPE_CHECKING:
    from mqcam.media import MediaTransport

SSRC = 1234


class Outgoing:
    """What reports see of a media transport."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()

    def send_now(self, packet: bytes) -> bool:
        """Remember a packet."""
        self.sent.put_nowait(packet)
        return True


def reports(out: Outgoing) -> Reports:
    """Return reports of a stream with 3 packets and 400 octets."""
    loop = asyncio.get_running_loop()
    return Reports(
        cast("MediaTransport", out),
        ssrc=SSRC,
        cname="cam",
        clock=SenderClock(rtp_timestamp=9000, captured_ns=0),
        report_clock=SteadyClock(),
        counts=lambda: (3, 400),
        pulse=Pulse(clock=time.monotonic, call_later=loop.call_later),
    )


async def test_the_first_report_is_there_before_the_first_picture() -> None:
    out = Outgoing()
    one = reports(out)
    one.start()
    report = read_sender_report(out.sent.get_nowait())
    one.stop()

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
    one.start()
    async with asyncio.timeout(10):
        seen = [read_sender_report(await out.sent.get()) for _ in range(7)]
    one.stop()

    assert all(report is not None for report in seen)


async def test_a_question_for_the_time_is_answered() -> None:
    out = Outgoing()
    one = reports(out)
    one.start()
    one.take(write_reference_time(ReferenceTime(ssrc=77, ntp=0x1122334455667788)), [])
    async with asyncio.timeout(5):
        while not (delays := read_reference_delays(await out.sent.get())):
            pass
    one.stop()

    assert [(delay.ssrc, delay.last_ntp) for delay in delays] == [(77, 0x33445566)]


async def test_many_questions_at_once_get_one_answer() -> None:
    """A compound may hold a hundred of them."""
    out = Outgoing()
    question = write_reference_time(ReferenceTime(ssrc=77, ntp=1 << 32))
    reports(out).take(question * 100, [])

    assert 0 < len(read_reference_delays(out.sent.get_nowait())) <= 31
    assert out.sent.empty()


async def test_reports_come_seldom_while_pictures_do() -> None:
    out = Outgoing()
    one = reports(out)
    one.start()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        one.note_sent(time.monotonic())
        await asyncio.sleep(0.03)
    one.stop()

    assert 5 <= out.sent.qsize() <= 7


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
