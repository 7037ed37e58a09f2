"""A camera's raw pictures as an encoder takes them: yuv420p in video range, mirrored as wanted.

It must not know cameras or time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.video.reformatter import ColorRange

from mqcam_device.sources.filters import Filters

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class Upright:
    """Converts pictures; builds a new filter when their shape changes."""

    def __init__(self, *, hflip: bool, vflip: bool) -> None:
        self._flips = [(name, "") for name, is_on in (("hflip", hflip), ("vflip", vflip)) if is_on]
        self._shape: tuple[int, int, str, int] | None = None
        self._filters: Filters | None = None

    def turn(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture converted; its colour matrix stays."""
        matrix = frame.colorspace
        shape = (frame.width, frame.height, frame.format.name, int(frame.color_range))
        if shape != self._shape:
            self._filters = None if self._is_fit(frame) else self._build(frame)
            self._shape = shape
        if self._filters is None:
            return frame
        turned = self._filters.apply(frame)
        turned.colorspace = matrix
        return turned

    def _is_fit(self, frame: VideoFrame) -> bool:
        is_video_range = frame.color_range != ColorRange.JPEG
        return frame.format.name == "yuv420p" and is_video_range and not self._flips

    def _build(self, frame: VideoFrame) -> Filters:
        # Decoders of motion JPEG say its full range by the old name of the format only.
        is_full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        color_range = "pc" if is_full else "tv"
        steps = [
            ("scale", f"flags=bilinear:in_range={color_range}:out_range=tv"),
            ("format", "pix_fmts=yuv420p"),
            *self._flips,
        ]
        return Filters("usb", frame, steps, color_range=color_range)
