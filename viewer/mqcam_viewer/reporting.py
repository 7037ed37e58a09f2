"""What a viewer and its camera tell each other in RTCP: losses, arrivals, wishes, times.

It must not know pictures: it gets the headers of packets, and what is to be asked for.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from typing import TYPE_CHECKING, Final

from mqcam.arrivals import write_arrivals
from mqcam.feedback import write_nack, write_receiver_report
from mqcam.payload import read_extension
from mqcam.reception import ArrivalLog, StreamFigures, Unrest
from mqcam.remoteclock import RemoteClock
from mqcam.rtcp import (
    ReferenceTime,
    read_goodbyes,
    read_reference_delays,
    read_sender_report,
    round_trip_ns,
    write_picture_loss,
    write_reference_time,
)
from mqcam.sdp import RTP_CLOCK_HZ, TRANSPORT_WIDE_CC_URI
from mqcam.steadyclock import SteadyClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.media import MediaTransport
    from mqcam.payload import RtpPacket
    from mqcam.sdp import VideoParameters

REPORT_S: Final = (0.5, 1.0)
"""How long lies between two reports, by chance, so that those of many viewers spread."""

FIRST_REPORTS_S: Final = (0.02, 0.03, 0.05, 0.1, 0.2, 0.3)
"""The first ones follow each other quickly: the smallest round trip counts."""

ARRIVALS_S: Final = 0.06
CALM_ARRIVALS_TICKS: Final = 6
"""Arrivals are told this often, and only each sixth time while the path is calm: each costs the
camera as much as it costs to send a picture."""

CLOCK_REPORTS: Final = 4
"""Each fourth report asks the camera for its time; the first ones all do."""

REQUEST_COPIES: Final = 2
"""With 2 % loss each way this halves the freezes, for a few small packets
(docs/decisions/receiving.md)."""


class Reporting:
    """Report on one stream, compare the camera's clock with ours, ask for packets and keyframes.

    ``on_round_trip`` gets seconds, ``on_end`` is called when the camera ended its stream (BYE).
    """

    def __init__(
        self,
        media: MediaTransport,
        video: VideoParameters,
        *,
        on_round_trip: Callable[[float], None],
        on_end: Callable[[], None],
    ) -> None:
        self.clock = RemoteClock()
        self._media = media
        self._video = video
        self._on_round_trip = on_round_trip
        self._on_end = on_end
        self._own_clock = SteadyClock()
        self._figures = StreamFigures(rate_hz=RTP_CLOCK_HZ)
        self._arrivals = ArrivalLog()
        self._unrest = Unrest(rate_hz=RTP_CLOCK_HZ)
        self._transport_wide_id = _transport_wide_id(video)
        self._feedback_count = 0
        self._source = video.remote_ssrc
        self._has_ended = False
        self._is_report_due = False
        self._asks_time = True
        self._is_heard = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen and to report."""
        self._media.add_rtcp_listener(self._see_rtcp)
        self._tasks = [
            asyncio.create_task(self._report(), name="receiver reports"),
        ]
        if self._transport_wide_id is not None:
            self._tasks.append(asyncio.create_task(self._report_arrivals(), name="arrivals"))

    async def stop(self) -> None:
        """End reporting; may be repeated."""
        self._has_ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def see_rtp(self, data: bytes, packet: RtpPacket) -> None:
        """Take a packet as it came, and what was read of it."""
        if not self._is_heard.is_set():
            self._is_heard.set()
        if packet.payload_type == self._video.payload_type:
            if self._source is None:
                self._source = packet.ssrc
            if packet.ssrc == self._source:
                self._figures.add(packet.sequence, packet.timestamp, packet.arrived_at)
                self._unrest.add(packet.timestamp, packet.arrived_at)
        if self._transport_wide_id is not None:
            number = read_extension(data, self._transport_wide_id)
            if number is not None and len(number) == 2:  # noqa: PLR2004
                self._arrivals.add(int.from_bytes(number), packet.arrived_at)

    def ask_again(self, numbers: list[int]) -> None:
        """Ask for packets, in two datagrams: a camera answers one of them, one may be lost."""
        self._unrest.note(time.monotonic())
        request = write_nack(self._video.local_ssrc, self._source or 0, numbers)
        for _ in range(REQUEST_COPIES):
            self._media.send_now(request)

    def ask_for_keyframe(self) -> None:
        """Ask for a picture that needs no other."""
        self._media.send_now(write_picture_loss(self._video.local_ssrc, self._source or 0))

    def _see_rtcp(self, packet: bytes, _arrived_at: float) -> None:
        arrived_ns = time.monotonic_ns()
        self._is_heard.set()
        report = read_sender_report(packet)
        if report is not None:
            self.clock.add_report(report, arrived_ns=arrived_ns)
            self._figures.take_report(report, arrived_ns=arrived_ns)
        for delay in read_reference_delays(packet):
            round_trip = round_trip_ns(delay, now_ntp=self._own_clock.ntp_at(arrived_ns))
            if delay.ssrc == self._video.local_ssrc and round_trip is not None:
                self.clock.add_round_trip(round_trip, now_ns=arrived_ns)
                self._on_round_trip((self.clock.usual_round_trip_ns or round_trip) / 1e9)
        if not self._has_ended and self._source in read_goodbyes(packet):
            self._has_ended = True
            self._on_end()

    async def _report(self) -> None:
        """Report, and ask the camera for its time, often at first, until cancelled.

        Begins with the first packet, however long that takes: there is nobody to tell before.
        """
        await self._is_heard.wait()
        later = (random.uniform(*REPORT_S) for _ in itertools.repeat(None))  # noqa: S311 - no secret
        for number, interval_s in enumerate(itertools.chain(FIRST_REPORTS_S, later)):
            await asyncio.sleep(interval_s)
            is_first = number < len(FIRST_REPORTS_S)
            self._asks_time = is_first or number % CLOCK_REPORTS == 0
            if is_first or self._transport_wide_id is None:
                self._media.send_now(self._write_report())
            else:
                self._is_report_due = True  # it goes with the next arrivals

    def _write_report(self) -> bytes:
        """Write what there is to say of the stream now, and the question for the time."""
        now_ns = time.monotonic_ns()
        own = self._video.local_ssrc
        block = self._figures.block(self._source or 0, now_ns=now_ns)
        report = write_receiver_report(own, [block] if block else [])
        if self._asks_time:
            reference = ReferenceTime(ssrc=own, ntp=self._own_clock.ntp_at(now_ns))
            report += write_reference_time(reference)
        return report

    async def _report_arrivals(self) -> None:
        """Tell which packets came when, for the camera's rate control, until cancelled."""
        await self._is_heard.wait()
        for tick in itertools.count():
            await asyncio.sleep(ARRIVALS_S)
            if tick % CALM_ARRIVALS_TICKS and not self._unrest.is_there(time.monotonic()):
                continue
            packets = write_arrivals(
                self._video.local_ssrc,
                self._source or 0,
                self._feedback_count,
                self._arrivals.take(),
            )
            self._feedback_count += len(packets)
            if self._is_report_due:
                self._is_report_due = False
                packets = [self._write_report() + b"".join(packets[:1]), *packets[1:]]
            for packet in packets:
                self._media.send_now(packet)


def _transport_wide_id(video: VideoParameters) -> int | None:
    """Return the id of the header extension whose numbers the camera wants reported."""
    if "transport-cc" not in video.feedback:
        return None
    return video.extensions.get(TRANSPORT_WIDE_CC_URI)
