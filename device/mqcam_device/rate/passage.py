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
    from collections.abc import Sequence

    from mqcam.arrivals import Arrivals

STANDING_S: Final = 0.07
"""The queue is the least delay of so long: a keyframe's own packets, or jitter, are no queue."""

CAPACITY_WINDOW_S: Final = 0.25
DELIVERED_WINDOW_S: Final = 0.5
LOSS_WINDOW_S: Final = 1.0
RECORD_LIMIT: Final = 256
SENT_LIMIT: Final = 4096
"""Packets that are remembered until they are reported: 10 s at 400 packets a second."""

TRAIN_BYTES: Final = 1500
TRAIN_LIMIT: Final = 16
LEAST_SPAN_S: Final = 250e-6
"""Packets that left together arrive as fast as the narrowest line lets them through, if more than
so many bytes follow the first. Of the last so many trains the median counts; receivers tell time
in steps of 250 us."""

CLOCK_JUMP_S: Final = 10.0
BASE_BUCKET_S: Final = 10.0
BASE_BUCKETS: Final = 3
"""The minimum of the delay is that of the last 20 to 30 s: clocks drift, and routes change."""

_SENT_MASK: Final = SENT_LIMIT - 1
_SEQUENCE_MASK: Final = 0xFFFF
_COUNT_MASK: Final = 0xFF


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
class _Trains:
    """Packets of one feedback that left together: how fast they came."""

    rates: deque[float]
    sent_at: float = -1.0
    first_s: float = 0.0
    last_s: float = 0.0
    more_bytes: int = 0

    def begin(self, sent_at: float, at_s: float) -> None:
        """Begin a train with its first packet; the one before is whole."""
        if self.more_bytes > TRAIN_BYTES:
            self.end()
        self.sent_at, self.first_s, self.last_s, self.more_bytes = sent_at, at_s, at_s, 0

    def end(self) -> None:
        """Count the train if it is long enough."""
        if self.more_bytes > TRAIN_BYTES:
            span_s = max(self.last_s - self.first_s, LEAST_SPAN_S)
            self.rates.append(self.more_bytes * 8 / span_s)


@dataclass(slots=True)
class _Record:
    """The path after one feedback: what it says itself, and all that arrived or was lost so far."""

    arrived_s: float
    least_delay_s: float
    newest_sent_at: float
    newest_bytes: int
    total_bytes: int
    total_lost: int
    total_received: int


class _Run:
    """Packets of one size that left together; ``unheard`` has a bit for each not reported yet."""

    __slots__ = ("bytes_before", "count", "first", "sent_at", "size_bytes", "unheard")

    def __init__(
        self, first: int, count: int, size_bytes: int, sent_at: float, bytes_before: int
    ) -> None:
        self.first = first
        self.count = count
        self.size_bytes = size_bytes
        self.sent_at = sent_at
        self.bytes_before = bytes_before
        self.unheard = (1 << count) - 1

    def is_open(self, index: int, length: int) -> bool:
        """Tell whether none of these was reported."""
        mask = ((1 << length) - 1) << index
        return self.unheard & mask == mask

    def hear(self, index: int, length: int) -> None:
        """Note that these were reported: nothing counts twice."""
        self.unheard &= ~(((1 << length) - 1) << index)


class _Tally:
    """What one feedback says, added up."""

    def __init__(self, trains: _Trains) -> None:
        self.trains = trains
        self.received = self.received_bytes = self.lost = self.newest_bytes = 0
        self.least_s = self.arrived_s = self.newest_sent_at = 0.0

    def take_whole(self, run: _Run, index: int, times_s: Sequence[float], length: int) -> None:
        """Take packets of a run that all came in a row; ``times_s`` are the first and the last."""
        first_s, last_s = times_s
        run.hear(index, length)
        self._note(run, index + length, first_s, last_s)
        self.received += length
        self.received_bytes += length * run.size_bytes
        self._train(run, first_s)
        self.trains.more_bytes += (length - 1) * run.size_bytes
        self.trains.last_s = max(self.trains.last_s, last_s)

    def take_each(
        self, run: _Run, index: int, begin_s: float, reported: list[tuple[int, int | None]]
    ) -> None:
        """Take packets of a run one by one: some were lost, late, or said before."""
        for each, (_, at_us) in enumerate(reported, index):
            if not run.is_open(each, 1):
                continue
            if at_us is None:
                self.lost += 1
                continue
            run.hear(each, 1)
            at_s = begin_s + at_us / 1e6
            self._note(run, each + 1, at_s, at_s)
            self.received += 1
            self.received_bytes += run.size_bytes
            self._train(run, at_s)

    def _note(self, run: _Run, heard: int, first_s: float, last_s: float) -> None:
        delay_s = first_s - run.sent_at
        if not self.received or delay_s < self.least_s:
            self.least_s = delay_s
        if not self.received or last_s > self.arrived_s:
            self.arrived_s = last_s
        self.newest_sent_at = run.sent_at
        self.newest_bytes = run.bytes_before + heard * run.size_bytes

    def _train(self, run: _Run, at_s: float) -> None:
        """Put a packet to the train with which it left."""
        trains = self.trains
        if run.sent_at == trains.sent_at:
            trains.more_bytes += run.size_bytes
            trains.last_s = at_s
        else:
            trains.begin(run.sent_at, at_s)


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
        self._sent: list[_Run | None] = [None] * SENT_LIMIT
        self._records: deque[_Record] = deque(maxlen=RECORD_LIMIT)
        self._forgotten = (0, 0)
        self._base = Minimum()
        self._loop = Minimum()
        self._train_rates: deque[float] = deque(maxlen=TRAIN_LIMIT)
        self._feedback_count = 0
        self._reference_us = 0
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
        self.sent_run(sequence, 1, size_bytes, now)

    def sent_run(self, first_sequence: int, count: int, size_bytes_each: int, now: float) -> None:
        """Remember packets of one size that leave together."""
        run = _Run(first_sequence & _SEQUENCE_MASK, count, size_bytes_each, now, self.sent_bytes)
        begin = first_sequence & _SENT_MASK
        fitting = min(count, SENT_LIMIT - begin)
        self._sent[begin : begin + fitting] = [run] * fitting
        if fitting < count:
            self._sent[: count - fitting] = [run] * (count - fitting)
        self.sent_bytes += size_bytes_each * count
        self.sent_packets += count

    def take(self, arrivals: Arrivals, now: float) -> Sample | None:
        """Return the path as this feedback shows it; None if nothing known arrived."""
        record = self._read(arrivals)
        if record is None:
            return None
        self._add(record, arrivals.feedback_count)
        lost_before, received_before = self._forgotten
        return Sample(
            queue_s=self._standing_s() - self._base.take(record.least_delay_s, now),
            capacity_bps=self._rate_bps(CAPACITY_WINDOW_S),
            delivered_bps=self._rate_bps(DELIVERED_WINDOW_S),
            lost=record.total_lost - lost_before,
            received=record.total_received - received_before,
            under_way_bytes=self.sent_bytes - record.newest_bytes,
            loop_s=self._loop.take(now - record.newest_sent_at, now),
        )

    def forget_base(self) -> None:
        """Take the delay of now for the least one: the queue that was seen is none."""
        self._base.forget()
        self._loop.forget()

    def _read(self, arrivals: Arrivals) -> _Record | None:
        """Find what is reported among what was sent."""
        tally = _Tally(_Trains(self._train_rates))
        begin_s = self._begin_us(arrivals.reference_us) / 1e6
        reported, count, at = arrivals.arrivals, len(arrivals.arrivals), 0
        while at < count:
            sequence = reported[at][0]
            run = self._sent[sequence & _SENT_MASK]
            index = 0 if run is None else (sequence - run.first) & _SEQUENCE_MASK
            if run is None or index >= run.count:
                at += 1
                continue
            length = min(run.count - index, count - at)
            if arrivals.is_whole and run.is_open(index, length):
                ends = (reported[at][1] or 0, reported[at + length - 1][1] or 0)
                tally.take_whole(run, index, [begin_s + each / 1e6 for each in ends], length)
            else:
                tally.take_each(run, index, begin_s, reported[at : at + length])
            at += length
        tally.trains.end()
        if not tally.received:
            return None
        last = self._records[-1] if self._records else None
        return _Record(
            tally.arrived_s,
            tally.least_s,
            tally.newest_sent_at,
            tally.newest_bytes,
            tally.received_bytes + (last.total_bytes if last else 0),
            tally.lost + (last.total_lost if last else 0),
            tally.received + (last.total_received if last else 0),
        )

    def _begin_us(self, reference_us: int) -> int:
        """Return what to add to a receiver's times, whose 24 bits begin again every 12 days."""
        difference_us = reference_us - self._reference_us
        if difference_us < -REFERENCE_PERIOD_US // 2:
            self._wrapped_us += REFERENCE_PERIOD_US
        elif difference_us > REFERENCE_PERIOD_US // 2:
            self._wrapped_us -= REFERENCE_PERIOD_US
        self._reference_us = reference_us
        return self._wrapped_us

    def _add(self, record: _Record, feedback_count: int) -> None:
        records = self._records
        if records:
            last = records[-1]
            is_jump = abs(record.arrived_s - last.arrived_s) > CLOCK_JUMP_S
            if is_jump:
                self._base.forget()
            # What a lost feedback said is unknown: a rate across it would be too low.
            if is_jump or feedback_count != (self._feedback_count + 1) & _COUNT_MASK:
                self._forgotten = (last.total_lost, last.total_received)
                records.clear()
        self._feedback_count = feedback_count
        records.append(record)
        while records[0].arrived_s < record.arrived_s - LOSS_WINDOW_S:
            oldest = records.popleft()
            self._forgotten = (oldest.total_lost, oldest.total_received)

    def _standing_s(self) -> float:
        records = self._records
        begin_s = records[-1].arrived_s - STANDING_S
        least_s = records[-1].least_delay_s
        for record in reversed(records):
            if record.arrived_s < begin_s:
                break
            least_s = min(least_s, record.least_delay_s)
        return least_s

    def _rate_bps(self, window_s: float) -> float | None:
        newest = oldest = self._records[-1]
        begin_s = newest.arrived_s - window_s
        for record in reversed(self._records):
            if record.arrived_s < begin_s:
                break
            oldest = record
        span_s = newest.arrived_s - oldest.arrived_s
        if span_s < window_s / 2:
            return None
        return (newest.total_bytes - oldest.total_bytes) * 8 / span_s
