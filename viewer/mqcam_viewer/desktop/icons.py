"""Our own icons: strokes of 1.7 px on a grid of 24, drawn in any colour at any size.

It must not know what an icon is for.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from mqcam_viewer.desktop import theme

STROKE: Final = 1.7
SIZE: Final = 20
RATIOS: Final = (1, 2)
"""Pixels per unit of the screens that icons are made for; Qt scales for those between."""

SHAPES: Final = {
    "camera": (
        '<rect x="2.8" y="6.5" width="12.4" height="11" rx="2.4"/>'
        '<path d="M15.2 10.8l6-3v8.4l-6-3"/>'
    ),
    "absent": (
        '<path d="M3.4 3.4l17.2 17.2"/><path d="M9.4 6.5h3.4a2.4 2.4 0 0 1 2.4 2.4v1.9l6-3v8.6"/>'
        '<path d="M14.6 17.5H5.2a2.4 2.4 0 0 1-2.4-2.4V8.4a2.4 2.4 0 0 1 1.5-1.8"/>'
    ),
    "refused": '<circle cx="12" cy="12" r="8.6"/><path d="M6 6l12 12"/>',
    "snapshot": (
        '<path d="M3.5 9a2 2 0 0 1 2-2h2l1.6-2.4h5.8L16.5 7h2a2 2 0 0 1 2 2v8.4a2 2 0 0 1-2 2'
        'h-13a2 2 0 0 1-2-2z"/><circle cx="12" cy="13" r="3.5"/>'
    ),
    "statistics": '<path d="M3.8 20.2h16.4M6.8 16.4v-5M12 16.4V4.6M17.2 16.4V8.8"/>',
    "expand": (
        '<path d="M4 9.2V6a2 2 0 0 1 2-2h3.2M14.8 4H18a2 2 0 0 1 2 2v3.2'
        'M20 14.8V18a2 2 0 0 1-2 2h-3.2M9.2 20H6a2 2 0 0 1-2-2v-3.2"/>'
    ),
    "search": '<circle cx="10.8" cy="10.8" r="6"/><path d="M15.3 15.3l4.9 4.9"/>',
    "lock": (
        '<rect x="5" y="10.6" width="14" height="9.4" rx="2"/>'
        '<path d="M8.4 10.6V7.8a3.6 3.6 0 0 1 7.2 0v2.8"/>'
    ),
    "open": (
        '<rect x="5" y="10.6" width="14" height="9.4" rx="2"/>'
        '<path d="M8.4 10.6V7.8a3.6 3.6 0 0 1 7-1.2"/>'
    ),
}


def svg(shape: str, colour: str) -> bytes:
    """Return an icon as a document."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
        f'stroke="{colour}" stroke-width="{STROKE}" stroke-linecap="round" '
        f'stroke-linejoin="round">{SHAPES[shape]}</svg>'
    ).encode()


def pixmap(shape: str, colour: str, *, size: int = SIZE, ratio: float = 1.0) -> QPixmap:
    """Draw an icon for a screen that has ``ratio`` pixels per unit."""
    drawn = QPixmap(round(size * ratio), round(size * ratio))
    drawn.setDevicePixelRatio(ratio)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    QSvgRenderer(svg(shape, colour)).render(painter, QRectF(0, 0, size, size))
    painter.end()
    return drawn


def icon(shape: str) -> QIcon:
    """Return an icon that changes its colour with the state of its button."""
    made = QIcon()
    for ratio in RATIOS:
        for colour, mode, state in (
            (theme.MUTED, QIcon.Mode.Normal, QIcon.State.Off),
            (theme.TEXT, QIcon.Mode.Active, QIcon.State.Off),
            (theme.ACCENT, QIcon.Mode.Normal, QIcon.State.On),
            (theme.DISABLED, QIcon.Mode.Disabled, QIcon.State.Off),
        ):
            made.addPixmap(pixmap(shape, colour, ratio=ratio), mode, state)
    return made
