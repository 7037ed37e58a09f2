"""What one viewer learns about time: sender reports on the capture clock, answers to its RRTR.

It must not know units or routes: whoever sends tells when something was sent.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from mqcam.feedback import write_sender_report, write_source_description
from mqcam.rtcp import (
    ReferenceDelay,
    answer_reference_time,
    read_reference_times,
    round_trip_ns,
    write_reference_delays,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mqcam.feedback import ReportBlock
    from mqcam.media import MediaTransport
    from mqcam.rtcp import SenderClock
    from mqcam.steadyclock import SteadyClock

    from mqcam_device.sending.pulse import Pulse

PAUSE_S: Final = 0.15
"""A report goes out this long after the last picture, and then each 0.25 s at the latest, a beat of
the pulse included: the path is alive, also when there never was a picture
(docs/decisions/liveness.md)."""

FIRST_INTERVAL_S: Final = 0.2
FIRST_COUNT: Final = 5
"""So many reports follow each other quickly, so that latency is known from the start."""

INTERVAL_S: Final = (0.5, 1.5)
"""Then they come at random within this, as RFC 3550 section 6.2 wants it."""

ROUND_TRIP_SHARE: Final = 0.125
"""How much one sample counts (RFC 6298's smoothing)."""


class Reports:
    """Reports of one stream: ``clock`` is its RTP clock, ``counts`` its packets and octets.

    ``report_clock`` is the time of day that reports quote, one for all viewers.
    """

    def __init__(
        self,
        media: MediaTransport,
        *,
        ssrc: int,
        cname: str,
        clock: SenderClock,
        report_clock: SteadyClock,
        counts: Callable[[], tuple[int, int]],
        pulse: Pulse,
    ) -> None:
        self._media = media
        self._ssrc = ssrc
        self._name = write_source_description(ssrc, cname)
        self._clock = clock
        self._counts = counts
        self._pulse = pulse
        self._report_clock = report_clock
        self._sent_rtp_at = 0.0
        self._sent_reports = 0
        self._due_at = 0.0
        self._reported_at = 0.0
        self.round_trip_s: float | None = None

    def start(self) -> None:
        """Send the first report, before the first picture, and go on reporting."""
        self._report_now(time.monotonic())
        self._pulse.join(self._look)

    def stop(self) -> None:
        """End reporting; may be repeated."""
        self._pulse.leave(self._look)

    def note_sent(self, now: float) -> None:
        """Note that a picture went out."""
        self._sent_rtp_at = now

    def take(self, packet: bytes, blocks: Iterable[ReportBlock]) -> None:
        """Answer a viewer's RRTR, and learn the round trip from its report blocks."""
        arrived_ns = time.monotonic_ns()
        delays = [
            answer_reference_time(reference, arrived_ns=arrived_ns, now_ns=arrived_ns)
            for reference in read_reference_times(packet)
        ]
        if delays:
            self._media.send_now(write_reference_delays(self._ssrc, delays))
        for block in blocks:
            self._learn(block, arrived_ns)

    def report(self) -> bytes:
        """Write a sender report of now."""
        now_ns = time.monotonic_ns()
        packets, octets = self._counts()
        report = write_sender_report(
            self._ssrc,
            ntp=self._report_clock.ntp_at(now_ns),
            rtp_timestamp=self._clock.rtp_at(now_ns),
            packets=packets,
            octets=octets,
        )
        return report + self._name

    def _learn(self, block: ReportBlock, arrived_ns: int) -> None:
        sample_ns = round_trip_ns(
            ReferenceDelay(ssrc=block.ssrc, last_ntp=block.last_report, delay=block.delay),
            now_ntp=self._report_clock.ntp_at(arrived_ns),
        )
        if sample_ns is None:
            return
        sample_s = sample_ns / 1e9
        if self.round_trip_s is None:
            self.round_trip_s = sample_s
        self.round_trip_s += (sample_s - self.round_trip_s) * ROUND_TRIP_SHARE

    def _report_now(self, now: float) -> None:
        self._media.send_now(self.report())
        self._reported_at = now
        self._sent_reports += 1
        is_beginning = self._sent_reports < FIRST_COUNT
        self._due_at = now + (FIRST_INTERVAL_S if is_beginning else _random_interval_s())

    def _look(self, now: float) -> None:
        """Report when it is due, or when pictures have paused for long enough."""
        if now >= self._due_at or now - max(self._sent_rtp_at, self._reported_at) >= PAUSE_S:
            self._report_now(now)


def _random_interval_s() -> float:
    least_s, most_s = INTERVAL_S
    return least_s + (most_s - least_s) * secrets.randbits(16) / 2**16
