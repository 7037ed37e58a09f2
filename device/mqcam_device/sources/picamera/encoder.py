"""The seam between the camera and the two kinds of encoder: VideoCore and libx264.

It must not know either. All methods but `request_keyframe` are called in the camera's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_device.media import AccessUnit, LayerInfo
    from mqcam_device.sources.layer import Thinning
    from mqcam_device.sources.picamera.sensorclock import SensorClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """What an encoder is tied to: the clock, and who hears of units and faults, in any thread.

    Neither callable raises or blocks for long.
    """

    clock: SensorClock
    deliver: Callable[[AccessUnit], None]
    fail: Callable[[Exception], None]


class LayerEncoder(Protocol):
    """Encodes one layer. picamera2's encoder behind it exists from `start` to `stop`."""

    @property
    def info(self) -> LayerInfo:
        """The layer as it is now."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether pictures are encoded."""
        ...

    def start(self, picamera: Any) -> None:
        """Begin to encode; the first unit is a keyframe. Raises what picamera2 raises."""
        ...

    def stop(self, picamera: Any) -> None:
        """End it; raises what picamera2 raises. Idempotent."""
        ...

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe; in any thread."""
        ...

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Aim for a bit rate of the layer's range."""
        ...

    def change_framerate(self, info: LayerInfo, thinning: Thinning | None) -> None:
        """Expect pictures at another rate from now on."""
        ...
