"""What a viewer measured of one stream, as numbers a person or a program can use.

Pure: pictures' times come in, a report comes out; it must not know sockets or clocks.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

FREEZE_S = 0.15
"""A gap between two pictures longer than this is a freeze
(docs/decisions/liveness.md), unless the camera itself is that slow."""

FREEZE_INTERVALS = 1.5
"""A slow camera's gap is a freeze when it is longer than this times its usual interval."""

USUAL_COUNT = 30
"""The usual interval is the median of so many."""

MAX_SAMPLES = 100_000
"""Latencies that are kept: an hour at 30 pictures a second, then the oldest half is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Milliseconds that 50, 95 and 99 of 100 values stay below."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The object that ``mqcam-viewer probe --json`` prints; its names are a contract."""

    camera: str
    session: str
    connected_ms: float | None
    first_frame_ms: float | None
    frames: int
    fps: float
    width: int
    height: int
    latency_ms: Percentiles | None
    bitrate_bps: int
    packets_lost: int
    frames_dropped: int
    freezes: int
    rtt_ms: float | None
    candidate_pair: str | None
    reconnects: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values for ``json.dumps``."""
        return asdict(self)


def percentile(ordered: list[float], share: float) -> float:
    """Return the value that ``share`` (0 to 1) of the ordered, not empty values stay below."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def percentiles(values: list[float]) -> Percentiles | None:
    """Return the percentiles rounded to 0.1 ms, None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    p50, p95, p99 = (round(percentile(ordered, share), 1) for share in (0.5, 0.95, 0.99))
    return Percentiles(p50=p50, p95=p95, p99=p99)


@dataclass(slots=True)
class FrameStatistics:
    """Count pictures, gaps between them and their latencies."""

    frames: int = 0
    freezes: int = 0
    width: int = 0
    height: int = 0
    first_at: float | None = None
    last_at: float | None = None
    latencies_ms: list[float] = field(default_factory=list)
    _intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL_COUNT))

    def add(self, *, decoded_at: float, width: int, height: int, latency_ms: float | None) -> None:
        """Take one picture; ``decoded_at`` in monotonic seconds."""
        if self.first_at is None:
            self.first_at = decoded_at
        elif self.last_at is not None:
            self.freezes += self._is_freeze(decoded_at - self.last_at)
            self._intervals_s.append(decoded_at - self.last_at)
        self.last_at = decoded_at
        self.frames += 1
        self.width, self.height = width, height
        if latency_ms is not None:
            if len(self.latencies_ms) >= MAX_SAMPLES:
                del self.latencies_ms[: MAX_SAMPLES // 2]
            self.latencies_ms.append(latency_ms)

    def freezes_at(self, now: float) -> int:
        """Return the freezes so far, with the one that lasts at ``now``, if any."""
        return self.freezes + (self.last_at is not None and self._is_freeze(now - self.last_at))

    def _is_freeze(self, gap_s: float) -> bool:
        if gap_s <= FREEZE_S:
            return False
        usual_s = statistics.median(self._intervals_s) if self._intervals_s else 0.0
        return gap_s > FREEZE_INTERVALS * usual_s

    @property
    def fps(self) -> float:
        """Return pictures per second between the first and the last one, 0 of fewer than two."""
        if self.first_at is None or self.last_at is None or self.last_at <= self.first_at:
            return 0.0
        return (self.frames - 1) / (self.last_at - self.first_at)
