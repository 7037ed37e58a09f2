"""Who turns the picture: the sensor mirrors and turns by half, the rest is the viewer's.

It must not know libcamera. Rotation is clockwise; what is mirrored is the upright picture, so
with a quarter turn left to the viewer, the sensor's axes are swapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mqcam_device.media import Rotation

Area = tuple[float, float, float, float]
"""Left, top, width and height as parts of a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the sensor does, and ``left``: how far the viewer turns the picture afterwards."""

    hflip: bool
    vflip: bool
    left: Rotation


def split(rotation: Rotation, *, hflip: bool, vflip: bool) -> Turn:
    """Share the turning out: the picture is to be rotated, then mirrored."""
    if rotation in (90, 270):
        return Turn(hflip=vflip, vflip=hflip, left=rotation)
    is_upside_down = rotation == 180  # noqa: PLR2004 - degrees
    return Turn(hflip=hflip != is_upside_down, vflip=vflip != is_upside_down, left=0)


def amend(wanted: Turn, *, hflip: bool, vflip: bool) -> tuple[Turn, str]:
    """Return what is left when a sensor mirrors other than asked, and what is wrong, if anything.

    A half turn that the sensor does not make is the viewer's; a mirror image stays one.
    """
    got = Turn(hflip=hflip, vflip=vflip, left=wanted.left)
    missed = (hflip != wanted.hflip, vflip != wanted.vflip)
    if missed == (True, True):
        halves: dict[int, Rotation] = {0: 180, 90: 270, 180: 0, 270: 90}
        return Turn(hflip=hflip, vflip=vflip, left=halves[wanted.left]), ""
    return got, "this camera cannot mirror its picture" if any(missed) else ""


def to_sensor(area: Area, left: Rotation) -> Area:
    """Return an area of the upright picture as one of the sensor's, before the viewer turns it."""
    x, y, width, height = area
    if left == 90:  # noqa: PLR2004 - degrees
        return y, 1 - (x + width), height, width
    if left == 180:  # noqa: PLR2004
        return 1 - (x + width), 1 - (y + height), width, height
    if left == 270:  # noqa: PLR2004
        return 1 - (y + height), x, height, width
    return area
