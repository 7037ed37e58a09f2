from __future__ import annotations

from datetime import datetime

import pytest
from mqcam_viewer.desktop import words

NOW = datetime(2026, 3, 2, 9, 30).astimezone()


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        ((2026, 3, 2, 8, 5), "Last seen today at 08:05"),
        ((2026, 3, 1, 23, 59), "Last seen yesterday at 23:59"),
        ((2026, 2, 27, 7, 0), "Last seen on 27 February at 07:00"),
        ((2025, 12, 31, 7, 0), "Last seen on 31 December 2025 at 07:00"),
    ],
)
def test_a_time_is_said_as_a_person_would(seen: tuple[int, ...], text: str) -> None:
    year, month, day, hour, minute = seen
    then = datetime(year, month, day, hour, minute).astimezone()
    assert words.last_seen(then, NOW) == text


def test_what_was_never_seen_has_no_time() -> None:
    assert words.last_seen(None, NOW) == ""


def test_a_rate_has_the_unit_that_suits_it() -> None:
    assert [words.rate(each) for each in (2_140_000, 640_000)] == ["2.1 Mb/s", "640 kb/s"]


@pytest.mark.parametrize(
    ("size", "fps", "text"),
    [
        ((1280, 720), 30, "720p30"),
        ((1280, 720), 29.97, "720p30"),
        ((720, 1280), 30, "720p30"),
        ((1920, 1080), None, "1080p"),
        ((None, None), 30, ""),
        ((0, 0), 1, ""),
    ],
)
def test_a_mode_is_the_shorter_side_and_the_rate(
    size: tuple[int | None, int | None], fps: float | None, text: str
) -> None:
    assert words.video_mode(*size, fps) == text


def test_a_line_leaves_out_what_is_not_known() -> None:
    assert words.line("720p30", "", "38 ms") == "720p30  ·  38 ms"


def test_a_sentence_begins_with_a_capital() -> None:
    assert words.sentence("the camera is busy") == "The camera is busy"
    assert words.sentence("") == ""
