"""When each recorded picture was taken, across sessions whose timestamps cannot be compared.

Pure; it must not know files. Times count in 1/90000 s from the first picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mqcam_viewer.units import ReceivedUnit

RATE_HZ: Final = 90_000
SECOND_NS: Final = 1_000_000_000

SHORTEST_TICKS: Final = 90
"""Pictures that were there before a session changed, or whose clock was set back, follow each
other this quickly (1 ms): a file's times only grow."""

BELIEVABLE_TICKS: Final = 3 * RATE_HZ
"""The camera's clock is believed over a change of session if arrival says the same within this;
it is another clock after the camera was restarted or set."""


@dataclass(slots=True)
class _Known:
    """The times of one picture on every clock."""

    placed: int
    camera_ns: int | None
    arrived_at: float


class Timeline:
    """Place pictures: within a session by RTP timestamps, between two by the camera's clock.

    Where that is not known yet, the time of arrival stands in for it.
    """

    def __init__(self) -> None:
        self._session: int | None = None
        self._base = 0
        self._is_exact = True
        self._before: _Known | None = None  # the last picture of the session before
        self._last: _Known | None = None

    def place(self, received: ReceivedUnit) -> int:
        """Return when a picture was taken; later than every one before it."""
        unit = received.unit
        if received.session != self._session:
            self._begin(received)
        elif not self._is_exact:
            self._correct(received)
        placed = self._base + unit.ticks
        if self._last is not None:
            placed = max(placed, self._last.placed + SHORTEST_TICKS)
        self._last = _Known(placed, received.camera_ns, unit.arrived_at)
        return placed

    def _begin(self, received: ReceivedUnit) -> None:
        self._session = received.session
        self._before = self._last
        self._is_exact = self._before is None
        if self._before is None:
            self._base = -received.unit.ticks
            return
        elapsed = (received.unit.arrived_at - self._before.arrived_at) * RATE_HZ
        self._base = self._before.placed + round(elapsed) - received.unit.ticks
        self._correct(received)

    def _correct(self, received: ReceivedUnit) -> None:
        """Use the camera's clock as soon as it is known."""
        before = self._before
        if before is None or before.camera_ns is None or received.camera_ns is None:
            return
        elapsed = (received.camera_ns - before.camera_ns) * RATE_HZ // SECOND_NS
        base = before.placed + elapsed - received.unit.ticks
        self._is_exact = True
        if abs(base - self._base) <= BELIEVABLE_TICKS:
            self._base = base
