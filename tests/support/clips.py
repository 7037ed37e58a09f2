"""Short H.264 streams for tests of a receiver: real pictures, told apart by their shade.

It must not know the product: what it encodes is what any camera might send.
"""

from __future__ import annotations

import random
import re
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

RTP_CLOCK_HZ = 90_000
FRAME_TICKS = 3000
SHADE_STEP = 5
DARKEST = 40


def encode(
    count: int,
    *,
    width: int = 320,
    height: int = 240,
    first: int = 0,
    keyframes: tuple[int, ...] = (0,),
    noise: bool = False,
) -> list[bytes]:
    """Encode pictures ``first`` and so on; ``noise`` makes them large, and their shade rough."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, RTP_CLOCK_HZ)
    context.framerate = Fraction(30, 1)
    context.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "profile": "baseline",
        "x264-params": "keyint=infinite:scenecut=0:repeat-headers=1:sliced-threads=0:threads=1",
    }
    units: list[bytes] = []
    chance = random.Random(first)  # noqa: S311 - a picture, not a secret
    for number in range(count):
        frame = av.VideoFrame(width, height, "yuv420p")
        shade = shade_of(first + number)
        for index, plane in enumerate(frame.planes):
            size = plane.buffer_size
            value = shade if index == 0 else 128
            rough = bytes(value + each % 16 for each in chance.randbytes(size)) if noise else b""
            plane.update(rough or bytes((value,)) * size)
        frame.pts, frame.time_base = number * FRAME_TICKS, context.time_base
        frame.pict_type = PictureType.I if number in keyframes else PictureType.NONE
        units += [bytes(packet) for packet in context.encode(frame)]
    return units


def shade_of(number: int) -> int:
    """Return the brightness of a picture; they repeat after 32."""
    return DARKEST + number % 32 * SHADE_STEP


def number_of(picture: av.VideoFrame) -> int:
    """Return the number of a decoded picture, modulo 32."""
    return round((bytes(picture.planes[0])[0] - DARKEST) / SHADE_STEP)


def nals_of(unit: bytes) -> list[bytes]:
    """Split a byte stream at its start codes."""
    return [nal.rstrip(b"\x00") for nal in re.split(b"\x00\x00\x01", unit) if nal.strip(b"\x00")]
