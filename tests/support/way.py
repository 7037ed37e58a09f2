"""One direction of a line: late, lossy, narrow or dead, as it is told while it runs.

Pure: time is an argument. It must not know what the packets are or where they come from.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FLYING_LIMIT = 20_000
"""So many packets may be under way at once; more are dropped."""


@dataclass(slots=True)
class Counts:
    """What became of the packets; ``queue_ms`` is what the next one would wait for its turn."""

    passed: int = 0
    passed_bytes: int = 0
    lost: int = 0
    overflowed: int = 0
    blacked: int = 0
    queue_ms: float = 0.0


@dataclass(slots=True)
class Packet:
    """``arrived_at`` is when it came to the queue in front of the narrow place."""

    data: bytes
    arrived_at: float


class Way:
    """A queue in front of a narrow place, then a delay; ``seed`` chooses which packets are lost."""

    def __init__(self, *, seed: str = "") -> None:
        self.delay_s = 0.0
        self.loss = 0.0
        self.is_black = False
        self.counts = Counts()
        self._rate_bps = 0.0
        self._queue_s = 0.0
        self._random = random.Random(seed)  # noqa: S311 - which packets are lost is no secret
        self._waiting: deque[Packet] = deque()
        self._waiting_bits = 0
        self._free_at = 0.0
        self._flying: deque[tuple[float, bytes]] = deque()

    def narrow(self, rate_bps: float, queue_ms: float) -> None:
        """Let ``rate_bps`` through, 0 for any; what would wait longer than ``queue_ms`` is dropped.

        What waits already goes on at the new rate.
        """
        self._rate_bps, self._queue_s = rate_bps, queue_ms / 1000

    def offer(self, data: bytes, now: float) -> None:
        """Take a packet, or drop it and count why."""
        if self.is_black:
            self.counts.blacked += 1
        elif self.loss and self._random.random() < self.loss:
            self.counts.lost += 1
        elif not self._rate_bps and not self._waiting:
            self._fly(data, now)
        elif self.queue_s(now) > self._queue_s:
            self.counts.overflowed += 1
        else:
            self._waiting.append(Packet(data, now))
            self._waiting_bits += len(data) * 8

    def queue_s(self, now: float) -> float:
        """Return how long a packet that came now would wait before its first bit leaves."""
        if not self._rate_bps:
            return 0.0
        return max(0.0, self._begun_at(now) + self._waiting_bits / self._rate_bps - now)

    def arrivals(self, now: float) -> Iterator[bytes]:
        """Yield the packets that have come to the other end by now."""
        while self._waiting and (finished_at := self._finished_at()) <= now:
            data = self._waiting.popleft().data
            self._waiting_bits -= len(data) * 8
            self._free_at = finished_at
            self._fly(data, finished_at)
        while self._flying and self._flying[0][0] <= now:
            data = self._flying.popleft()[1]
            self.counts.passed += 1
            self.counts.passed_bytes += len(data)
            yield data

    def next_at(self) -> float | None:
        """Return when something happens next, None while nothing is under way."""
        times = [self._flying[0][0]] if self._flying else []
        if self._waiting:
            times.append(self._finished_at())
        return min(times, default=None)

    def _finished_at(self) -> float:
        """Return when the last bit of the packet at the narrow place has left."""
        begun_at = self._begun_at(self._waiting[0].arrived_at)
        bits = len(self._waiting[0].data) * 8
        return begun_at + (bits / self._rate_bps if self._rate_bps else 0.0)

    def _begun_at(self, now: float) -> float:
        """Return when the packet at the narrow place began to leave, or one that came now would."""
        return max(self._free_at, self._waiting[0].arrived_at if self._waiting else now)

    def _fly(self, data: bytes, at: float) -> None:
        if len(self._flying) >= FLYING_LIMIT:
            self.counts.overflowed += 1
            return
        due_at = at + self.delay_s
        if self._flying:
            due_at = max(due_at, self._flying[-1][0])  # a delay that shrinks reorders nothing
        self._flying.append((due_at, data))
