"""What a receiver reports of the packets that came: figures of RFC 3550, and arrivals one by one.

It must not know sockets, clocks or how reports are written: numbers and times come in, in seconds
of any clock that only goes forward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mqcam.arrivals import STATUS_LIMIT
from mqcam.feedback import ReportBlock
from mqcam.ordering import MAX_JUMP
from mqcam.rtcp import COMPACT_MASK, COMPACT_UNITS, RTP_MASK, SECOND_NS, compact_ntp
from mqcam.wrapping import signed

if TYPE_CHECKING:
    from mqcam.rtcp import SenderReport

SECOND_US: Final = 1_000_000
HIGHEST_JITTER: Final = RTP_MASK

LATE_S: Final = 0.03
DRIFT_S: Final = 5e-6
UNREST_S: Final = 2.0
"""A packet that is so late means a queue, or the end of one; so long after it the path is watched
closely. What is late is counted from the least delay, which drifts by so much with each packet."""


class StreamFigures:
    """Losses and jitter of one stream as it came, before anything was repaired (A.3, A.8)."""

    def __init__(self, *, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._base: int | None = None
        self._highest = 0
        self._received = 0
        self._jitter = 0.0
        self._last_timestamp = 0
        self._last_arrived_at = 0.0
        self._expected_before = 0
        self._received_before = 0
        self._report: SenderReport | None = None
        self._reported_ns = 0

    def add(self, sequence: int, timestamp: int, arrived_at: float) -> None:
        """Take the header of a packet that was sent for the first time."""
        if self._base is None:
            self._begin(sequence)
        else:
            difference = signed(sequence - self._highest, bits=16)
            if abs(difference) > MAX_JUMP:  # another numbering, or a stray: nothing was lost by it
                self._begin(sequence)
            elif difference > 0:
                self._highest += difference
            ticks = (arrived_at - self._last_arrived_at) * self._rate_hz
            transit = abs(ticks - signed(timestamp - self._last_timestamp, bits=32))
            self._jitter += (transit - self._jitter) / 16
        self._received += 1
        self._last_timestamp = timestamp
        self._last_arrived_at = arrived_at

    def take_report(self, report: SenderReport, *, arrived_ns: int) -> None:
        """Take the sender's report, which the next block will name."""
        self._report = report
        self._reported_ns = arrived_ns

    def block(self, ssrc: int, *, now_ns: int) -> ReportBlock | None:
        """Return what is to be said of the stream now, None if nothing came yet.

        What was lost since the last block is said in this one. ``now_ns`` is on the clock of
        ``take_report``.
        """
        if self._base is None:
            return None
        expected = self._highest - self._base + 1
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self._received - self._received_before)
        self._expected_before, self._received_before = expected, self._received
        delay = max(0, now_ns - self._reported_ns) * COMPACT_UNITS // SECOND_NS
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=min(1.0, max(0.0, lost_now / expected_now)) if expected_now > 0 else 0.0,
            packets_lost=expected - self._received,
            highest=self._highest & RTP_MASK,
            jitter=min(HIGHEST_JITTER, round(self._jitter)),
            last_report=compact_ntp(self._report.ntp) if self._report else 0,
            delay=min(delay, COMPACT_MASK) if self._report else 0,
        )

    def _begin(self, sequence: int) -> None:
        """Begin a numbering; what was lost before stays counted."""
        lost = 0 if self._base is None else self._highest - self._base + 1 - self._received
        self._highest = sequence + (0 if self._base is None else ((self._highest >> 16) + 1) << 16)
        self._base = self._highest - lost - self._received
        self._expected_before = min(self._expected_before, self._highest - self._base)


class Unrest:
    """Whether a path makes trouble: packets that come late against the others, or not at all."""

    def __init__(self, *, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._last_timestamp: int | None = None
        self._ticks = 0
        self._least_s = 0.0
        self._noted_at = 0.0

    def add(self, timestamp: int, arrived_at: float) -> None:
        """Take the header of a packet."""
        if self._last_timestamp is None:
            self._last_timestamp = timestamp
            self._least_s = arrived_at
            self._noted_at = arrived_at
        self._ticks += signed(timestamp - self._last_timestamp, bits=32)
        self._last_timestamp = timestamp
        delay_s = arrived_at - self._ticks / self._rate_hz
        if delay_s - self._least_s > LATE_S:
            self._noted_at = arrived_at
        # The least one grows slowly, because clocks drift and routes become longer.
        self._least_s = min(self._least_s + DRIFT_S, delay_s)

    def note(self, now: float) -> None:
        """Note that packets are missing."""
        self._noted_at = now

    def is_there(self, now: float) -> bool:
        """Tell whether there was any of late."""
        return now - self._noted_at < UNREST_S


class ArrivalLog:
    """When each packet of a transport came, by its transport-wide number of 16 bits."""

    def __init__(self) -> None:
        self._next: int | None = None  # the number to begin the next feedback with
        self._highest = 0
        self._arrived_us: dict[int, int] = {}

    def add(self, number: int, arrived_at: float) -> None:
        """Take a packet; one that was told as lost already is not told again."""
        if self._next is None:
            self._next = self._highest = number
        extended = self._highest + signed(number - self._highest, bits=16)
        if extended < self._next:
            return
        if extended - self._next >= STATUS_LIMIT:  # the sender began another numbering
            self._arrived_us.clear()
            self._next = extended
        self._highest = max(self._highest, extended)
        self._arrived_us[extended] = round(arrived_at * SECOND_US)

    def take(self) -> list[tuple[int, int | None]]:
        """Return number and arrival in us of all packets since the last time, None of lost ones."""
        if self._next is None or not self._arrived_us:
            return []
        told = [
            (number & 0xFFFF, self._arrived_us.get(number))
            for number in range(self._next, self._highest + 1)
        ]
        self._next = self._highest + 1
        self._arrived_us.clear()
        return told
