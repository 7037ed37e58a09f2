"""One decoded picture, turned upright, as the bytes of a JPEG or PNG file.

It must not know streams: any PyAV picture will do.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
from av.filter import Graph
from av.video.reformatter import ColorRange
from mqcam import target

if TYPE_CHECKING:
    from pathlib import Path

    from av.video.codeccontext import VideoCodecContext

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})

QUALITY: Final = 90
"""Of 100: what a camera's picture looks good at."""

JPEG_COLOURS: Final = "ITU601"
"""The matrix of every JPEG file, whatever its size (JFIF)."""

FINEST, COARSEST = 2, 31
"""The range of JPEG's quantiser in FFmpeg."""

TURNS: Final[dict[int, tuple[tuple[str, str], ...]]] = {
    90: (("transpose", "clock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "cclock"),),
}
"""FFmpeg's filters for each turn, clockwise in degrees."""


def check_target(path: Path) -> None:
    """Judge a file's name before anything is done for it; raises UsageError, RecordingFailed."""
    target.check_target(path, suffixes=SUFFIXES, advice="end it in .jpg or .png")


def upright(picture: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """Return a picture turned clockwise by 0, 90, 180 or 270 degrees, without loss."""
    turns = TURNS.get(rotation)
    if turns is None:
        return picture
    is_full = picture.color_range == ColorRange.JPEG
    graph = Graph()
    if hasattr(graph, "threads"):  # not in PyAV 14
        graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}"
        f":time_base=1/90000:range={'pc' if is_full else 'unspecified'}",
    )
    steps = [source, *(graph.add(*turn) for turn in turns), graph.add("buffersink")]
    graph.link_nodes(*steps).configure()
    steps[0].push(picture)
    turned = steps[-1].pull()
    if not isinstance(turned, av.VideoFrame):
        raise TypeError("FFmpeg's filters give no picture")
    turned.colorspace, turned.color_range = picture.colorspace, picture.color_range
    return turned


def encode(
    picture: av.VideoFrame, path: Path, *, rotation: int = 0, quality: int = QUALITY
) -> bytes:
    """Encode a picture as the ending of a file's name says: PNG, else JPEG.

    ``rotation`` turns it clockwise first.
    """
    picture = upright(picture, rotation)
    return png(picture) if path.suffix.lower() == ".png" else jpeg(picture, quality=quality)


def jpeg(picture: av.VideoFrame, *, quality: int = QUALITY) -> bytes:
    """Encode a picture as JPEG at its own size; ``quality`` from 1 to 100."""
    quantiser = str(FINEST + round((100 - quality) * (COARSEST - FINEST) / 99))
    encoder: VideoCodecContext = av.CodecContext.create("mjpeg", "w")
    encoder.options = {"qmin": quantiser, "qmax": quantiser}
    full_range = picture.reformat(
        format="yuvj420p", dst_color_range="JPEG", dst_colorspace=JPEG_COLOURS
    )
    return _encode(encoder, full_range)


def png(picture: av.VideoFrame) -> bytes:
    """Encode a picture as PNG at its own size, without loss."""
    return _encode(av.CodecContext.create("png", "w"), picture.reformat(format="rgb24"))


def _encode(encoder: VideoCodecContext, picture: av.VideoFrame) -> bytes:
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt = picture.format.name
    encoder.time_base = Fraction(1, 25)
    picture.pts = 0
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
