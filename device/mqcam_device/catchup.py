"""Pictures that a viewer gets late leave faster than they were taken, but not all at once.

Where a camera cannot make a keyframe when a viewer comes, it begins with the last one and all
pictures since. Sent in one burst they would overflow the first narrow line. It must not know
viewers or clocks: time is an argument, in seconds of the clock of ``captured_ns``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit

LATE_S: Final = 0.5
"""Pictures that are this old catch up; younger ones are sent as they come."""

SPEED: Final = 4.0
"""So many times as fast as they were taken: who begins 3 s late is there after one."""

MAX_BYTES: Final = 4_000_000
"""What waits at most. Beyond that nothing is sent up to the next keyframe."""

NS: Final = 1_000_000_000


class CatchUp:
    """One viewer's late pictures, from a keyframe on, which is due at once."""

    def __init__(self, keyframe: AccessUnit, now: float) -> None:
        self._units: deque[AccessUnit] = deque((keyframe,))
        self._bytes = len(keyframe.data)
        self._first_ns = keyframe.captured_ns
        self._began_at = now

    def __bool__(self) -> bool:
        return bool(self._units)

    def add(self, unit: AccessUnit) -> bool:
        """Queue a picture; False if there is no room, and nothing is left then."""
        self._units.append(unit)
        self._bytes += len(unit.data)
        if self._bytes > MAX_BYTES:
            self._units.clear()
        return bool(self._units)

    def take(self, now: float) -> list[AccessUnit]:
        """Return the pictures that are due."""
        due = []
        while self._units and self._due_at(self._units[0]) <= now:
            unit = self._units.popleft()
            self._bytes -= len(unit.data)
            due.append(unit)
        return due

    def is_done(self, now: float) -> bool:
        """Tell whether the present is reached: nothing waits, and nothing that comes would."""
        shown_ns = self._first_ns + (now - self._began_at) * SPEED * NS
        return not self._units and shown_ns >= now * NS

    @property
    def next_at(self) -> float:
        """When the next picture is due; only while there is one."""
        return self._due_at(self._units[0])

    def _due_at(self, unit: AccessUnit) -> float:
        return self._began_at + (unit.captured_ns - self._first_ns) / NS / SPEED
