"""What viewers saw, as one of them wrote it down, and what that says: gaps, ages, bit rates.

Pure. Times are milliseconds of the machine's monotonic clock, which is also what the pattern draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.figures import quantile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DRAWN_FLOOR_MS = 0.5
"""The drawn clock leaves out what is less than a millisecond: half of one on average."""

INF = float("inf")

SAMPLE_MS = 100.0
"""So often a viewer writes down what it has received."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One decoded picture; ``number`` and ``drawn_ms`` are None where its marker is broken.

    ``age_ms`` is what the viewer computed from reports, None as long as it could not.
    """

    number: int | None
    drawn_ms: float | None
    decoded_ms: float
    age_ms: float | None

    @property
    def true_age_ms(self) -> float | None:
        """Return how old the picture was by the clock drawn into it."""
        if self.drawn_ms is None:
            return None
        return self.decoded_ms - self.drawn_ms - DRAWN_FLOOR_MS


@dataclass(frozen=True, slots=True)
class Watched:
    """What one viewer saw, and how many bytes it had received when."""

    shown: tuple[Shown, ...]
    received: tuple[tuple[float, int], ...]

    def between(self, from_ms: float, to_ms: float) -> Watched:
        """Return what came in a part of the time."""
        return Watched(
            tuple(each for each in self.shown if from_ms <= each.decoded_ms < to_ms),
            tuple(each for each in self.received if from_ms <= each[0] < to_ms),
        )

    def broken(self) -> int:
        """Return how many pictures were shown that nobody drew so."""
        return sum(each.number is None for each in self.shown)

    def gaps_ms(self, from_ms: float, to_ms: float) -> list[float]:
        """Return the times without a new picture in a part of the time."""
        times = [each.decoded_ms for each in self.shown if from_ms <= each.decoded_ms < to_ms]
        return [other - one for one, other in pairwise([from_ms, *times, to_ms])]

    def freezes(self, longer_than_ms: float, from_ms: float, to_ms: float) -> int:
        """Return how many of them were longer."""
        return sum(gap > longer_than_ms for gap in self.gaps_ms(from_ms, to_ms))

    def true_ages_ms(self) -> tuple[float, ...]:
        """Return how old the pictures were that could be read."""
        return tuple(each.true_age_ms for each in self.shown if each.true_age_ms is not None)

    def errors_ms(self) -> tuple[float, ...]:
        """Return by how much computed ages were off."""
        return tuple(
            abs(each.age_ms - each.true_age_ms)
            for each in self.shown
            if each.age_ms is not None and each.true_age_ms is not None
        )

    def waits_ms(self, handed: Mapping[int, float]) -> tuple[float, ...]:
        """Return what each picture took from the moment at which it was handed to the sender."""
        return tuple(
            each.decoded_ms - handed[int(each.drawn_ms)]
            for each in self.shown
            if each.drawn_ms is not None and int(each.drawn_ms) in handed
        )

    def bitrate_bps(self) -> float:
        """Return what came, on average; a new session counts from 0 again."""
        if len(self.received) < 2:  # noqa: PLR2004
            return 0.0
        taken_ms = self.received[-1][0] - self.received[0][0]
        grown = (
            count - before if count >= before else count
            for (_, before), (_, count) in pairwise(self.received)
        )
        return sum(grown) * 8000 / taken_ms

    def reaches_bps(self, bitrate_bps: float, *, window_ms: float) -> float | None:
        """Return when the first ``window_ms`` began that had the bit rate, None if none did."""
        for at_ms, _ in self.received:
            part = self.between(at_ms - window_ms, at_ms + SAMPLE_MS / 2)
            if not part.received or at_ms - part.received[0][0] < window_ms - 2 * SAMPLE_MS:
                continue
            if part.bitrate_bps() >= bitrate_bps:
                return part.received[0][0]
        return None

    def settled_ms(self, *, oldest_ms: float, longest_gap_ms: float = INF) -> float | None:
        """Return from when on pictures are whole, young and without a gap, None if they never are.

        ``oldest_ms`` is the age that is still young, ``longest_gap_ms`` no gap yet.
        """
        settled: float | None = None
        last_ms = -INF
        for each in self.shown:
            age_ms = each.true_age_ms
            if age_ms is None or age_ms > oldest_ms:
                settled = None
            elif settled is None or each.decoded_ms - last_ms > longest_gap_ms:
                settled = each.decoded_ms
            last_ms = each.decoded_ms
        return settled


def p99(values: Sequence[float]) -> float:
    """Return what 99 of 100 values stay below; raises RuntimeError of none."""
    return _share(values, 0.99)


def p95(values: Sequence[float]) -> float:
    """Return what 95 of 100 values stay below; raises RuntimeError of none."""
    return _share(values, 0.95)


def p50(values: Sequence[float]) -> float:
    """Return the median; raises RuntimeError of none."""
    return _share(values, 0.5)


def _share(values: Sequence[float], share: float) -> float:
    if not values:
        raise RuntimeError("no picture was seen that says anything")
    return quantile(tuple(values), share)


def read_watched(written: Mapping[str, Any]) -> Watched:
    """Return what a viewer wrote down."""
    return Watched(
        tuple(Shown(*each) for each in written["shown"]),
        tuple((at_ms, count) for at_ms, count in written["received"]),
    )
