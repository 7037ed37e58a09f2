"""The newest pictures of one layer: whole since their keyframe, kept while they are fresh and few.

It must not know viewers or clocks: time is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit


class Group:
    """A keyframe and what followed it, without a hole.

    Kept for those who join within ``max_age_s`` of the keyframe, up to ``max_bytes``.
    """

    def __init__(self, *, max_age_s: float, max_bytes: int) -> None:
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._units: list[AccessUnit] = []
        self._bytes = 0
        self._began_at = 0.0
        self._next_seq: int | None = None

    def bound(self, *, max_age_s: float, max_bytes: int) -> None:
        """Keep more or less from now on."""
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes

    def take(self, unit: AccessUnit, now: float) -> bool:
        """Add a unit; False if units are lost before it: decoders would show debris."""
        if unit.keyframe:
            self._units, self._bytes, self._began_at = [], 0, now
        elif unit.seq != self._next_seq:
            self._next_seq = None
            self._units = []
            return False
        self._next_seq = unit.seq + 1
        if unit.keyframe or self._units:
            self._units.append(unit)
            self._bytes += len(unit.data)
            if not self._is_recent(now):
                self._units = []
        return True

    def recent(self, now: float) -> tuple[AccessUnit, ...]:
        """Return the pictures with which a viewer can begin; none if they are old or many."""
        return tuple(self._units) if self._is_recent(now) else ()

    def _is_recent(self, now: float) -> bool:
        return self._bytes <= self._max_bytes and now - self._began_at <= self._max_age_s
