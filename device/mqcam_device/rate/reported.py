"""The same figures for a path without transport-wide feedback: from its receiver's report blocks.

It must not know what follows from the figures, nor sockets or clocks. Reports come about once a
second, so that everything is known a second later than from arrivals.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from mqcam.wrapping import signed

from mqcam_device.rate.passage import Minimum, Sample

if TYPE_CHECKING:
    from mqcam.feedback import ReportBlock

MIN_INTERVAL_S: Final = 0.2
"""Reports that follow faster are not read: an overloaded browser sends 60 to 100 a second."""

SENT_WINDOW_S: Final = 0.5
MARK_LIMIT: Final = 64


class Reported:
    """Compares the report blocks of one receiver with what was sent to it."""

    def __init__(self) -> None:
        self._base = Minimum()
        self._last: tuple[ReportBlock, int, int, float] | None = None
        self._queue_s = 0.0
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARK_LIMIT)

    def mark(self, sent_bytes: int, now: float) -> None:
        """Remember how much was sent by now, at most ten times a second."""
        if not self._marks or now - self._marks[-1][0] >= SENT_WINDOW_S / 5:
            self._marks.append((now, sent_bytes))

    def sent_bps(self, sent_bytes: int, now: float) -> float:
        """Return the rate at which was sent of late, 0 before there is a figure."""
        begins = [each for each in self._marks if now - each[0] >= SENT_WINDOW_S]
        if not begins:
            return 0.0
        at, before_bytes = begins[-1]
        return (sent_bytes - before_bytes) * 8 / (now - at)

    def take(
        self,
        block: ReportBlock,
        round_trip_s: float | None,
        *,
        sent_bytes: int,
        sent_packets: int,
        now: float,
    ) -> Sample | None:
        """Return the path as this block shows it; None if it comes too early to tell."""
        last = self._last
        if last is not None and now - last[3] < MIN_INTERVAL_S:
            return None
        self._last = (block, sent_bytes, sent_packets, now)
        if round_trip_s is not None:
            self._queue_s = round_trip_s - self._base.take(round_trip_s, now)
        if last is None:
            return None
        expected = max(0, signed(block.highest - last[0].highest, bits=32))
        lost = min(max(0, block.packets_lost - last[0].packets_lost), expected)
        packets = sent_packets - last[2]
        size_bytes = (sent_bytes - last[1]) / packets if packets > 0 else 0.0
        rate_bps = (expected - lost) * size_bytes * 8 / (now - last[3])
        return Sample(self._queue_s, rate_bps, rate_bps, lost, expected - lost)

    def forget_base(self) -> None:
        """Take the round trip of now for the least one."""
        self._base.forget()
