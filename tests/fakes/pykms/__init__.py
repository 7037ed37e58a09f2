"""Stands in for pykms, which picamera2 imports even where no display is attached."""

from __future__ import annotations


class PixelFormat:
    """What picamera2's preview on a display names while it is imported."""

    RGB888 = BGR888 = XRGB8888 = XBGR8888 = YUV420 = YVU420 = NV12 = NV21 = YUYV = UYVY = ""


class Card:
    """A display adapter: there is none."""

    def __init__(self, path: str = "") -> None:
        raise OSError(f"no display at {path}")
