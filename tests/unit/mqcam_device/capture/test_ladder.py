from __future__ import annotations

from mqcam_device.capture.ladder import Ladder
from mqcam_device.capture.timings import CaptureTimings

TIMINGS = CaptureTimings()


def play(ladder: Ladder, begin: float, duration_s: float) -> float:
    """Let pictures come at 30 per second; returns the end."""
    for count in range(int(duration_s * 30) + 2):
        ladder.note_unit(begin + count / 30)
    return begin + duration_s


def test_children_that_keep_ending_are_replaced_more_and_more_seldom() -> None:
    ladder = Ladder(TIMINGS)
    pauses = [ladder.pause_s(float(at)) for at in range(8)]
    assert pauses == [0.0, 1.0, 2.0, 5.0, 10.0, 60.0, 60.0, 60.0]


def test_a_camera_that_says_why_it_cannot_run_is_tried_soon_and_then_each_ten_seconds() -> None:
    ladder = Ladder(TIMINGS)
    pauses = [ladder.pause_s(float(at), is_source_error=True) for at in range(6)]
    assert pauses == [1.0, 2.0, 5.0, 10.0, 10.0, 10.0]
    assert not ladder.is_failed


def test_the_third_end_in_a_row_is_a_failure() -> None:
    ladder = Ladder(TIMINGS)
    told = []
    for at in range(3):
        ladder.pause_s(float(at))
        told.append(ladder.is_failed)
    assert told == [False, False, True]


def test_pictures_forgive_and_the_mere_life_of_a_child_does_not() -> None:
    ladder = Ladder(TIMINGS)
    ladder.pause_s(0.0)
    assert ladder.pause_s(300.0) == 1.0
    end = play(ladder, 300.0, 1.0)
    assert ladder.pause_s(end) == 2.0
    end = play(ladder, end, TIMINGS.healthy_s)
    assert ladder.pause_s(end) == 0.0


def test_the_gap_between_two_viewers_counts_little() -> None:
    ladder = Ladder(TIMINGS)
    ladder.pause_s(0.0)
    ladder.note_unit(10.0)
    ladder.note_unit(400.0)
    assert ladder.pause_s(400.1) == 1.0


def test_long_ago_is_forgotten_without_a_viewer_too() -> None:
    ladder = Ladder(TIMINGS)
    for at in range(5):
        ladder.pause_s(float(at))
    assert ladder.pause_s(5.0 + TIMINGS.calm_s) == 0.0


def test_a_camera_is_reopened_first_and_then_its_child_replaced() -> None:
    ladder = Ladder(TIMINGS)
    assert ladder.takes_reopening(0.0)
    assert not ladder.takes_reopening(3.0)
    assert ladder.pause_s(3.0) == 0.0
    assert not ladder.takes_reopening(6.0)


def test_a_camera_that_was_cured_is_reopened_again() -> None:
    ladder = Ladder(TIMINGS)
    assert ladder.takes_reopening(0.0)
    end = play(ladder, 1.0, TIMINGS.healthy_s)
    assert ladder.takes_reopening(end)


def test_a_camera_that_must_be_cured_again_and_again_gets_a_new_process() -> None:
    ladder, now, cures = Ladder(TIMINGS), 0.0, 0
    while ladder.takes_reopening(now):
        cures += 1
        now = play(ladder, now, TIMINGS.healthy_s)
    assert cures == TIMINGS.reopens
    assert ladder.pause_s(now) == 0.0
    now = play(ladder, now, TIMINGS.healthy_s)
    assert ladder.takes_reopening(now)
