from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam_viewer.desktop import icons
from PySide6.QtGui import QColor

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication


@pytest.mark.parametrize("shape", icons.SHAPES)
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_every_icon_is_drawn_in_its_colour_at_every_ratio(
    qapp: QApplication, shape: str, ratio: float
) -> None:
    drawn = icons.pixmap(shape, "#5B9DFF", size=24, ratio=ratio)
    image = drawn.toImage()
    inked = [
        image.pixelColor(x, y)
        for x in range(image.width())
        for y in range(image.height())
        if image.pixelColor(x, y).alpha() > 200
    ]

    assert drawn.width() == round(24 * ratio)
    assert len(inked) > 20
    assert all(_is_near(colour, QColor("#5B9DFF")) for colour in inked)


def _is_near(one: QColor, other: QColor) -> bool:
    pairs = zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)  # type: ignore[index]
    return all(abs(a - b) < 8 for a, b in pairs)
