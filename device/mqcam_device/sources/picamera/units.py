"""Encoded pictures of one layer: from what the VideoCore's encoder gives to units.

It must not know picamera2 or threads.
"""

from __future__ import annotations

from mqcam.h264 import Normaliser

from mqcam_device.media import AccessUnit
from mqcam_device.sources.picamera.sensorclock import Growth


class UnitMaker:
    """Numbers pictures, puts parameter sets in front of keyframes, drops what comes before one."""

    def __init__(self, layer: str) -> None:
        self._layer = layer
        self._normaliser = Normaliser()
        self._growth = Growth()
        self._seq = 0

    def restart(self) -> None:
        """Expect a new encoder: nothing is of use before its first keyframe."""
        self._normaliser = Normaliser()

    def make(self, data: bytes, captured_ns: int) -> AccessUnit | None:
        """Return the unit of a picture; None before the first keyframe."""
        normal = self._normaliser.normalise(data)
        if normal is None:
            return None
        unit = AccessUnit(
            normal[0], self._growth.next_ns(captured_ns), normal[1], self._seq, self._layer
        )
        self._seq += 1
        return unit
