"""From the sensor's clock to ours: libcamera stamps in CLOCK_BOOTTIME, units in CLOCK_MONOTONIC.

It must not know cameras. The two clocks differ by the time that the machine was suspended.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NOISE_NS: Final = 1_000_000
"""A smaller difference is that of reading two clocks in a row. Keeping the old offset gives units
of two layers that show one picture one time."""


def suspended_ns() -> int:
    """Return how much CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC."""
    before_ns = time.monotonic_ns()
    boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boot_ns - (before_ns + time.monotonic_ns()) // 2


class SensorClock:
    """Translates times; one for all layers of a camera."""

    def __init__(self, measure_ns: Callable[[], int] = suspended_ns) -> None:
        self._measure_ns = measure_ns
        self._ahead_ns = measure_ns()

    def monotonic_ns(self, boot_ns: int) -> int:
        """Return a time of CLOCK_BOOTTIME in CLOCK_MONOTONIC."""
        ahead_ns = self._measure_ns()
        if abs(ahead_ns - self._ahead_ns) > _NOISE_NS:
            self._ahead_ns = ahead_ns
        return boot_ns - self._ahead_ns


class Growth:
    """Makes the times of a layer grow strictly, in whole microseconds."""

    def __init__(self) -> None:
        self._last_us = -1

    def next_ns(self, captured_ns: int) -> int:
        """Return the time, or the first one that is later than the one before."""
        self._last_us = max(captured_ns // 1000, self._last_us + 1)
        return self._last_us * 1000
