"""The window: a side, a bar above, a picture; keys and buttons become wishes.

It must not know the engine or the network: the model has the words, ``Wishes`` does the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mqcam_viewer.desktop import icons, theme
from mqcam_viewer.desktop.naming import named
from mqcam_viewer.desktop.sidebar import Sidebar
from mqcam_viewer.desktop.tile import Tile

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mqcam_viewer.desktop.model import CameraView, Model
    from mqcam_viewer.desktop.slot import Slot

NOTICE_MS = 5000
TITLE = "mqcam"


class Wishes(Protocol):
    """What a person may ask of whoever does the work."""

    def watch(self, cameras: frozenset[str]) -> None:
        """Watch these cameras and no others."""

    def snapshot(self, camera: str, ending: str) -> None:
        """Save the newest picture as ``jpg`` or ``png``."""

    def slot(self, camera: str) -> Slot:
        """Return where the newest picture is."""


class Stage(QWidget):
    """The place of the picture: as big as its shape allows."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("stage")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.tile = Tile(self)
        self._is_bare = False

    def show_bare(self, is_bare: bool) -> None:
        """Give the picture everything, as the whole screen wants it."""
        self._is_bare = is_bare
        self.tile.show_bare(is_bare)
        self.place()

    def place(self) -> None:
        """Put the picture where it belongs."""
        if self._is_bare:
            self.tile.setGeometry(self.rect())
            return
        room = self.rect().adjusted(theme.MARGIN, 2, -theme.MARGIN, -theme.MARGIN)
        width = min(room.width(), round(room.height() * self.tile.aspect))
        size = QSize(width, round(width / self.tile.aspect))
        place = QRect(QPoint(), size)
        place.moveCenter(room.center())
        if place != self.tile.geometry():
            self.tile.setGeometry(place)

    def resizeEvent(self, _event: QResizeEvent) -> None:  # noqa: N802
        """Follow the window."""
        self.place()


class Window(QMainWindow):
    """Show the model; ask for what the person wishes."""

    closed = Signal()

    def __init__(self, model: Model, wishes: Wishes, *, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._model = model
        self._wishes = wishes
        self._now = now
        self.setWindowTitle(TITLE)
        self.resize(1280, 640)
        self.setMinimumSize(640, 400)
        self.sidebar = Sidebar()
        self.sidebar.chosen.connect(self.choose)
        self.sidebar.filtered.connect(lambda _text: self.refresh())
        self.stage = Stage()
        self.stage.tile.double_clicked.connect(self.toggle_full_screen)
        self._title = named("title", QLabel())
        self._subtitle = named("subtitle", QLabel())
        self.buttons = self._make_buttons()
        self.toolbar = self._make_toolbar()
        self._arrange()
        self._make_shortcuts()
        self._notice_over = QTimer(self)
        self._notice_over.setSingleShot(True)
        self._notice_over.setInterval(NOTICE_MS)
        self._notice_over.timeout.connect(self._forget_notice)
        self._watched: str | None = None
        self.refresh()
        self.sidebar.list.setFocus()

    @property
    def tile(self) -> Tile:
        """Return the one picture."""
        return self.stage.tile

    def refresh(self) -> None:
        """Show what the model says now."""
        model, now = self._model, self._now()
        views = [model.view(name, now) for name in model.rows(self.sidebar.filter.text())]
        self.sidebar.show_cameras(views, model.chosen, model.census)
        broker = model.broker
        self.sidebar.show_broker(
            model.broker_line(),
            broker.trouble if broker else "",
            is_encrypted=broker is not None and broker.is_encrypted,
        )
        view = model.view(model.chosen, now) if model.chosen is not None else None
        self._show_chosen(view)
        if model.chosen != self._watched:
            self._watched = model.chosen
            self._wishes.watch(frozenset({model.chosen} if model.chosen else ()))

    def show_picture(self, camera: str) -> None:
        """Show the newest picture of a camera, if it is the chosen one."""
        if camera != self._model.chosen:
            return
        picture = self._wishes.slot(camera).take()
        if picture is not None:
            self.tile.show_picture(picture)
            self.stage.place()

    def show_notice(self, text: str) -> None:
        """Write something over the picture for a moment."""
        self._model.notice = text
        self._notice_over.start()
        self.refresh()

    # wishes

    def choose(self, name: str) -> None:
        """Show another camera."""
        self._model.choose(name)
        self.refresh()

    def save_jpeg(self) -> None:
        """Save the picture that is shown."""
        self._save("jpg")

    def save_png(self) -> None:
        """Save the picture that is shown without any loss."""
        self._save("png")

    def _save(self, ending: str) -> None:
        if self._model.chosen is not None and self._model.is_live:
            self._wishes.snapshot(self._model.chosen, ending)

    def toggle_statistics(self) -> None:
        """Show the figures, or hide them."""
        self.buttons["statistics"].toggle()

    def toggle_full_screen(self) -> None:
        """Give the picture the whole screen, or take it back."""
        self._set_full_screen(not self.isFullScreen())

    def leave_full_screen(self) -> None:
        """Come back from the whole screen; else empty the filter."""
        if self.isFullScreen():
            self._set_full_screen(False)
        else:
            self.sidebar.filter.clear()
            self.sidebar.list.setFocus()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Say that the person closed the window."""
        event.accept()
        self.closed.emit()

    def _set_full_screen(self, is_full: bool) -> None:
        self.sidebar.setVisible(not is_full)
        self.toolbar.setVisible(not is_full)
        self.stage.show_bare(is_full)
        if is_full:
            self.showFullScreen()
            self.stage.setFocus()
        else:
            self.showNormal()
            self.sidebar.list.setFocus()

    def _show_chosen(self, view: CameraView | None) -> None:
        title, detail = self._model.explanation()
        self._title.setText(view.name if view else TITLE)
        self._subtitle.setText(_subtitle(view) if view else title)
        self.setWindowTitle(f"{view.name} - {TITLE}" if view else TITLE)
        words = (title, detail)
        if self._model.failure:
            view = None
        self.tile.show_view(view, words, self._model.notice)
        self.buttons["snapshot"].setEnabled(self._model.is_live)

    def _forget_notice(self) -> None:
        self._model.notice = ""
        self.refresh()

    def _make_buttons(self) -> dict[str, QToolButton]:
        made = {}
        for shape, name, key, action in (
            ("snapshot", "Save a snapshot", "S", self.save_jpeg),
            ("statistics", "Show the figures", "I", None),
            ("expand", "Full screen", "F", self.toggle_full_screen),
        ):
            button = QToolButton()
            button.setIcon(icons.icon(shape))
            button.setIconSize(QSize(icons.SIZE, icons.SIZE))
            button.setAccessibleName(name)
            button.setToolTip(f"{name} ({key})")
            if action is not None:
                button.clicked.connect(action)
            made[shape] = button
        made["statistics"].setCheckable(True)
        made["statistics"].setChecked(True)
        made["statistics"].toggled.connect(self.stage.tile.show_statistics)
        return made

    def _make_toolbar(self) -> QFrame:
        toolbar = named("toolbar", QFrame())
        toolbar.setFixedHeight(theme.TOOLBAR_HEIGHT)
        words = QVBoxLayout()
        words.setContentsMargins(2, 10, 0, 10)
        words.setSpacing(1)
        words.addWidget(self._title)
        words.addWidget(self._subtitle)
        line = QHBoxLayout(toolbar)
        line.setContentsMargins(theme.MARGIN, 0, theme.MARGIN, 0)
        line.setSpacing(4)
        line.addLayout(words, 1)
        for button in self.buttons.values():
            line.addWidget(button)
        return toolbar

    def _arrange(self) -> None:
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.toolbar)
        right.addWidget(self.stage, 1)
        everything = QWidget()
        line = QHBoxLayout(everything)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(self.sidebar)
        line.addLayout(right, 1)
        self.setCentralWidget(everything)

    def _make_shortcuts(self) -> None:
        for keys, action in (
            (("S",), self.save_jpeg),
            (("Shift+S",), self.save_png),
            (("I",), self.toggle_statistics),
            (("F", "F11"), self.toggle_full_screen),
            (("Esc",), self.leave_full_screen),
            (("/", "Ctrl+F"), self.sidebar.filter.setFocus),
            (("Ctrl+Q", "Ctrl+W"), self.close),
        ):
            for key in keys:
                QShortcut(QKeySequence(key), self).activated.connect(action)


def _subtitle(view: CameraView) -> str:
    if view.statistics:
        return view.detail
    return view.state.value + (f": {view.detail}" if view.detail else "")
