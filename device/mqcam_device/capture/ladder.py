"""How far a row of faults has come: what is tried next, and after which pause.

It outlives the capture children. It must not know them, nor clocks: times are arguments in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam_device.capture.timings import CaptureTimings

FAILED_AFTER: Final = 3
"""From so many faults in a row on it is no restart any more."""

_LONGEST_FRAME_S: Final = 1.0
"""A longer gap between two pictures counts for health as much as this."""


class Ladder:
    """Faults in a row: forgiven after pictures for ``healthy_s``, or none for ``calm_s``."""

    def __init__(self, timings: CaptureTimings) -> None:
        self._timings = timings
        self._ends = 0
        self._source_errors = 0
        self._reopens = 0
        self._is_reopened = False
        self._healthy_s = 0.0
        self._unit_at: float | None = None
        self._fault_at: float | None = None

    @property
    def is_failed(self) -> bool:
        """Tell whether so much has been tried that viewers should hear of a failure."""
        return self._ends >= FAILED_AFTER

    def note_unit(self, now: float) -> None:
        """Note a picture."""
        if self._unit_at is not None:
            self._healthy_s += min(now - self._unit_at, _LONGEST_FRAME_S)
        self._unit_at = now
        if self._healthy_s >= self._timings.healthy_s:
            self._forgive()

    def takes_reopening(self, now: float) -> bool:
        """Tell whether opening the camera anew may cure a fault, and count it.

        Not if that has just been tried, and not for ever: what a camera library has come to lack
        only comes back with a new process.
        """
        self._begin_fault(now)
        if self._ends or self._is_reopened or self._reopens >= self._timings.reopens:
            return False
        self._is_reopened = True
        self._reopens += 1
        return True

    def pause_s(self, now: float, *, is_source_error: bool = False) -> float:
        """Count the end of a child and return the pause before the next."""
        self._begin_fault(now)
        self._reopens = 0
        if is_source_error:
            self._source_errors += 1
            return _nth(self._timings.source_retry_s, self._source_errors)
        self._ends += 1
        return _nth(self._timings.respawn_s, self._ends)

    def _begin_fault(self, now: float) -> None:
        if self._fault_at is not None and now - self._fault_at >= self._timings.calm_s:
            self._forgive()
            self._reopens = 0
        self._fault_at, self._unit_at, self._healthy_s = now, None, 0.0

    def _forgive(self) -> None:
        self._ends = self._source_errors = 0
        self._is_reopened = False


def _nth(pauses: Sequence[float], count: int) -> float:
    return pauses[min(count, len(pauses)) - 1]
