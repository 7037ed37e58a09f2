from __future__ import annotations

from mqcam_viewer.desktop import display


def test_without_a_display_that_is_said_and_what_works_without() -> None:
    assert display.problem({}) == display.NO_DISPLAY
    assert "probe" in display.NO_DISPLAY


def test_a_library_that_is_not_there_is_noticed() -> None:
    assert not display.is_there("libnothing-of-that-name.so.9")
    assert display.is_there("libc.so.6")
