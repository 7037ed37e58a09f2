"""Turning is tried out on a picture of six letters."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources.picamera.turning import Turn, amend, split, to_sensor

if TYPE_CHECKING:
    from mqcam_device.media import Rotation

Picture = tuple[str, ...]

SENSOR: Picture = ("abc", "def")
ROTATIONS: tuple[Rotation, ...] = (0, 90, 180, 270)


def rotated(picture: Picture, degrees: int) -> Picture:
    """Turn a picture clockwise."""
    for _ in range(degrees // 90):
        picture = tuple("".join(column) for column in zip(*reversed(picture), strict=True))
    return picture


def mirrored(picture: Picture, *, hflip: bool, vflip: bool) -> Picture:
    rows = tuple(reversed(picture)) if vflip else picture
    return tuple(row[::-1] for row in rows) if hflip else rows


def shown(turn: Turn) -> Picture:
    """Return what a viewer shows of what the sensor makes."""
    return rotated(mirrored(SENSOR, hflip=turn.hflip, vflip=turn.vflip), turn.left)


def test_the_tools_of_this_test_turn_clockwise() -> None:
    assert rotated(SENSOR, 90) == ("da", "eb", "fc")


@pytest.mark.parametrize(
    ("rotation", "hflip", "vflip"), [*product(ROTATIONS, (False, True), (False, True))]
)
def test_the_picture_is_turned_upright_and_then_mirrored(
    rotation: Rotation, hflip: bool, vflip: bool
) -> None:
    turn = split(rotation, hflip=hflip, vflip=vflip)
    assert shown(turn) == mirrored(rotated(SENSOR, rotation), hflip=hflip, vflip=vflip)


def test_the_sensor_does_all_it_can() -> None:
    assert split(180, hflip=False, vflip=False) == Turn(hflip=True, vflip=True, left=0)
    assert split(180, hflip=True, vflip=False) == Turn(hflip=False, vflip=True, left=0)
    assert split(90, hflip=False, vflip=False) == Turn(hflip=False, vflip=False, left=90)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_half_turn_that_the_sensor_does_not_make_is_left_to_the_viewer(
    rotation: Rotation,
) -> None:
    wanted = split(rotation, hflip=rotation % 180 != 0, vflip=rotation % 180 != 0)
    turn, trouble = amend(wanted, hflip=not wanted.hflip, vflip=not wanted.vflip)
    assert trouble == ""
    assert shown(turn) == shown(wanted)


def test_a_mirror_image_that_the_sensor_does_not_make_is_said() -> None:
    wanted = split(0, hflip=True, vflip=False)
    turn, trouble = amend(wanted, hflip=False, vflip=False)
    assert turn.left == 0
    assert trouble == "this camera cannot mirror its picture"


def test_what_the_sensor_does_as_asked_is_no_trouble() -> None:
    wanted = split(180, hflip=False, vflip=False)
    assert amend(wanted, hflip=True, vflip=True) == (wanted, "")


@pytest.mark.parametrize("left", ROTATIONS)
@given(column=st.integers(0, 2), row=st.integers(0, 1))
def test_an_area_is_where_its_letter_is(left: Rotation, column: int, row: int) -> None:
    upright = rotated(SENSOR, left)
    letter = SENSOR[row][column]
    [(at_row, at_column)] = [
        (y, line.index(letter)) for y, line in enumerate(upright) if letter in line
    ]
    width, height = 1 / len(upright[0]), 1 / len(upright)
    area = to_sensor((at_column * width, at_row * height, width, height), left)
    assert area == pytest.approx((column / 3, row / 2, 1 / 3, 1 / 2))
