"""Fonts: the one family that is installed, at sizes in pixels, with figures of one width.

It must not know what is written.
"""

from __future__ import annotations

from functools import cache

from PySide6.QtGui import QFont, QFontDatabase

from mqcam_viewer.desktop import theme

WEIGHTS = {400: QFont.Weight.Normal, 500: QFont.Weight.Medium, 600: QFont.Weight.DemiBold}


def family() -> str:
    """Return the first family of the theme that is installed, else the system's own."""
    installed = QFontDatabase.families()
    for name in theme.FAMILIES:
        if name in installed:
            return name
    return QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()


@cache
def font(pixels: int = theme.BASE_PX, weight: int = 400) -> QFont:
    """Return a font; its figures have one width, so that numbers do not jitter."""
    made = QFont(family())
    made.setPixelSize(pixels)
    made.setWeight(WEIGHTS[weight])
    made.setFeature(QFont.Tag("tnum"), 1)
    return made
