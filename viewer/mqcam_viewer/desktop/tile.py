"""One picture and what is written over it, painted in one go.

It must not know cameras, threads or the network: it shows a view and a picture.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from mqcam_viewer.desktop import icons, theme
from mqcam_viewer.desktop.fonts import font
from mqcam_viewer.desktop.model import State

if TYPE_CHECKING:
    from mqcam_viewer.desktop.converter import Picture
    from mqcam_viewer.desktop.model import CameraView

TURN_MS = 33
TURN_DEGREES = 12
SPINNER_PX = 32
ICON_PX = 32
SHADE = 150
"""Darkness of the shade under the name, 0 to 255."""
WORDS_WIDTH = 460
WORDS_HEIGHT = 140
"""Room for the longest reason why a camera is not believed."""

SHAPES = {State.OFFLINE: "absent", State.REFUSED: "refused", State.UNBELIEVED: "refused"}
"""What stands over the words where nothing turns."""
KEPT_DELAYS = 10_000


class Tile(QWidget):
    """Paint the newest picture with its name, its state in words and its figures."""

    double_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.delays_ms: deque[float] = deque(maxlen=KEPT_DELAYS)
        """From decoded to handed to the screen, of each picture that was painted."""
        self.shown = 0
        self.first_painted_at: float | None = None
        self._view: CameraView | None = None
        self._words = ("", "")
        self._notice = ""
        self._shows_statistics = True
        self._is_bare = False
        self._picture: Picture | None = None
        self._image: QImage | None = None
        self._rotation = 0
        self._waiting_since: float | None = None
        self._turned = 0
        self._turning = QTimer(self)
        self._turning.setInterval(TURN_MS)
        self._turning.timeout.connect(self._turn)

    def show_view(self, view: CameraView | None, words: tuple[str, str], notice: str) -> None:
        """Write how the camera stands; without one, a headline and a sentence."""
        if view is None or self._view is None or view.name != self._view.name:
            self.forget_picture()
        self._view, self._words, self._notice = view, words, notice
        self.setAccessibleName(view.accessible if view else ". ".join(filter(None, words)))
        is_turning = view is not None and view.is_working
        if is_turning != self._turning.isActive():
            self._turning.start() if is_turning else self._turning.stop()
        self.update()

    def show_picture(self, picture: Picture) -> None:
        """Paint a picture as soon as the screen is free."""
        self._picture = picture  # it owns the pixels that the image only refers to
        self._image = QImage(
            picture.pixels,
            picture.width,
            picture.height,
            picture.bytes_per_line,
            QImage.Format.Format_RGB32,
        )
        self._rotation = picture.rotation
        self._waiting_since = picture.decoded_at
        self.update()

    def forget_picture(self) -> None:
        """Show no picture until the next one comes."""
        self._image = None
        self._picture = None
        self._waiting_since = None

    def show_statistics(self, is_shown: bool) -> None:
        """Write the figures, or not."""
        self._shows_statistics = is_shown
        self.update()

    def show_bare(self, is_bare: bool) -> None:
        """Leave the edge away, as the whole screen wants it."""
        self._is_bare = is_bare
        self.update()

    @property
    def is_turning(self) -> bool:
        """Tell whether something turns while a person waits."""
        return self._turning.isActive()

    @property
    def notice(self) -> str:
        """Return what is written over the picture for a moment."""
        return self._notice

    @property
    def aspect(self) -> float:
        """Return width by height of the upright picture, the theme's while there is none."""
        size = self._upright_size()
        return theme.ASPECT if size.isEmpty() else size.width() / size.height()

    def presented(self) -> None:
        """Note that what was painted has reached the screen."""
        self.first_painted_at = self.first_painted_at or time.monotonic()
        if self._waiting_since is not None and self._image is not None:
            self.delays_ms.append((time.monotonic() - self._waiting_since) * 1000)
            self._waiting_since = None
            self.shown += 1

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:  # noqa: N802
        """Ask for the whole screen."""
        self.double_clicked.emit()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        """Paint everything: picture, shade, words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        area = QRectF(self.rect())
        self._paint_picture(painter, area)
        if self._view is None:
            self._paint_words(painter, area, *self._words, shape="camera")
        else:
            self._paint_view(painter, area, self._view)
        if self._notice:
            self._paint_pill(painter, area, self._notice, at=Qt.AlignmentFlag.AlignHCenter)
        if not self._is_bare:
            self._paint_edge(painter, area)
        painter.end()
        self.presented()

    def _turn(self) -> None:
        self._turned = (self._turned + TURN_DEGREES) % 360
        self.update()

    def _paint_picture(self, painter: QPainter, area: QRectF) -> None:
        painter.fillRect(area, QColor(theme.TILE))
        if self._image is None:
            return
        shape = area.size().toSize()
        fitted = self._upright_size().scaled(shape, Qt.AspectRatioMode.KeepAspectRatio)
        size = fitted if self._stands else fitted.transposed()
        target = QRectF(0, 0, size.width(), size.height())
        target.moveCenter(QPointF())
        painter.save()
        painter.translate(area.center())
        painter.rotate(self._rotation)
        painter.drawImage(target, self._image)
        painter.restore()
        if self._view is not None and self._view.state is not State.LIVE:
            painter.fillRect(area, QColor(0, 0, 0, round(255 * theme.DIMMED)))

    @property
    def _stands(self) -> bool:
        """Tell whether the image's width is that of the picture."""
        return self._rotation % 180 == 0

    def _upright_size(self) -> QSize:
        """Return the size that the picture has once it is turned."""
        size = QSize() if self._image is None else self._image.size()
        return size if self._stands else size.transposed()

    def _paint_view(self, painter: QPainter, area: QRectF, view: CameraView) -> None:
        is_live = view.state is State.LIVE
        shade = QLinearGradient(area.topLeft(), QPointF(area.left(), theme.GRADIENT_HEIGHT))
        shade.setColorAt(0, QColor(0, 0, 0, SHADE))
        shade.setColorAt(1, QColor(0, 0, 0, 0))
        painter.fillRect(
            QRectF(area.left(), area.top(), area.width(), theme.GRADIENT_HEIGHT), shade
        )
        painter.setFont(font(14, 600))
        painter.setPen(QColor(theme.TEXT))
        name = QRectF(area.left() + 14, area.top() + 12, area.width() - 120, theme.PILL_HEIGHT)
        painter.drawText(name, Qt.AlignmentFlag.AlignVCenter, view.name)
        if is_live:
            self._paint_badge(painter, area)
            if self._shows_statistics and view.statistics and not self._notice:
                self._paint_pill(painter, area, view.statistics, at=Qt.AlignmentFlag.AlignLeft)
        else:
            shape = "" if view.is_working else SHAPES.get(view.state, "camera")
            colour = theme.TONE_COLOURS[view.tone]
            self._paint_words(
                painter, area, view.state.value, view.detail, shape=shape, colour=colour
            )

    def _paint_words(
        self,
        painter: QPainter,
        area: QRectF,
        title: str,
        detail: str,
        *,
        shape: str,
        colour: str = theme.FAINT,
    ) -> None:
        """Write a headline and a sentence in the middle, under an icon or what turns."""
        middle = area.center()
        top = middle.y() - 52
        if self._image is not None:
            self._paint_ground(painter, area, detail, top - 18)
        if shape:
            ratio = self.devicePixelRatioF()
            drawn = icons.pixmap(shape, colour, size=ICON_PX, ratio=ratio)
            painter.drawPixmap(QPointF(middle.x() - ICON_PX / 2, top), drawn)
        else:
            self._paint_spinner(painter, QPointF(middle.x(), top + SPINNER_PX / 2), colour)
        painter.setFont(font(15, 600))
        painter.setPen(QColor(theme.TEXT))
        line = QRectF(area.left() + 20, top + 46, area.width() - 40, 22)
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, title)
        painter.setFont(font(theme.BASE_PX))
        painter.setPen(QColor(theme.MUTED))
        width = min(WORDS_WIDTH, area.width() - 40)
        text = QRectF(middle.x() - width / 2, top + 72, width, WORDS_HEIGHT)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        painter.drawText(text, int(flags) | int(Qt.TextFlag.TextWordWrap), detail)

    def _paint_ground(self, painter: QPainter, area: QRectF, detail: str, top: float) -> None:
        """Darken what lies under the words, so that they can be read on any picture."""
        painter.setFont(font(theme.BASE_PX))
        wide = painter.fontMetrics().horizontalAdvance(detail)
        lines = 1 + wide // WORDS_WIDTH
        width = min(max(wide, 160), WORDS_WIDTH, area.width() - 40) + 56
        ground = QRectF(0, top, width, 112 + 18 * lines if detail else 104)
        ground.moveCenter(QPointF(area.center().x(), ground.center().y()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(7, 9, 12, 150))
        painter.drawRoundedRect(ground, theme.TILE_RADIUS, theme.TILE_RADIUS)

    def _paint_spinner(self, painter: QPainter, centre: QPointF, colour: str) -> None:
        ring = QRectF(0, 0, SPINNER_PX, SPINNER_PX)
        ring.moveCenter(centre)
        painter.setPen(QPen(QColor(255, 255, 255, 46), 2.6))
        painter.drawEllipse(ring)
        pen = QPen(QColor(colour), 2.6)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.drawArc(ring, -self._turned * 16, 90 * 16)

    def _paint_badge(self, painter: QPainter, area: QRectF) -> None:
        """Say in the corner that this is now."""
        pill = QRectF(area.right() - 12 - 52, area.top() + 12, 52, theme.PILL_HEIGHT)
        _paint_capsule(painter, pill)
        painter.setBrush(QColor(theme.GOOD))
        painter.drawEllipse(QPointF(pill.left() + 12, pill.center().y()), 3, 3)
        painter.setFont(font(theme.SMALL_PX, 600))
        painter.setPen(QColor(theme.TEXT))
        painter.drawText(pill.adjusted(20, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, "LIVE")

    def _paint_pill(
        self, painter: QPainter, area: QRectF, text: str, *, at: Qt.AlignmentFlag
    ) -> None:
        """Write one line at the lower edge."""
        painter.setFont(font(theme.DETAIL_PX, 500))
        metrics = painter.fontMetrics()
        room = round(area.width()) - 24 - 24
        text = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
        width = metrics.horizontalAdvance(text) + 24
        pill = QRectF(0, area.bottom() - 12 - 26, width, 26)
        is_left = at == Qt.AlignmentFlag.AlignLeft
        pill.moveLeft(area.left() + 12 if is_left else area.center().x() - width / 2)
        _paint_capsule(painter, pill)
        painter.setPen(QColor(theme.TEXT))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_edge(self, painter: QPainter, area: QRectF) -> None:
        """Round the corners off, and draw a line around."""
        radius = theme.TILE_RADIUS
        outside = QPainterPath()
        outside.addRect(area)
        inside = QPainterPath()
        inside.addRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        painter.fillPath(outside.subtracted(inside), QColor(theme.BACKGROUND))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.LINE), 1))
        painter.drawPath(inside)


def _paint_capsule(painter: QPainter, place: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(7, 9, 12, 184))
    painter.drawRoundedRect(place, place.height() / 2, place.height() / 2)
