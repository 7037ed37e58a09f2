"""Turn one decoded picture into a JPEG file's bytes.

It must not know streams: any PyAV picture will do.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext


def jpeg(picture: av.VideoFrame) -> bytes:
    """Encode a picture as JPEG at its own size."""
    encoder: VideoCodecContext = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": "2", "qmax": "4"}
    full_range = picture.reformat(format="yuvj420p", dst_color_range="JPEG")
    full_range.pts = 0
    packets = [*encoder.encode(full_range), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
