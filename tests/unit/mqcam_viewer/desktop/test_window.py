"""The window as a person uses it: keys, focus, names; the engine is a fake."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mqcam.protocol.messages import CaptureState, Status
from mqcam_viewer.desktop import theme
from mqcam_viewer.desktop.app import dress
from mqcam_viewer.desktop.events import BrokerChanged, CamerasChanged, Playing, SnapshotSaved
from mqcam_viewer.desktop.model import Model
from mqcam_viewer.desktop.slot import Slot
from mqcam_viewer.desktop.window import Window
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QToolButton
from support.pixels import RED_709, picture

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

NOON = datetime(2026, 3, 2, 12, 0).astimezone()


class Wishes:
    """Notes what is asked for."""

    def __init__(self) -> None:
        self.watched: list[frozenset[str]] = []
        self.snapshots: list[str] = []
        self.slots = {"front": Slot(), "door": Slot()}

    def watch(self, cameras: frozenset[str]) -> None:
        self.watched.append(cameras)

    def snapshot(self, camera: str, ending: str) -> None:
        self.snapshots.append(f"{camera}.{ending}")

    def slot(self, camera: str) -> Slot:
        return self.slots[camera]


@pytest.fixture
def wishes() -> Wishes:
    return Wishes()


@pytest.fixture
def model() -> Model:
    made = Model()
    made.apply(BrokerChanged(is_connected=True, address="mqtts://b:1", is_encrypted=True), NOON)
    capture = CaptureState(state="running", width=1280, height=720, fps_max=30.0)
    online = Status(n=1, state="online", boot="b", nonce="n", capture=capture)
    made.apply(CamerasChanged(cameras={"front": online, "door": online}), NOON)
    made.choose("front")
    made.apply(Playing(camera="front"), NOON)
    return made


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication, model: Model, wishes: Wishes) -> Window:
    dress(qapp)
    made = Window(model, wishes, now=lambda: NOON)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    made.sidebar.list.setFocus()
    return made


def show_red(window: Window, wishes: Wishes) -> None:
    wishes.slots["front"].put(picture(1280, 720, RED_709))
    window.show_picture("front")


def test_the_chosen_camera_is_watched_and_no_other(window: Window, wishes: Wishes) -> None:
    window.choose("door")
    window.refresh()

    assert wishes.watched == [frozenset({"front"}), frozenset({"door"})]


def test_the_newest_picture_is_on_the_screen(window: Window, wishes: Wishes) -> None:
    show_red(window, wishes)
    image = window.grab().toImage()
    middle = window.tile.mapTo(window, window.tile.rect().center())

    assert image.pixelColor(middle).red() > 240
    assert image.pixelColor(middle).green() < 15


def test_a_picture_of_a_camera_that_was_left_is_not_shown(window: Window, wishes: Wishes) -> None:
    window.choose("door")
    show_red(window, wishes)

    assert window.tile.shown == 0


def test_s_saves_what_is_live_and_its_name_is_told(
    window: Window, wishes: Wishes, qtbot: QtBot, model: Model
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_S)
    qtbot.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    qtbot.mouseClick(window.buttons["snapshot"], Qt.MouseButton.LeftButton)
    assert wishes.snapshots == ["front.jpg", "front.png", "front.jpg"]

    model.apply(SnapshotSaved(camera="front", path=Path("/pictures/front.jpg")), NOON)
    window.show_notice(model.notice)
    assert "front.jpg" in window.tile.notice


def test_without_a_picture_there_is_nothing_to_save(
    window: Window, wishes: Wishes, qtbot: QtBot
) -> None:
    window.choose("door")
    qtbot.keyClick(window, Qt.Key.Key_S)

    assert wishes.snapshots == []
    assert not window.buttons["snapshot"].isEnabled()


def test_letters_typed_into_the_filter_are_text(
    window: Window, wishes: Wishes, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_Slash)
    assert isinstance(window.focusWidget(), QLineEdit)
    qtbot.keyClicks(window.sidebar.filter, "ors")

    assert window.sidebar.filter.text() == "ors"
    assert wishes.snapshots == []
    assert window.sidebar.rows.views == []

    qtbot.keyClick(window.sidebar.filter, Qt.Key.Key_Escape)
    assert [view.name for view in window.sidebar.rows.views] == ["door", "front"]


def test_i_shows_and_hides_the_figures(window: Window, qtbot: QtBot) -> None:
    assert window.buttons["statistics"].isChecked()
    qtbot.keyClick(window, Qt.Key.Key_I)
    assert not window.buttons["statistics"].isChecked()


@pytest.mark.parametrize("key", [Qt.Key.Key_F, Qt.Key.Key_F11])
def test_f_gives_the_picture_the_whole_screen_and_escape_takes_it_back(
    window: Window, qtbot: QtBot, key: Qt.Key
) -> None:
    qtbot.keyClick(window, key)
    assert window.isFullScreen()
    assert not window.sidebar.isVisible()
    assert window.tile.size() == window.stage.size()

    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert window.sidebar.isVisible()


def test_a_double_click_gives_the_whole_screen(window: Window, qtbot: QtBot) -> None:
    qtbot.mouseDClick(window.tile, Qt.MouseButton.LeftButton)
    assert window.isFullScreen()


def test_figures_work_and_full_screen_ends_where_it_began(window: Window, qtbot: QtBot) -> None:
    size = window.size()
    qtbot.keyClick(window, Qt.Key.Key_F)
    qtbot.keyClick(window, Qt.Key.Key_F)
    qtbot.waitUntil(lambda: window.size() == size)


def test_every_control_has_a_name_and_takes_the_keyboard(window: Window) -> None:
    controls = [*window.findChildren(QToolButton), window.sidebar.filter, window.sidebar.list]
    ours = [each for each in controls if each.parent() != window.sidebar.filter]

    assert [each.metaObject().className() for each in ours if not each.accessibleName()] == []
    assert [each for each in ours if each.focusPolicy() == Qt.FocusPolicy.NoFocus] == []


def test_the_keyboard_begins_in_the_list_and_its_place_is_seen(
    window: Window, qtbot: QtBot
) -> None:
    assert window.focusWidget() is window.sidebar.list
    button = window.buttons["expand"]
    before = button.grab().toImage()
    button.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(button.hasFocus)

    assert button.grab().toImage() != before


def test_the_picture_is_as_big_as_its_shape_allows(window: Window, wishes: Wishes) -> None:
    show_red(window, wishes)
    tile, room = window.tile.size(), window.stage.size()

    assert tile.width() / tile.height() == pytest.approx(16 / 9, abs=0.02)
    assert tile.width() == room.width() - 2 * theme.MARGIN


def test_closing_is_told(window: Window, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.closed):
        window.close()
