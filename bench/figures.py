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


class Verdict(Enum):
    """How a figure stands to its limit; only ``NOT_MET`` fails the bench."""

    INFORMATION = ""
    MET = "met"
    WITHIN_NOISE = "NOT MET, within noise"
    NOT_MET = "NOT MET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; ``limit`` is the most that the median of ``ours`` may be.

    ``stock`` is empty where stock aiortc has nothing of the kind.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    stock: tuple[float, ...] = ()
    limit: float | None = None

    @property
    def median(self) -> float:
        """Return the median of ours."""
        return statistics.median(self.ours)

    @property
    def stock_median(self) -> float | None:
        """Return the median of stock, None where there is none."""
        return statistics.median(self.stock) if self.stock else None

    @property
    def ratio(self) -> float | None:
        """Return ours to stock: below 1 is less than stock."""
        return self.median / self.stock_median if self.stock_median else None

    @property
    def noise(self) -> float:
        """Return how far the median of ours may be off by chance."""
        return median_noise(self.ours)

    @property
    def verdict(self) -> Verdict:
        """Return whether the limit is met, missed, or missed by no more than the noise."""
        if self.limit is None:
            return Verdict.INFORMATION
        excess = self.median - self.limit
        if excess <= 0:
            return Verdict.MET
        return Verdict.WITHIN_NOISE if excess <= self.noise else Verdict.NOT_MET


def median_noise(samples: tuple[float, ...]) -> float:
    """Return half the 95 % interval of a median; 0 of a single sample, which shows no spread."""
    if len(samples) == 1:
        return 0.0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return NOTCH * (high - low) / math.sqrt(len(samples))
