"""Turn a film's pictures upright and fit them into one size with square dots, bars around.

It must not know files or time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.video.reformatter import ColorRange

from mqcam_device.sources.filters import Filters
from mqcam_device.sources.raw import matrix_of

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_TURNS: dict[int, tuple[tuple[str, str], ...]] = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}


def natural_size(frame: VideoFrame, dot_aspect: float) -> tuple[int, int]:
    """Return the even size at which a picture is upright with square dots."""
    width, height = _upright(frame, dot_aspect)
    return _even(width), _even(height)


class Fitter:
    """Fits pictures; builds a new filter whenever their shape changes.

    ``dot_aspect`` is the width of a film's dot divided by its height.
    """

    def __init__(self, size: tuple[int, int], dot_aspect: float) -> None:
        self.size = size
        self._dot_aspect = dot_aspect
        self._shape: tuple[int, int, str, int, int] | None = None
        self._filters: Filters | None = None

    def fit(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture as yuv420p in video range and the fitter's size."""
        shape = _shape_of(frame)
        if shape != self._shape:
            self._filters = None if self._is_fit(frame) else self._build(frame)
            self._shape = shape
        matrix = matrix_of(frame)
        fitted = frame if self._filters is None else self._filters.apply(frame)
        fitted.colorspace = matrix  # what no size suggests any more
        return fitted

    def _is_fit(self, frame: VideoFrame) -> bool:
        return (
            frame.format.name == "yuv420p"
            and frame.color_range != ColorRange.JPEG
            and _turn_of(frame) == 0
            and (frame.width, frame.height) == natural_size(frame, self._dot_aspect) == self.size
        )

    def _build(self, frame: VideoFrame) -> Filters:
        width, height = self.size
        natural_width, natural_height = _upright(frame, self._dot_aspect)
        ratio = min(width / natural_width, height / natural_height)
        inner_width = min(_even(natural_width * ratio + 1), width)
        inner_height = min(_even(natural_height * ratio + 1), height)
        left, top = _even((width - inner_width) / 2, 0), _even((height - inner_height) / 2, 0)
        kind = "pc" if frame.color_range == ColorRange.JPEG else "unspecified"
        steps = [
            *_TURNS.get(_turn_of(frame), ()),
            ("scale", f"{inner_width}:{inner_height}:flags=bilinear:out_range=tv"),
            ("format", "pix_fmts=yuv420p"),
            ("pad", f"{width}:{height}:{left}:{top}:black"),
        ]
        return Filters("film", frame, steps, color_range=kind)


def _shape_of(frame: VideoFrame) -> tuple[int, int, str, int, int]:
    return (
        frame.width,
        frame.height,
        frame.format.name,
        int(frame.color_range),
        _turn_of(frame),
    )


def _turn_of(frame: VideoFrame) -> int:
    """Return how far to turn a picture counter-clockwise: 0, 90, 180 or 270 degrees."""
    turn = getattr(frame, "rotation", 0)  # PyAV 14.0 has no such attribute
    return round(turn / 90) * 90 % 360


def _upright(frame: VideoFrame, dot_aspect: float) -> tuple[float, float]:
    width, height = frame.width * dot_aspect, float(frame.height)
    return (height, width) if _turn_of(frame) % 180 else (width, height)


def _even(value: float, least: int = 2) -> int:
    return max(int(value) // 2 * 2, least)
