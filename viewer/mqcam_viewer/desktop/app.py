"""Wire the window: model, engine and screen, from start to a clean end.

It must not hold logic of its own: the model decides what is said, the engine what is done.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QStandardPaths, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication

from mqcam_viewer.desktop import fonts, interrupts, theme
from mqcam_viewer.desktop.age import age_s
from mqcam_viewer.desktop.engine import Engine
from mqcam_viewer.desktop.events import (
    Event,
    IdentityChanged,
    PictureReady,
    SnapshotFailed,
    SnapshotSaved,
)
from mqcam_viewer.desktop.memory import load, store
from mqcam_viewer.desktop.model import Model
from mqcam_viewer.desktop.window import Window
from mqcam_viewer.statistics import Percentiles, percentiles

if TYPE_CHECKING:
    from mqcam.credentials import Credentials
    from mqcam.ice import IceSettings

    from mqcam_viewer.desktop.slot import Slot

logger = logging.getLogger(__name__)

PROGRAM = "mqcam-viewer"
PAINT_AT_ONCE = ("QT_QPA_UPDATE_IDLE_TIME", "0")
"""Qt lets 5 ms pass between the wish to paint and painting; a picture has no time for that."""

REFRESH_MS = 1000
STOP_TIMEOUT_S = 5.0
SNAPSHOTS = "mqcam"
"""The folder for snapshots, inside that of the person's pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was shown until the window closed; ``draw_ms`` is from decoded to on the screen."""

    camera: str | None
    pictures: int
    draw_ms: Percentiles | None
    window_ms: float | None
    """From the start of the program to its window on the screen."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values for ``json.dumps``."""
        return asdict(self)


class Bridge(QObject):
    """Carries events from the engine's thread to Qt's."""

    told = Signal(object)


class App:
    """One window and its engine."""

    def __init__(
        self, credentials: Credentials, *, ice: IceSettings, pictures: Path, memory: Path
    ) -> None:
        self._memory = memory
        self._model = Model()
        self._model.remember(load(memory))
        self._pictures = pictures
        self._bridge = Bridge()
        self._bridge.told.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._engine = Engine(credentials, ice=ice, tell=self._bridge.told.emit)
        self.window = Window(self._model, self, now=local_now)
        self._refreshing = QTimer()
        self._refreshing.setInterval(REFRESH_MS)
        self._refreshing.timeout.connect(self.window.refresh)

    def start(self) -> None:
        """Open the window, then begin to work."""
        self.window.show()
        self._engine.start()
        self._refreshing.start()

    def stop(self) -> None:
        """End the work; bounded."""
        self._refreshing.stop()
        self._bridge.told.disconnect(self._take)
        if not self._engine.stop(STOP_TIMEOUT_S):
            logger.error("the engine did not end in time")
        store(self._memory, self._model.memory)

    def watched(self) -> Watched:
        """Return what was shown so far."""
        painted_at, lived_s = self.window.tile.first_painted_at, age_s()
        window_ms = None
        if painted_at is not None and lived_s is not None:
            window_ms = round((lived_s - (time.monotonic() - painted_at)) * 1000)
        return Watched(
            camera=self._model.chosen,
            pictures=self.window.tile.shown,
            draw_ms=percentiles(list(self.window.tile.delays_ms)),
            window_ms=window_ms,
        )

    # what the person wishes (window.Wishes)

    def watch(self, cameras: frozenset[str]) -> None:
        """Watch these cameras and no others."""
        self._engine.watch(cameras)

    def snapshot(self, camera: str, ending: str) -> None:
        """Save the newest picture."""
        self._engine.snapshot(camera, self._pictures, ending)

    def slot(self, camera: str) -> Slot:
        """Return where the newest picture is."""
        return self._engine.slot(camera)

    def _take(self, event: Event) -> None:
        if isinstance(event, PictureReady):
            self.window.show_picture(event.camera)
            return
        self._model.apply(event, local_now())
        if isinstance(event, SnapshotSaved | SnapshotFailed | IdentityChanged):
            self.window.show_notice(self._model.notice)
        else:
            self.window.refresh()


def local_now() -> datetime:
    """Return the time of day where the person is."""
    return datetime.now().astimezone()


def pictures_folder() -> Path:
    """Return where snapshots go: a folder of ours among this person's pictures."""
    place = QStandardPaths.StandardLocation.PicturesLocation
    return Path(QStandardPaths.writableLocation(place)) / SNAPSHOTS


def memory_file(credentials: Credentials) -> Path:
    """Return where the window of an account remembers: cameras of two brokers may share a name."""
    place = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.StateLocation)
    return Path(place) / f"window-{credentials.namespace}-{credentials.name}.json"


def dress(app: QApplication) -> None:
    """Give the program its looks."""
    app.setApplicationName(PROGRAM)
    app.setStyle("Fusion")
    app.setFont(fonts.font())
    app.setStyleSheet(theme.STYLE_SHEET)


def run(
    credentials: Credentials, *, ice: IceSettings, seconds: float | None, pictures: Path | None
) -> Watched:
    """Show the window until it is closed, or for so many seconds; return what was shown."""
    os.environ.setdefault(*PAINT_AT_ONCE)
    qt = QApplication([PROGRAM])
    dress(qt)
    app = App(
        credentials,
        ice=ice,
        pictures=pictures or pictures_folder(),
        memory=memory_file(credentials),
    )
    app.window.closed.connect(qt.quit)
    ending = QTimer()
    ending.setSingleShot(True)
    ending.timeout.connect(app.window.close)
    with interrupts.heard(app.window.close):
        app.start()
        if seconds is not None:
            ending.start(round(seconds * 1000))
        qt.exec()
        app.stop()
    return app.watched()
