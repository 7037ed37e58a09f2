"""Bars along a picture's lower edge that tell programs which picture it is and when it was drawn.

It must not know how pictures are made or carried; tests and benches read it from decoded frames.

The strip is two rows of 40 cells, each row a thirtieth of the height; a light cell is a one. It
holds the frame number (24 bits), CLOCK_MONOTONIC in milliseconds (40 bits) and a CRC (16 bits).
"""

from __future__ import annotations

from binascii import crc_hqx
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from mqcam_device.sources.canvas import Plane

COLUMNS = 40
ROWS = 2
_HEIGHT_PARTS = 30
_DARK, _LIGHT = 24, 224
_MIDDLE = (_DARK + _LIGHT) // 2
_PAYLOAD_BYTES = 8
_SEED = 0x5AA5


class Marker(NamedTuple):
    """A frame's number (24 bits, wraps) and the moment it was drawn, CLOCK_MONOTONIC."""

    frame: int
    drawn_ms: int


def row_height(height: int) -> int:
    """Return how many lines one row of cells takes in a picture of this height."""
    return max(height // _HEIGHT_PARTS, 1)


def strip_height(height: int) -> int:
    """Return how many lines the whole strip takes, an even number."""
    return (ROWS * row_height(height) + 1) // 2 * 2


def draw_marker(luma: Plane, marker: Marker) -> None:
    """Draw the strip into a picture's luma; the chroma below should be neutral."""
    payload = marker.frame.to_bytes(3, "big") + marker.drawn_ms.to_bytes(5, "big")
    code = payload + crc_hqx(payload, _SEED).to_bytes(2, "big")
    bits = f"{int.from_bytes(code, 'big'):080b}"
    edges = [column * luma.width // COLUMNS for column in range(COLUMNS + 1)]
    widths = [right - left for left, right in pairwise(edges)]
    lines = row_height(luma.height)
    top = luma.height - ROWS * lines
    for row in range(ROWS):
        cells = bits[row * COLUMNS : (row + 1) * COLUMNS]
        line = b"".join(
            bytes((_LIGHT if bit == "1" else _DARK,)) * width
            for bit, width in zip(cells, widths, strict=True)
        )
        luma.stamp(0, top + row * lines, [line] * lines)


def read_marker(frame: VideoFrame) -> Marker | None:
    """Read the strip from a decoded planar picture of any size; None if it is not legible."""
    plane = frame.planes[0]
    return _read(memoryview(plane), plane.line_size, frame.width, frame.height)


def _read(luma: memoryview, stride: int, width: int, height: int) -> Marker | None:
    value = 0
    lines = row_height(height)
    for row in range(ROWS):
        line = height - ROWS * lines + row * lines + lines // 2
        for column in range(COLUMNS):
            centre = (2 * column + 1) * width // (2 * COLUMNS)
            value = value << 1 | (luma[line * stride + centre] > _MIDDLE)
    code = value.to_bytes(_PAYLOAD_BYTES + 2, "big")
    payload, check = code[:_PAYLOAD_BYTES], code[_PAYLOAD_BYTES:]
    if crc_hqx(payload, _SEED) != int.from_bytes(check, "big"):
        return None
    return Marker(int.from_bytes(payload[:3], "big"), int.from_bytes(payload[3:], "big"))
