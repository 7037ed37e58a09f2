"""The picture, painted: pixels of real frames, words, and what PySide does to Python."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
from mqcam_viewer.desktop.model import CameraView, State
from mqcam_viewer.desktop.tile import Tile
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter
from support.films import grey_picture
from support.pixels import RED_709, askew, picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

LIVE = CameraView(name="front", state=State.LIVE, detail="", statistics="720p30")
LOST = CameraView(name="front", state=State.RECONNECTING, detail="Nothing was heard")


@pytest.fixture
def tile(qtbot: QtBot) -> Tile:
    made = Tile()
    qtbot.addWidget(made)
    made.resize(640, 360)
    made.show_view(LIVE, ("", ""), "")
    with qtbot.waitExposed(made):
        made.show()
    return made


def colour_at(tile: Tile, x: float, y: float) -> QColor:
    """Return the colour at a place of the tile, in shares of its width and height."""
    image = tile.grab().toImage()
    return image.pixelColor(int(x * (image.width() - 1)), int(y * (image.height() - 1)))


def red_picture(decoded_at: float = 0.0) -> object:
    return picture(1280, 720, RED_709, decoded_at)


def test_a_decoded_picture_reaches_the_screen_in_its_colours(tile: Tile) -> None:
    tile.show_picture(picture(1280, 720, RED_709))

    middle = colour_at(tile, 0.5, 0.5)
    assert (middle.red(), middle.green(), middle.blue()) == pytest.approx((255, 0, 0), abs=3)


def test_a_picture_of_another_shape_is_not_bent(tile: Tile) -> None:
    tile.show_picture(picture(480, 640, RED_709))

    assert colour_at(tile, 0.5, 0.5).red() > 200
    assert colour_at(tile, 0.1, 0.5).red() < 20


@pytest.mark.parametrize(
    ("rotation", "dark", "aspect"),
    [(0, 0, 4 / 3), (90, 1, 3 / 4), (180, 3, 4 / 3), (270, 2, 3 / 4)],
)
def test_a_picture_that_was_taken_askew_is_shown_upright(
    tile: Tile, rotation: int, dark: int, aspect: float
) -> None:
    """Its darker quarter was the upper left one; what it does not fill stays empty."""
    tile.show_picture(askew(grey_picture(640, 480, 200), rotation))
    wide = 360 * aspect / 640
    middles = [((1 + x * wide) / 2, 0.5 + y) for y in (-0.2, 0.2) for x in (-0.5, 0.5)]

    assert tile.aspect == pytest.approx(aspect)
    assert [colour_at(tile, *place).lightness() < 60 for place in middles] == [
        at == dark for at in range(4)
    ]
    assert colour_at(tile, (1 - wide) / 2 - 0.02, 0.7).lightness() < 30
    assert colour_at(tile, (1 + wide) / 2 + 0.02, 0.7).lightness() < 30


def test_the_last_picture_is_dimmed_while_none_comes(tile: Tile) -> None:
    tile.show_picture(picture(1280, 720, RED_709))
    tile.show_view(LOST, ("", ""), "")

    assert 50 < colour_at(tile, 0.2, 0.5).red() < 120


def test_words_are_written_over_the_picture(tile: Tile) -> None:
    tile.show_view(LOST, ("", ""), "")
    image = tile.grab().toImage()
    bright = sum(
        image.pixelColor(x, y).lightness() > 150
        for x in range(200, 440, 2)
        for y in range(160, 260, 2)
    )

    assert bright > 60


def test_the_picture_of_one_camera_is_not_shown_for_another(tile: Tile) -> None:
    tile.show_picture(picture(1280, 720, RED_709))
    tile.show_view(CameraView(name="door", state=State.CONNECTING, detail=""), ("", ""), "")

    assert colour_at(tile, 0.2, 0.5).red() < 30


def test_the_delay_of_each_picture_is_counted_once(tile: Tile, qtbot: QtBot) -> None:
    for expected in (1, 2):
        tile.show_picture(picture(1280, 720, RED_709, decoded_at=time.monotonic()))
        qtbot.waitUntil(lambda count=expected: tile.shown == count)  # type: ignore[misc]
        tile.repaint()

    assert tile.shown == 2
    assert all(0 < delay < 1000 for delay in tile.delays_ms)


def test_something_turns_only_while_a_state_ends_by_itself(tile: Tile) -> None:
    tile.show_view(LOST, ("", ""), "")
    assert tile.is_turning

    tile.show_view(CameraView(name="front", state=State.OFFLINE, detail=""), ("", ""), "")
    assert not tile.is_turning


def test_a_screen_reader_hears_how_the_camera_stands(tile: Tile) -> None:
    tile.show_view(LOST, ("", ""), "")
    assert tile.accessibleName() == "front, Reconnecting, Nothing was heard"


def test_a_double_click_asks_for_the_whole_screen(tile: Tile, qtbot: QtBot) -> None:
    with qtbot.waitSignal(tile.double_clicked, timeout=1000):
        qtbot.mouseDClick(tile, Qt.MouseButton.LeftButton)


def test_painting_loses_no_reference_to_none(tile: Tile) -> None:
    """PySide 6.12 drops one with each call on Python before 3.12, and the process aborts soon."""
    image = QImage(64, 64, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    calls: list[Callable[[], object]] = [
        lambda: painter.setPen(Qt.PenStyle.NoPen),
        lambda: painter.drawRect(0, 0, 4, 4),
        lambda: painter.setBrush(QColor(1, 2, 3)),
        lambda: tile.setObjectName("x"),
    ]
    before = sys.getrefcount(None)
    for call in calls:
        for _ in range(500):
            call()
    lost = before - sys.getrefcount(None)
    painter.end()

    assert abs(lost) < 100
