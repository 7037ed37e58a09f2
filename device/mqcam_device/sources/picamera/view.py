"""Zoom: which part of the sensor is shown.

It must not know libcamera or how the picture is turned: areas are the sensor's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mqcam_device.sources.picamera.turning import Area

Rectangle = tuple[int, int, int, int]
"""Left, top, width and height in the sensor's pixels."""


def crop(area: Area, full: Rectangle, least: tuple[int, int]) -> Rectangle:
    """Return the part of the full view that shows an area, in the full view's shape.

    An area of another shape would be shown distorted: it is widened, about its centre and within
    the view, so that nothing of it is cut off. ``least`` is the smallest size that can be shown.
    """
    left, top, width, height = full
    part = max(area[2], area[3], least[0] / width, least[1] / height)
    x, y = (
        min(max(begin + (length - part) / 2, 0.0), 1 - part)
        for begin, length in ((area[0], area[2]), (area[1], area[3]))
    )
    return (
        left + _even(x * width),
        top + _even(y * height),
        _even(part * width),
        _even(part * height),
    )


def _even(value: float) -> int:
    return round(value / 2) * 2
