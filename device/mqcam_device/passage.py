"""What one path did to the packets that were sent on it: queue, delivered rate, losses.

It must not know what follows from the figures, nor sockets or clocks: times are arguments. The
two clocks need not agree: only changes of the one-way delay count, against its minimum.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median
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

TRAIN_PACKETS: Final = 3
TRAIN_LIMIT: Final = 16
LEAST_SPAN_S: Final = 250e-6
"""Packets that left together arrive as fast as the narrowest line lets them through. Of the last
so many of these trains the median counts; receivers tell time in steps of 250 us."""

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
    ``lost`` and ``received`` count the packets of the last second. ``under_way_bytes``
    were sent after the newest packet that is known to have arrived, and ``loop_s`` is the least
    time in which a packet is known to have arrived.
    """

    queue_s: float
    capacity_bps: float | None
    delivered_bps: float | None
    lost: int
    received: int
    under_way_bytes: int = 0
    loop_s: float | None = None


@dataclass(slots=True)
class _Record:
    """What one feedback said; never changed."""

    arrived_s: float
    received_bytes: int
    least_delay_s: float
    lost: int
    received: int
    newest_sent_at: float
    newest_bytes: int


@dataclass(slots=True)
class _Train:
    """Packets that left together, as far as they are known to have arrived."""

    sent_at: float
    first_s: float
    last_s: float
    packets: int = 1
    more_bytes: int = 0


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
        self._sent: list[tuple[int, int, float, int] | None] = [None] * SENT_LIMIT
        self._records: deque[_Record] = deque(maxlen=RECORD_LIMIT)
        self._base = Minimum()
        self._loop = Minimum()
        self._train: _Train | None = None
        self._train_rates: deque[float] = deque(maxlen=TRAIN_LIMIT)
        self._last_us = 0
        self._wrapped_us = 0

    @property
    def train_bps(self) -> float | None:
        """What the narrowest line lets through, as trains of packets show it; None if unknown.

        Lines that gather packets and pass them on together look faster than they are.
        """
        enough = len(self._train_rates) >= TRAIN_LIMIT // 2
        return median(self._train_rates) if enough else None

    def sent(self, sequence: int, size_bytes: int, now: float) -> None:
        """Remember one packet by its transport-wide sequence number (16 bits)."""
        self.sent_bytes += size_bytes
        self._sent[sequence & _SENT_MASK] = (sequence, size_bytes, now, self.sent_bytes)
        self.sent_packets += 1

    def sent_run(self, first_sequence: int, count: int, size_bytes_each: int, now: float) -> None:
        """Remember packets of one size that leave together."""
        total_bytes = self.sent_bytes
        for sequence in range(first_sequence, first_sequence + count):
            wrapped = sequence & _SEQUENCE_MASK
            total_bytes += size_bytes_each
            self._sent[wrapped & _SENT_MASK] = (wrapped, size_bytes_each, now, total_bytes)
        self.sent_bytes = total_bytes
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
            under_way_bytes=self.sent_bytes - record.newest_bytes,
            loop_s=self._loop.take(now - record.newest_sent_at, now),
        )

    def forget_base(self) -> None:
        """Take the delay of now for the least one: the queue that was seen is none."""
        self._base.forget()
        self._loop.forget()

    def _read(self, arrivals: Arrivals) -> _Record | None:
        record: _Record | None = None
        lost = 0
        for sequence, at_us in arrivals.arrivals:
            slot = self._sent[sequence & _SENT_MASK]
            if slot is None or slot[0] != sequence:
                continue
            if at_us is None:
                lost += 1
                continue
            self._sent[sequence & _SENT_MASK] = None  # nothing counts twice
            _, size_bytes, sent_at, sent_bytes = slot
            at_s = self._unwrap(at_us) / 1e6
            if record is None:
                record = _Record(at_s, 0, at_s - sent_at, 0, 0, sent_at, sent_bytes)
            record.received += 1
            record.received_bytes += size_bytes
            record.arrived_s = max(record.arrived_s, at_s)
            record.least_delay_s = min(record.least_delay_s, at_s - sent_at)
            record.newest_sent_at, record.newest_bytes = sent_at, sent_bytes
            self._couple(sent_at, at_s, size_bytes)
        if record is not None:
            record.lost = lost
        return record

    def _couple(self, sent_at: float, at_s: float, size_bytes: int) -> None:
        """Put a packet to the train with which it left."""
        train = self._train
        if train is not None and train.sent_at == sent_at:
            train.packets += 1
            train.more_bytes += size_bytes
            train.last_s = max(train.last_s, at_s)
            return
        if train is not None and train.packets >= TRAIN_PACKETS:
            span_s = max(train.last_s - train.first_s, LEAST_SPAN_S)
            self._train_rates.append(train.more_bytes * 8 / span_s)
        self._train = _Train(sent_at, at_s, at_s)

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
