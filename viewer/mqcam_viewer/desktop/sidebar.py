"""The cameras at the side: who is there, how each one stands, which one is chosen.

It must not decide anything: it shows views and says what the person chose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QIcon, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from mqcam_viewer.desktop import icons, theme
from mqcam_viewer.desktop.fonts import font
from mqcam_viewer.desktop.model import CameraView, State, Tone
from mqcam_viewer.desktop.naming import named

if TYPE_CHECKING:
    from collections.abc import Sequence

VIEW_ROLE = Qt.ItemDataRole.UserRole


class Rows(QAbstractListModel):
    """The rows of the list, as Qt asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self.views: list[CameraView] = []

    def show_views(self, views: Sequence[CameraView]) -> None:
        """Show these cameras; rows are kept where the names stay the same."""
        if [one.name for one in views] == [one.name for one in self.views]:
            changed = [at for at, view in enumerate(views) if view != self.views[at]]
            self.views = list(views)
            for at in changed:
                self.dataChanged.emit(self.index(at), self.index(at))
        else:
            self.beginResetModel()
            self.views = list(views)
            self.endResetModel()

    def row_of(self, name: str | None) -> int | None:
        """Return where a camera is, None if it is not shown."""
        return next((at for at, view in enumerate(self.views) if view.name == name), None)

    def rowCount(  # noqa: N802
        self, _parent: QModelIndex | QPersistentModelIndex | None = None
    ) -> int:
        """Return how many cameras are shown."""
        return len(self.views)

    def data(
        self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what a row shows and what a screen reader says of it."""
        view = self.views[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return view.name
            case Qt.ItemDataRole.AccessibleTextRole:
                return view.accessible
            case Qt.ItemDataRole.ToolTipRole:
                return view.summary
            case Qt.ItemDataRole.UserRole:
                return view
            case _:
                return None


class RowPainter(QStyledItemDelegate):
    """Paint one camera: a mark, its name, how it stands."""

    def sizeHint(  # noqa: N802
        self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """Return the size of each row."""
        return QSize(theme.SIDEBAR_WIDTH, theme.ROW_HEIGHT)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Paint a row; the chosen one is raised, with a ring when the keyboard is there."""
        view: CameraView = index.data(VIEW_ROLE)
        place, state = QRectF(option.rect), option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        card = place.adjusted(8.5, 2.5, -8.5, -2.5)
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        if is_chosen or state & QStyle.StateFlag.State_MouseOver:
            has_focus = bool(state & QStyle.StateFlag.State_HasFocus)
            edge = theme.ACCENT if has_focus else theme.LINE
            painter.setPen(QPen(QColor(edge), 1) if is_chosen else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.SELECTED if is_chosen else theme.HOVER))
            painter.drawRoundedRect(card, theme.CONTROL_RADIUS, theme.CONTROL_RADIUS)
        _paint_mark(painter, QPointF(place.left() + 24, place.center().y()), view)
        is_away = view.state is State.OFFLINE
        _paint_line(
            painter,
            QRectF(place.left() + 42, place.top() + 7, place.width() - 64, 20),
            view.name,
            theme.MUTED if is_away else theme.TEXT,
            pixels=14,
            weight=500 if is_away else 600,
        )
        is_trouble = view.tone in {Tone.WARNING, Tone.BAD}
        _paint_line(
            painter,
            QRectF(place.left() + 42, place.top() + 27, place.width() - 64, 18),
            view.summary,
            theme.TONE_COLOURS[view.tone] if is_trouble else theme.MUTED,
            pixels=theme.DETAIL_PX,
            weight=400,
        )
        painter.restore()


def _paint_mark(painter: QPainter, centre: QPointF, view: CameraView) -> None:
    """Paint presence: a disc, or where the camera is away a ring, so that colour is not all."""
    colour = QColor(theme.TONE_COLOURS[view.tone])
    if view.state is State.OFFLINE:
        painter.setPen(QPen(colour, 1.7))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, 3.8, 3.8)
        return
    painter.setPen(Qt.PenStyle.NoPen)
    halo = QColor(colour)
    halo.setAlpha(60)
    painter.setBrush(halo)
    painter.drawEllipse(centre, 7, 7)
    painter.setBrush(colour)
    painter.drawEllipse(centre, 4, 4)


def _paint_line(
    painter: QPainter, place: QRectF, text: str, colour: str, *, pixels: int, weight: int
) -> None:
    painter.setFont(font(pixels, weight))
    painter.setPen(QColor(colour))
    room = round(place.width())
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
    painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, shown)


class Sidebar(QFrame):
    """Headline, filter, list of cameras, and how the way to the broker stands."""

    chosen = Signal(str)
    filtered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setFixedWidth(theme.SIDEBAR_WIDTH)
        self.rows = Rows()
        self.filter = self._make_filter()
        self.list = self._make_list()
        self._census = named("census", QLabel())
        self._broker = named("broker", QLabel())
        self._broker.setWordWrap(True)
        self._lock = QLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._headline())
        padded = QVBoxLayout()
        padded.setContentsMargins(14, 0, 14, 10)
        padded.setSpacing(14)
        padded.addWidget(self.filter)
        padded.addWidget(self._census)
        layout.addLayout(padded)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._footer())

    def show_cameras(self, views: Sequence[CameraView], chosen: str | None, census: str) -> None:
        """Show the cameras and mark the chosen one."""
        self.rows.show_views(views)
        self._census.setText(census.upper())
        row = self.rows.row_of(chosen)
        current = self.list.currentIndex().row()
        if row is None:
            self.list.selectionModel().clearSelection()
        elif row != current or not self.list.selectionModel().hasSelection():
            flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
            blocked = self.list.selectionModel().blockSignals(True)
            self.list.selectionModel().setCurrentIndex(self.rows.index(row), flag)
            self.list.selectionModel().blockSignals(blocked)
            self.list.viewport().update()

    def show_broker(self, text: str, detail: str, *, is_encrypted: bool) -> None:
        """Show how the way to the broker stands."""
        self._broker.setText(text)
        self._broker.setToolTip(detail)
        shape, colour = ("lock", theme.GOOD) if is_encrypted else ("open", theme.WARNING)
        ratio = self.devicePixelRatioF()
        self._lock.setPixmap(icons.pixmap(shape, colour, size=16, ratio=ratio))

    def _make_filter(self) -> QLineEdit:
        field = QLineEdit()
        field.setPlaceholderText("Filter cameras")
        field.setAccessibleName("Filter cameras by name")
        field.setClearButtonEnabled(True)
        field.addAction(
            QIcon(icons.pixmap("search", theme.FAINT, size=16, ratio=2)),
            QLineEdit.ActionPosition.LeadingPosition,
        )
        field.textChanged.connect(self.filtered)
        return field

    def _make_list(self) -> QListView:
        made = QListView()
        made.setAccessibleName("Cameras")
        made.setModel(self.rows)
        made.setItemDelegate(RowPainter(made))
        made.setUniformItemSizes(True)
        made.setMouseTracking(True)
        made.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        made.selectionModel().currentChanged.connect(self._moved)
        return made

    def _moved(self, current: QModelIndex, _before: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(self.rows.views[current.row()].name)

    def _headline(self) -> QHBoxLayout:
        mark = QLabel()
        mark.setPixmap(
            icons.pixmap("camera", theme.ACCENT, size=22, ratio=self.devicePixelRatioF())
        )
        line = QHBoxLayout()
        line.setContentsMargins(20, 20, 14, 18)
        line.setSpacing(10)
        line.addWidget(mark)
        line.addWidget(named("brand", QLabel("Cameras")), 1)
        return line

    def _footer(self) -> QWidget:
        footer = named("footer", QFrame())
        footer.setMinimumHeight(theme.FOOTER_HEIGHT)
        line = QHBoxLayout(footer)
        line.setContentsMargins(20, 8, 14, 8)
        line.setSpacing(10)
        line.addWidget(self._lock)
        line.addWidget(self._broker, 1)
        return footer
