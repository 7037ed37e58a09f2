"""A picture as JPEG.

It must not know where pictures come from.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
from av.video.reformatter import ColorRange

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_QUALITY: Final = 4


def encode_jpeg(frame: VideoFrame) -> bytes:
    """Encode a picture; raises FFmpegError, ValueError or KeyError for one that cannot be."""
    full_range = frame.reformat(format="yuvj420p", dst_color_range="JPEG")  # PyAV 14: no enum
    context = av.VideoCodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.color_range = ColorRange.JPEG
    context.options = {"qmin": "2", "qmax": str(_QUALITY)}
    full_range.pts = 0
    return b"".join(bytes(packet) for packet in context.encode(full_range))
