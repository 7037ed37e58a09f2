"""Limit how many messages each sender may cost us before anything is read.

It must not know what a message is: a name and a time come in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """Hold one token bucket per name.

    When ``names_max`` is reached, names whose bucket is full again are forgotten (nothing is
    lost by that); if there are none, further names share one bucket.
    """

    def __init__(self, *, burst: float, per_s: float, names_max: int) -> None:
        self._burst = burst
        self._per_s = per_s
        self._names_max = names_max
        self._buckets: dict[str, _Bucket] = {}
        self._shared = _Bucket(burst, 0.0)
        self._none_full_until = -math.inf

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now: float) -> bool:
        """Tell whether one more message of ``name`` may be looked at."""
        bucket = self._find(name, now)
        self._refill(bucket, now)
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def _find(self, name: str, now: float) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is not None:
            return bucket
        if len(self._buckets) >= self._names_max:
            self._forget_full(now)
        if len(self._buckets) >= self._names_max:
            return self._shared
        self._none_full_until = min(self._none_full_until, now + 1.0 / self._per_s)
        return self._buckets.setdefault(name, _Bucket(self._burst, now))

    def _forget_full(self, now: float) -> None:
        if now < self._none_full_until:  # else each made-up name would cost a look at them all
            return
        for name, bucket in list(self._buckets.items()):
            self._refill(bucket, now)
            if bucket.tokens >= self._burst:
                del self._buckets[name]
        missing = min((self._burst - one.tokens for one in self._buckets.values()), default=0.0)
        self._none_full_until = now + missing / self._per_s

    def _refill(self, bucket: _Bucket, now: float) -> None:
        earned = max(0.0, now - bucket.at) * self._per_s
        bucket.tokens = min(self._burst, bucket.tokens + earned)
        bucket.at = now
