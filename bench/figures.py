"""A figure: what was sampled of ours and of stock, and whether the limit is met.

Pure; it must not know how anything was measured or is printed.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from enum import Enum

NOTCH = 1.57
"""A median is known to +-1.57 IQR/sqrt(n) at 95 % (McGill, Tukey and Larsen, 1978)."""

MEDIAN = 0.5
SIGMAS = 1.96
"""So many standard deviations of a normal distribution hold 95 % of it."""


class Verdict(Enum):
    """How a figure stands to its limit; only ``NOT_MET`` fails the bench."""

    INFORMATION = ""
    MET = "met"
    WITHIN_NOISE = "NOT MET, within noise"
    NOT_MET = "NOT MET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: the value that ``share`` of the samples stay below, the median.

    ``limit`` is the most and ``floor`` the least that the value of ``ours`` may be, ``ratio_limit``
    the most that it may be of stock's. One of them at most. ``stock`` is empty where stock
    aiortc has nothing of the kind.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    stock: tuple[float, ...] = ()
    limit: float | None = None
    floor: float | None = None
    ratio_limit: float | None = None
    share: float = MEDIAN

    @property
    def value(self) -> float:
        """Return the median of ours, or the quantile that ``share`` says."""
        return quantile(self.ours, self.share)

    @property
    def stock_value(self) -> float | None:
        """Return the same of stock, None where there is none."""
        return quantile(self.stock, self.share) if self.stock else None

    @property
    def ratio(self) -> float | None:
        """Return ours to stock: below 1 is less than stock."""
        return self.value / self.stock_value if self.stock_value else None

    @property
    def noise(self) -> float:
        """Return how far the value of ours may be off by chance."""
        return value_noise(self.ours, self.share)

    @property
    def ratio_noise(self) -> float:
        """Return how far the ratio may be off by chance: relative errors add up as squares."""
        if not self.ratio or not self.stock_value:
            return 0.0
        stock_noise = value_noise(self.stock, self.share)
        return abs(self.ratio) * math.hypot(self.noise / self.value, stock_noise / self.stock_value)

    @property
    def verdict(self) -> Verdict:
        """Return whether the limit is met, missed, or missed by no more than the noise."""
        excess, noise = self._excess()
        if excess is None:
            return Verdict.INFORMATION
        if excess <= 0:
            return Verdict.MET
        return Verdict.WITHIN_NOISE if excess <= noise else Verdict.NOT_MET

    def _excess(self) -> tuple[float | None, float]:
        """Return by how much the limit is missed, and the noise of that."""
        if self.ratio_limit is not None and self.ratio is not None:
            return self.ratio - self.ratio_limit, self.ratio_noise
        if self.floor is not None:
            return self.floor - self.value, self.noise
        return None if self.limit is None else self.value - self.limit, self.noise


def quantile(samples: tuple[float, ...], share: float) -> float:
    """Return the value that ``share`` of the samples stay below, between two if need be."""
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def value_noise(samples: tuple[float, ...], share: float) -> float:
    """Return half the 95 % interval of a quantile; 0 of a single sample, which shows no spread.

    Of a median as the notches of box plots have it, else between the samples whose ranks are as
    many standard deviations of the binomial distribution away.
    """
    if len(samples) == 1:
        return 0.0
    if share == MEDIAN:
        low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
        return NOTCH * (high - low) / math.sqrt(len(samples))
    spread = SIGMAS * math.sqrt(share * (1 - share) / len(samples))
    edges = [quantile(samples, min(1.0, max(0.0, share + way * spread))) for way in (-1, 1)]
    return (edges[1] - edges[0]) / 2
