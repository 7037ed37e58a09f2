"""How a picture lies: as flips, and as the orientation that libcamera's streams speak of."""

from __future__ import annotations

import enum


class Orientation(enum.Enum):
    Rotate0 = 1
    Rotate0Mirror = 2
    Rotate180 = 3
    Rotate180Mirror = 4
    Rotate90Mirror = 5
    Rotate270 = 6
    Rotate270Mirror = 7
    Rotate90 = 8


FLIPS = {
    Orientation.Rotate0: (False, False),
    Orientation.Rotate0Mirror: (True, False),
    Orientation.Rotate180: (True, True),
    Orientation.Rotate180Mirror: (False, True),
}
"""What a sensor can do: mirrored left to right, mirrored top to bottom."""


class Transform:
    """A rotation of 0 or 180 degrees and flips; a quarter turn is a transposition.

    picamera2 replaces ``__eq__`` and uses some as keys: the hash stays that of the object.
    """

    def __init__(
        self,
        rotation: int | Transform = 0,
        hflip: bool = False,
        vflip: bool = False,
        transpose: bool = False,
    ) -> None:
        self.hflip, self.vflip, self.transpose = bool(hflip), bool(vflip), bool(transpose)
        if isinstance(rotation, Transform):
            vars(self).update(vars(rotation))
        elif rotation == 180:
            self.hflip, self.vflip = not hflip, not vflip
        elif rotation:
            raise ValueError("Invalid rotation")

    def __str__(self) -> str:
        flips = [name for name in ("hflip", "vflip", "transpose") if getattr(self, name)]
        return f"<libcamera.Transform '{','.join(flips) or 'identity'}'>"
