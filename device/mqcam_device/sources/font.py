"""A bitmap font for the test pattern, 5 by 7 dots, drawn for this project.

It must not know pictures or colours: a glyph is rows of bits.
"""

from __future__ import annotations

GLYPH_WIDTH = 5
GLYPH_HEIGHT = 7

# One hexadecimal pair per row, top first; bit 4 is the leftmost dot.
_SHAPES = {
    " ": "00 00 00 00 00 00 00",
    "A": "0E 11 11 1F 11 11 11",
    "B": "1E 09 09 0E 09 09 1E",
    "C": "0E 11 10 10 10 11 0E",
    "D": "1E 09 09 09 09 09 1E",
    "E": "1F 10 10 1E 10 10 1F",
    "F": "1F 10 10 1E 10 10 10",
    "G": "0E 11 10 17 11 11 0E",
    "H": "11 11 11 1F 11 11 11",
    "I": "0E 04 04 04 04 04 0E",
    "J": "01 01 01 01 01 11 0E",
    "K": "11 12 14 18 14 12 11",
    "L": "10 10 10 10 10 10 1F",
    "M": "11 1B 15 15 11 11 11",
    "N": "11 19 19 15 13 13 11",
    "O": "0E 11 11 11 11 11 0E",
    "P": "1E 11 11 1E 10 10 10",
    "Q": "0E 11 11 11 15 12 0D",
    "R": "1E 11 11 1E 14 12 11",
    "S": "0F 10 10 0E 01 01 1E",
    "T": "1F 04 04 04 04 04 04",
    "U": "11 11 11 11 11 11 0E",
    "V": "11 11 11 11 11 0A 04",
    "W": "11 11 11 15 15 1B 11",
    "X": "11 11 0A 04 0A 11 11",
    "Y": "11 11 0A 04 04 04 04",
    "Z": "1F 01 02 04 08 10 1F",
    "0": "0E 11 13 15 19 11 0E",
    "1": "04 0C 04 04 04 04 0E",
    "2": "0E 11 01 06 08 10 1F",
    "3": "0E 11 01 06 01 11 0E",
    "4": "02 06 0A 12 1F 02 02",
    "5": "1F 10 1E 01 01 11 0E",
    "6": "0E 10 10 1E 11 11 0E",
    "7": "1F 01 02 04 04 04 04",
    "8": "0E 11 11 0E 11 11 0E",
    "9": "0E 11 11 0F 01 01 0E",
    "-": "00 00 00 1F 00 00 00",
    "_": "00 00 00 00 00 00 1F",
    ":": "00 04 04 00 04 04 00",
    ".": "00 00 00 00 00 04 04",
    ",": "00 00 00 00 04 04 08",
    "/": "01 01 02 04 08 10 10",
    "+": "00 04 04 1F 04 04 00",
    "=": "00 00 1F 00 1F 00 00",
    "#": "0A 0A 1F 0A 1F 0A 0A",
    "%": "18 19 02 04 08 13 03",
    "(": "02 04 08 08 08 04 02",
    ")": "08 04 02 02 02 04 08",
    "?": "0E 11 01 02 04 00 04",
    "!": "04 04 04 04 04 00 04",
    "@": "0E 11 17 15 17 10 0E",
    "'": "04 04 08 00 00 00 00",
    "&": "08 14 14 08 15 12 0D",
}
_UNKNOWN = "1F 11 11 11 11 11 1F"

_SMOOTH_STEPS = 1
_BLOCKY_UP_TO = 2

Bitmap = tuple[tuple[bool, ...], ...]


def glyph(character: str) -> Bitmap:
    """Return a character's dots, row by row; lower case looks like upper, the unknown is a box."""
    shape = _SHAPES.get(character.upper(), _UNKNOWN)
    return tuple(
        tuple(bool(int(row, 16) >> bit & 1) for bit in reversed(range(GLYPH_WIDTH)))
        for row in shape.split()
    )


def smooth(bitmap: Bitmap) -> Bitmap:
    """Double a bitmap and round its staircases (the Scale2x rule)."""
    height, width = len(bitmap), len(bitmap[0])

    def dot(x: int, y: int) -> bool:
        return 0 <= x < width and 0 <= y < height and bitmap[y][x]

    rows: list[tuple[bool, ...]] = []
    for y in range(height):
        upper: list[bool] = []
        lower: list[bool] = []
        for x in range(width):
            here = dot(x, y)
            above, below = dot(x, y - 1), dot(x, y + 1)
            left, right = dot(x - 1, y), dot(x + 1, y)
            is_corner = above != below and left != right
            upper += [
                left if is_corner and left == above else here,
                right if is_corner and right == above else here,
            ]
            lower += [
                left if is_corner and left == below else here,
                right if is_corner and right == below else here,
            ]
        rows += [tuple(upper), tuple(lower)]
    return tuple(rows)


def scaled(bitmap: Bitmap, factor: int) -> Bitmap:
    """Enlarge a bitmap by a whole factor, with round corners where there is room for them."""
    steps = _SMOOTH_STEPS if factor > _BLOCKY_UP_TO else 0
    for _ in range(steps):
        bitmap = smooth(bitmap)
    rows = [_sample(row, factor, steps) for row in bitmap]
    return tuple(rows[y * 2**steps // factor] for y in range(len(rows) * factor // 2**steps))


def _sample(row: tuple[bool, ...], factor: int, steps: int) -> tuple[bool, ...]:
    return tuple(row[x * 2**steps // factor] for x in range(len(row) * factor // 2**steps))
