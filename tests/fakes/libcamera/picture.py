"""What the fake camera sees: a bright corner, a bar that moves, and noise that costs bits.

The corner is at the top left of the sensor, so that flips can be seen. Only the formats of which
somebody looks at the picture are painted; the others stay as they are in memory: zero.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from .transform import FLIPS

if TYPE_CHECKING:
    from .streams import StreamConfiguration
    from .transform import Orientation

DARK, GREY, BRIGHT = 16, 128, 235
CORNER_PART = 8
BAR_WIDTH = 32
BAR_STEP = 8
NOISE = bytes(GREY - 24 + value * 48 // 256 for value in range(256))
"""How random bytes become noise that an encoder has to spend bits on."""


def paint(fd: int, stream: StreamConfiguration, number: int, orientation: Orientation) -> None:
    """Write one picture to a buffer."""
    if str(stream.pixel_format) not in {"YUV420", "NV12", "YUYV"}:
        return
    if str(stream.pixel_format) == "YUYV":
        os.pwrite(fd, b"\x80" * stream.frame_size, 0)
        return
    width, height, stride = stream.size.width, stream.size.height, stream.stride
    picture = bytearray(background(width, height, stride, orientation))
    left = number * BAR_STEP % max(width - BAR_WIDTH, 1)
    bar = bytes([BRIGHT]) * min(BAR_WIDTH, width)
    for row in range(height // 3, height // 2):
        picture[row * stride + left : row * stride + left + len(bar)] = bar
    start, end = height // 2 * stride, height * 2 // 3 * stride
    offset = number * 7919 % (end - start)
    picture[start:end] = noise(end - start)[offset : offset + end - start]
    os.pwrite(fd, picture, 0)


@functools.lru_cache(maxsize=4)
def background(width: int, height: int, stride: int, orientation: Orientation) -> bytes:
    """Return all that does not move: dark, and the sensor's corner, bright."""
    mirrored, upside_down = FLIPS[orientation]
    corner_width, corner_height = width // CORNER_PART, height // CORNER_PART
    rest = bytes([DARK]) * (width - corner_width)
    corner = bytes([BRIGHT]) * corner_width
    padding = bytes(stride - width)
    with_corner = (rest + corner if mirrored else corner + rest) + padding
    without = bytes([DARK]) * width + padding
    rows = [with_corner] * corner_height + [without] * (height - corner_height)
    luma = b"".join(reversed(rows) if upside_down else rows)
    return luma + bytes([GREY]) * (stride * height // 2)


@functools.lru_cache(maxsize=4)
def noise(length: int) -> bytes:
    """Return twice as many random bytes as a picture takes, so that each takes others."""
    return os.urandom(2 * length).translate(NOISE)
