"""The colour bars of the test pattern, as whoever looks at it sees them.

It must not know how pictures came here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import av

BARS = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1)]
"""Which of red, green and blue each bar of the pattern has, from the left."""

PLACES = [((index + 0.5) / len(BARS), 0.45) for index in range(len(BARS))]
"""Where each of them is, in parts of width and height."""

TURNED_PLACES = [(1 - y, x) for x, y in PLACES]
"""Where they are once the picture was turned clockwise by 90 degrees: from the top down."""

HIDDEN = 2
"""The ball covers one bar, or parts of two."""


def are_bars(colours: Sequence[Sequence[int]]) -> bool:
    """Tell whether colours at the places of the bars are theirs."""
    right = [_is_bar(*pair) for pair in zip(colours, BARS, strict=True)]
    return right.count(True) >= len(BARS) - HIDDEN


def colours_of(
    picture: av.VideoFrame, places: Sequence[tuple[float, float]]
) -> list[tuple[int, ...]]:
    """Return red, green and blue at places of a picture."""
    plane = picture.reformat(format="rgb24", src_colorspace="ITU709").planes[0]
    view = memoryview(plane)
    starts = (
        int(y * picture.height) * plane.line_size + 3 * int(x * picture.width) for x, y in places
    )
    return [tuple(view[start : start + 3]) for start in starts]


def _is_bar(colour: Sequence[int], expected: tuple[int, int, int]) -> bool:
    """Tell whether a colour is that of a bar, give or take what encoding does to it."""
    return all(
        part > 140 if wanted else part < 60 for part, wanted in zip(colour, expected, strict=True)
    )
