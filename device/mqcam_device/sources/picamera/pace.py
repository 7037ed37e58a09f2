"""How many pictures a second: what is wanted, within what the camera has.

It must not know picamera2: it reads what ``Picamera2.camera_controls`` returned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMITS: Final = "FrameDurationLimits"
_US: Final = 1_000_000
_NIGHT_FPS: Final = 5.0
_LEAST_FPS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Frame rates: ``fps`` by day, ``fps_min`` in the dark; ``most`` is never exceeded."""

    fps: float
    fps_min: float
    most: float
    wanted_min: float
    has_limits: bool

    @classmethod
    def of(
        cls, advertised: Mapping[str, tuple[Any, Any, Any]], *, fps: float, fps_min: float | None
    ) -> Pace:
        """Return the rates of a camera that was configured."""
        wanted_min = fps_min or min(fps, _NIGHT_FPS)
        most = min(fps, _US / advertised[LIMITS][0]) if LIMITS in advertised else fps
        pace = cls(
            fps=fps,
            fps_min=wanted_min,
            most=most,
            wanted_min=wanted_min,
            has_limits=LIMITS in advertised,
        )
        return pace.limited(fps)

    def limited(self, fps: float) -> Pace:
        """Return the rates with another cap, between 1 and what was configured."""
        fps = min(max(fps, _LEAST_FPS), self.most)
        return replace(self, fps=fps, fps_min=min(self.wanted_min, fps))

    @property
    def native(self) -> dict[str, Any]:
        """What to tell libcamera: the shortest and the longest time between frames, in us."""
        if not self.has_limits:
            return {}
        return {LIMITS: (round(_US / self.fps), round(_US / self.fps_min))}
