"""What one path did to the packets that were sent on it: queue, delivered rate, losses.

It must not know what follows from the figures, nor sockets or clocks: times are arguments. The
two clocks need not agree: only changes of the one-way delay count, against its minimum.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.arrivals import REFERENCE_PERIOD_US

if TYPE_CHECKING:
    from mqcam.arrivals import Arrivals

STANDING_S: Final = 0.1
"""The queue is the least delay of so long: a keyframe's own packets, or jitter, are no queue."""

CAPACITY_WINDOW_S: Final = 0.25
DELIVERED_WINDOW_S: Final = 0.5
LOSS_WINDOW_S: Final = 1.0
RECORD_LIMIT: Final = 256
SENT_LIMIT: Final = 4096
"""Packets that are remembered until they are reported: 10 s at 400 packets a second."""

CLOCK_JUMP_S: Final = 10.0
BASE_BUCKET_S: Final = 10.0
BASE_BUCKETS: Final = 3
"""The minimum of the delay is that of the last 20 to 30 s: clocks drift, and routes change."""

_SENT_MASK: Final = SENT_LIMIT - 1
_SEQUENCE_MASK: Final = 0xFFFF


@dataclass(slots=True)
class Sample:
    """A path at one moment.

    ``capacity_bps`` is what arrived within 0.25 s: what the path can carry, while there is a
    queue. ``delivered_bps`` is the same over 0.5 s. Both are None before there is a figure.
    ``lost`` and ``received`` count the packets of the last second.
    """

    queue_s: float
    capacity_bps: float | None
    delivered_bps: float | None
    lost: int
    received: int


@dataclass(slots=True)
class _Record:
    """What one feedback said; never changed."""

    arrived_s: float
    received_bytes: int
    least_delay_s: float
    lost: int
    received: int


class Minimum:
    """The least of the values of the last 20 to 30 s."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, float]] = deque(maxlen=BASE_BUCKETS)

    def take(self, value: float, now: float) -> float:
        """Return the minimum, this value included."""
        index = int(now / BASE_BUCKET_S)
        if not self._buckets or self._buckets[-1][0] != index:
            self._buckets.append((index, value))
        elif value < self._buckets[-1][1]:
            self._buckets[-1] = (index, value)
        return min(least for since, least in self._buckets if index - since < BASE_BUCKETS)

    def forget(self) -> None:
        """Begin again with the next value."""
        self._buckets.clear()


class Passage:
    """Remembers what was sent on one path and compares it with what its receiver reports."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.sent_packets = 0
        self._sent: list[tuple[int, int, float] | None] = [None] * SENT_LIMIT
        self._records: deque[_Record] = deque(maxlen=RECORD_LIMIT)
        self._base = Minimum()
        self._last_us = 0
        self._wrapped_us = 0

    def sent(self, sequence: int, size_bytes: int, now: float) -> None:
        """Remember one packet by its transport-wide sequence number (16 bits)."""
        self._sent[sequence & _SENT_MASK] = (sequence, size_bytes, now)
        self.sent_bytes += size_bytes
        self.sent_packets += 1

    def sent_run(self, first_sequence: int, count: int, size_bytes_each: int, now: float) -> None:
        """Remember packets of one size that leave together."""
        for sequence in range(first_sequence, first_sequence + count):
            wrapped = sequence & _SEQUENCE_MASK
            self._sent[wrapped & _SENT_MASK] = (wrapped, size_bytes_each, now)
        self.sent_bytes += count * size_bytes_each
        self.sent_packets += count

    def take(self, arrivals: Arrivals, now: float) -> Sample | None:
        """Return the path as this feedback shows it; None if nothing known arrived."""
        record = self._read(arrivals)
        if record is None:
            return None
        if self._records and abs(record.arrived_s - self._records[-1].arrived_s) > CLOCK_JUMP_S:
            self._records.clear()
            self._base.forget()
        self._records.append(record)
        recent = [each for each in self._records if self._age_s(each) < LOSS_WINDOW_S]
        standing_s = min(each.least_delay_s for each in recent if self._age_s(each) < STANDING_S)
        return Sample(
            queue_s=standing_s - self._base.take(record.least_delay_s, now),
            capacity_bps=self._rate_bps(recent, CAPACITY_WINDOW_S),
            delivered_bps=self._rate_bps(recent, DELIVERED_WINDOW_S),
            lost=sum(each.lost for each in recent),
            received=sum(each.received for each in recent),
        )

    def forget_base(self) -> None:
        """Take the delay of now for the least one: the queue that was seen is none."""
        self._base.forget()

    def _read(self, arrivals: Arrivals) -> _Record | None:
        received_bytes = lost = received = 0
        least_s = arrived_s = None
        for sequence, at_us in arrivals.arrivals:
            slot = self._sent[sequence & _SENT_MASK]
            if slot is None or slot[0] != sequence:
                continue
            if at_us is None:
                lost += 1
                continue
            self._sent[sequence & _SENT_MASK] = None  # nothing counts twice
            received += 1
            received_bytes += slot[1]
            at_s = self._unwrap(at_us) / 1e6
            arrived_s = at_s if arrived_s is None else max(arrived_s, at_s)
            delay_s = at_s - slot[2]
            least_s = delay_s if least_s is None else min(least_s, delay_s)
        if arrived_s is None or least_s is None:
            return None
        return _Record(arrived_s, received_bytes, least_s, lost, received)

    def _unwrap(self, at_us: int) -> int:
        """Continue the receiver's clock where its 24 bits begin again."""
        difference_us = at_us - self._last_us
        if difference_us < -REFERENCE_PERIOD_US // 2:
            self._wrapped_us += REFERENCE_PERIOD_US
        elif difference_us > REFERENCE_PERIOD_US // 2:
            self._wrapped_us -= REFERENCE_PERIOD_US
        self._last_us = at_us
        return at_us + self._wrapped_us

    def _age_s(self, record: _Record) -> float:
        return self._records[-1].arrived_s - record.arrived_s

    def _rate_bps(self, recent: list[_Record], window_s: float) -> float | None:
        within = [each for each in recent if self._age_s(each) <= window_s]
        span_s = self._age_s(within[0])
        if span_s < window_s / 2:
            return None
        return sum(each.received_bytes for each in within[1:]) * 8 / span_s
