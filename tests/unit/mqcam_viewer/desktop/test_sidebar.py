from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam_viewer.desktop.app import dress
from mqcam_viewer.desktop.model import CameraView, State
from mqcam_viewer.desktop.sidebar import Rows, Sidebar
from PySide6.QtCore import Qt

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

FRONT = CameraView(name="front", state=State.LIVE, detail="720p30")
DOOR = CameraView(name="door", state=State.OFFLINE, detail="Last seen today at 14:02")


@pytest.fixture
def sidebar(qtbot: QtBot, qapp: QApplication) -> Sidebar:
    dress(qapp)
    made = Sidebar()
    qtbot.addWidget(made)
    made.resize(268, 500)
    with qtbot.waitExposed(made):
        made.show()
    made.show_cameras([FRONT, DOOR], "front", "1 online")
    return made


def test_each_row_is_read_out(sidebar: Sidebar) -> None:
    rows = sidebar.rows
    spoken = [rows.data(rows.index(at), Qt.ItemDataRole.AccessibleTextRole) for at in range(2)]

    assert spoken == ["front, Live, 720p30", "door, Offline, Last seen today at 14:02"]


def test_the_chosen_camera_is_marked_without_choosing_it_again(
    sidebar: Sidebar, qtbot: QtBot
) -> None:
    with qtbot.assertNotEmitted(sidebar.chosen):
        sidebar.show_cameras([FRONT, DOOR], "door", "")

    assert sidebar.list.currentIndex().row() == 1
    assert sidebar.list.selectionModel().isSelected(sidebar.rows.index(1))


def test_arrows_and_clicks_choose(sidebar: Sidebar, qtbot: QtBot) -> None:
    with qtbot.waitSignal(sidebar.chosen) as by_key:
        qtbot.keyClick(sidebar.list, Qt.Key.Key_Down)
    assert by_key.args == ["door"]

    place = sidebar.list.visualRect(sidebar.rows.index(0)).center()
    with qtbot.waitSignal(sidebar.chosen) as by_click:
        qtbot.mouseClick(
            sidebar.list.viewport(),
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
            place,
        )
    assert by_click.args == ["front"]


def test_a_changed_state_keeps_the_rows(qtbot: QtBot) -> None:
    rows = Rows()
    rows.show_views([FRONT, DOOR])
    with qtbot.assertNotEmitted(rows.modelReset), qtbot.waitSignal(rows.dataChanged) as changed:
        rows.show_views([FRONT, CameraView(name="door", state=State.ONLINE, detail="")])

    assert changed.args is not None
    assert changed.args[0].row() == 1


def test_presence_has_a_shape_and_not_only_a_colour(sidebar: Sidebar) -> None:
    """A disc for a camera that is there, a ring for one that is not."""
    image = sidebar.list.viewport().grab().toImage()
    centres = [image.pixelColor(24, 27), image.pixelColor(24, 54 + 27)]

    assert centres[0].green() > 150
    assert centres[1].lightness() < 60
