"""Draw rectangles and stamps into planar YUV 4:2:0 pictures without numpy.

It must not know what is drawn, nor any library: planes are writable buffers with a stride.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mqcam_device.sources import font

if TYPE_CHECKING:
    from collections.abc import Sequence


class Colour(NamedTuple):
    """A colour in video range: luma 16 to 235, chroma 16 to 240."""

    y: int
    u: int = 128
    v: int = 128


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a picture: bytes, ``stride`` apart from row to row."""

    data: memoryview
    stride: int
    width: int
    height: int

    def fill(self, x: int, y: int, width: int, height: int, value: int) -> None:
        """Fill a rectangle, clipped to the plane."""
        left, right = max(x, 0), min(x + width, self.width)
        if right <= left:
            return
        row = bytes((value,)) * (right - left)
        for line in range(max(y, 0), min(y + height, self.height)):
            at = line * self.stride
            self.data[at + left : at + right] = row

    def stamp(self, x: int, y: int, rows: Sequence[bytes]) -> None:
        """Copy rows of bytes to a place, clipped to the plane."""
        if not 0 <= x < self.width:
            return
        room = self.width - x
        at = y * self.stride + x
        for line, row in enumerate(rows, start=y):
            if 0 <= line < self.height:
                cut = row[:room]
                self.data[at : at + len(cut)] = cut
            at += self.stride


@dataclass(frozen=True, slots=True)
class Canvas:
    """Three planes of one picture."""

    y: Plane
    u: Plane
    v: Plane

    def fill(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """Fill a rectangle whose place and size are even."""
        self.y.fill(x, y, width, height, colour.y)
        self.u.fill(x // 2, y // 2, width // 2, height // 2, colour.u)
        self.v.fill(x // 2, y // 2, width // 2, height // 2, colour.v)


class TextStyle:
    """Letters of one size and two shades of grey, kept as ready rows of luma."""

    def __init__(self, *, scale: int, ink: int, paper: int) -> None:
        self.scale = max(scale, 1)
        self.height = font.GLYPH_HEIGHT * self.scale
        self.advance = (font.GLYPH_WIDTH + 1) * self.scale
        self._shades = bytes((paper, ink))
        self._glyphs: dict[str, tuple[bytes, ...]] = {}

    def rows(self, text: str) -> list[bytes]:
        """Return a line of text as rows of luma."""
        glyphs = [self._glyphs.get(character) or self._draw(character) for character in text]
        return [b"".join(parts) for parts in zip(*glyphs, strict=True)]

    def _draw(self, character: str) -> tuple[bytes, ...]:
        gap = self._shades[:1] * self.scale
        drawn = tuple(
            bytes(self._shades[dot] for dot in row) + gap
            for row in font.scaled(font.glyph(character), self.scale)
        )
        self._glyphs[character] = drawn
        return drawn
