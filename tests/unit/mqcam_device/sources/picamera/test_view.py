from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources.picamera.view import crop

FULL = (0, 0, 4608, 2592)
LEAST = (64, 64)


def test_all_of_it_is_the_full_view() -> None:
    assert crop((0.0, 0.0, 1.0, 1.0), FULL, LEAST) == FULL


def test_a_quarter_is_cut_out_where_it_is() -> None:
    assert crop((0.5, 0.5, 0.5, 0.5), FULL, LEAST) == (2304, 1296, 2304, 1296)


def test_a_view_that_begins_elsewhere_moves_what_is_shown() -> None:
    assert crop((0.0, 0.0, 0.5, 0.5), (100, 200, 1000, 500), LEAST) == (100, 200, 500, 250)


def test_a_narrow_area_is_widened_about_its_centre_within_the_view() -> None:
    assert crop((0.4, 0.0, 0.2, 1.0), FULL, LEAST) == FULL
    assert crop((0.45, 0.25, 0.1, 0.5), FULL, LEAST) == (1152, 648, 2304, 1296)
    assert crop((0.0, 0.25, 0.1, 0.5), FULL, LEAST) == (0, 648, 2304, 1296)


def test_nothing_smaller_is_cut_out_than_the_camera_can_show() -> None:
    _, _, width, height = crop((0.5, 0.5, 0.001, 0.001), FULL, LEAST)
    assert width >= 64
    assert height >= 64


@given(st.data())
def test_what_is_shown_has_the_views_shape_and_contains_the_area(data: st.DataObject) -> None:
    left, top = data.draw(st.floats(0, 0.9)), data.draw(st.floats(0, 0.9))
    width = data.draw(st.floats(0.05, 1 - left))
    height = data.draw(st.floats(0.05, 1 - top))
    x, y, found_width, found_height = crop((left, top, width, height), FULL, LEAST)
    assert found_width / found_height == pytest.approx(4608 / 2592, rel=0.02)
    assert x >= 0
    assert y >= 0
    assert x <= left * 4608 + 2
    assert y <= top * 2592 + 2
    assert x + found_width >= (left + width) * 4608 - 4
    assert y + found_height >= (top + height) * 2592 - 4
    assert x + found_width <= 4608 + 2
    assert y + found_height <= 2592 + 2
