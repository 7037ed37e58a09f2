"""Every visual constant: colours, sizes, type, the style sheet.

It must not know Qt: tests assert the contrast of these colours without a screen.
"""

from __future__ import annotations

from typing import Final

from mqcam_viewer.desktop.model import Tone

BACKGROUND: Final = "#0D1014"
PANEL: Final = "#13171D"
RAISED: Final = "#191E26"
HOVER: Final = "#1E242D"
SELECTED: Final = "#1B2B45"
LINE: Final = "#232A34"
TILE: Final = "#07090C"

TEXT: Final = "#E8ECF1"
MUTED: Final = "#9AA5B4"
FAINT: Final = "#7B8696"
DISABLED: Final = "#4A5360"

ACCENT: Final = "#5B9DFF"
GOOD: Final = "#3ECF8E"
WARNING: Final = "#F5B544"
BAD: Final = "#FF6369"

TONE_COLOURS: Final = {
    Tone.GOOD: GOOD,
    Tone.BUSY: ACCENT,
    Tone.WARNING: WARNING,
    Tone.BAD: BAD,
    Tone.ABSENT: FAINT,
}
"""Colour is for state only; nothing is decorated with it."""

FAMILIES: Final = ("Inter", "Noto Sans", "DejaVu Sans")
"""The first that is installed; else the system's own."""

BASE_PX: Final = 13
TITLE_PX: Final = 16
SMALL_PX: Final = 11
DETAIL_PX: Final = 12

SIDEBAR_WIDTH: Final = 268
ROW_HEIGHT: Final = 54
TOOLBAR_HEIGHT: Final = 62
FOOTER_HEIGHT: Final = 56
MARGIN: Final = 16
TILE_RADIUS: Final = 10
CONTROL_RADIUS: Final = 8
PILL_HEIGHT: Final = 22
GRADIENT_HEIGHT: Final = 64
DIMMED: Final = 0.66
"""How much of the last picture is taken away while none comes."""

ASPECT: Final = 16 / 9
"""The shape of a tile that has no picture yet."""

STYLE_SHEET: Final = f"""
* {{ font-size: {BASE_PX}px; color: {TEXT}; }}
QMainWindow, #stage {{ background: {BACKGROUND}; }}
#sidebar {{ background: {PANEL}; border-right: 1px solid {LINE}; }}
#brand {{ font-size: 15px; font-weight: 600; }}
#census {{ color: {FAINT}; font-size: {SMALL_PX}px; font-weight: 600; }}
#title {{ font-size: {TITLE_PX}px; font-weight: 600; }}
#subtitle, #broker {{ color: {MUTED}; font-size: {DETAIL_PX}px; }}
#footer {{ border-top: 1px solid {LINE}; }}
QLineEdit {{
  background: {RAISED}; border: 1px solid {LINE}; border-radius: {CONTROL_RADIUS}px;
  padding: 7px 10px 7px 6px; selection-background-color: {ACCENT};
}}
QLineEdit:focus {{ border: 1px solid {ACCENT}; }}
QToolButton {{
  background: transparent; border: 1px solid transparent;
  border-radius: {CONTROL_RADIUS}px; padding: 8px;
}}
QToolButton:hover {{ background: {HOVER}; }}
QToolButton:focus {{ border: 1px solid {ACCENT}; }}
QToolButton:checked {{ background: {SELECTED}; }}
QListView {{ background: transparent; border: 0; outline: 0; }}
QScrollBar:vertical {{ background: transparent; width: 8px; margin: 2px; }}
QScrollBar::handle:vertical {{ background: #2B3340; border-radius: 2px; min-height: 28px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
QToolTip {{ background: {RAISED}; color: {TEXT}; border: 1px solid {LINE}; padding: 5px 8px; }}
"""


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#RRGGBB`` as WCAG 2.1 defines it."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21; text needs 4.5."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
