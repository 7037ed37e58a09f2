from __future__ import annotations

from dataclasses import replace

import pytest
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.capture.watchdog import Step, Verdict, Watchdog
from mqcam_device.media import LOW, MAIN, LayerInfo, StreamInfo

INFO = StreamInfo(
    width=1280,
    height=720,
    fps_min=30.0,
    fps_max=30.0,
    profile_level_id="42c01f",
    can_force_keyframe=True,
    bitrate_range_bps=None,
    encoder="test",
)
SMALL = LayerInfo(
    name=LOW, width=640, height=360, fps_min=15.0, fps_max=15.0, bitrate_range_bps=None
)
LAYERED = replace(INFO, smaller=(SMALL,))
TIMINGS = CaptureTimings(ping_every_s=1000.0)
START = 100.0


def started(info: StreamInfo = INFO, timings: CaptureTimings = TIMINGS, *names: str) -> Watchdog:
    """Return a watchdog whose layers (MAIN unless named) gave a picture at ``START``."""
    dog = Watchdog(timings=timings, began_at=START - 1)
    names = names or (MAIN,)
    dog.begin(names)
    dog.note_running(info, START)
    for name in names:
        dog.note_unit(name, START)
    return dog


def test_nothing_is_wrong_while_pictures_come() -> None:
    dog = started()
    for count in range(1, 300):
        now = START + count / 30
        assert dog.check(now) is None
        dog.note_unit(MAIN, now)


def test_a_silent_camera_is_to_be_reopened_after_a_second() -> None:
    dog = started()
    assert dog.due_at() == START + 1.0
    assert dog.check(START + 0.99) is None
    assert dog.check(START + 1.0) == Verdict(step=Step.REOPEN, why="no picture for 1 s")


@pytest.mark.parametrize(("fps_min", "limit_s"), [(5.0, 1.0), (2.0, 2.0), (0.5, 8.0), (0.0, 40.0)])
def test_a_night_exposure_is_no_stall(fps_min: float, limit_s: float) -> None:
    dog = started(replace(INFO, fps_min=fps_min))
    assert dog.due_at() == pytest.approx(START + limit_s)
    assert dog.check(START + limit_s - 0.01) is None


def test_a_child_that_does_not_start_is_to_be_replaced() -> None:
    dog = Watchdog(timings=TIMINGS, began_at=START)
    dog.begin((MAIN,))
    assert dog.check(START + 19.9) is None
    verdict = dog.check(START + 20.0)
    assert verdict is not None
    assert (verdict.step, "did not start" in verdict.why) == (Step.REPLACE, True)


def test_nobody_who_looks_means_no_stall() -> None:
    dog = started()
    dog.set_active(MAIN, False, START + 0.5)
    assert dog.check(START + 500) is None


def test_a_layer_that_was_woken_has_longer_for_its_first_picture() -> None:
    dog = started()
    dog.set_active(MAIN, False, START + 0.1)
    dog.set_active(MAIN, True, START + 100)
    assert dog.check(START + 102.9) is None
    verdict = dog.check(START + 103.0)
    assert verdict is not None
    assert verdict.step is Step.REOPEN


def test_a_layer_that_is_woken_twice_gains_no_time() -> None:
    dog = started()
    dog.set_active(MAIN, True, START + 0.9)
    assert dog.check(START + 1.0) is not None


def test_who_must_wait_for_a_keyframe_has_longest() -> None:
    dog = started(replace(INFO, can_force_keyframe=False))
    dog.set_active(MAIN, False, START)
    dog.set_active(MAIN, True, START)
    assert dog.due_at() == START + 15.0


def test_a_reopened_camera_must_be_open_soon() -> None:
    dog = started()
    dog.note_reopen(START + 1)
    assert dog.check(START + 2.9) is None
    verdict = dog.check(START + 3.0)
    assert verdict == Verdict(step=Step.REPLACE, why="the camera did not come back within 2 s")


@pytest.mark.parametrize(
    ("fps_min", "opened_s", "limit_s"), [(30.0, 0.2, 1.7), (30.0, 1.9, 3.0), (2.0, 0.2, 2.2)]
)
def test_a_reopened_camera_that_only_says_that_it_runs_has_not_come_back(
    fps_min: float, opened_s: float, limit_s: float
) -> None:
    info = replace(INFO, fps_min=fps_min)
    dog = started(info)
    dog.note_reopen(START + 1)
    dog.note_running(info, START + 1 + opened_s)
    assert dog.due_at() == pytest.approx(START + 1 + limit_s)
    verdict = dog.check(START + 1 + limit_s + 0.001)
    assert verdict is not None
    assert (verdict.step, "did not come back" in verdict.why) == (Step.REPLACE, True)


def test_a_reopened_camera_is_watched_as_before() -> None:
    dog = started()
    dog.note_reopen(START + 1)
    dog.note_running(INFO, START + 1.2)
    dog.note_unit(MAIN, START + 1.3)
    assert dog.check(START + 2.2) is None
    verdict = dog.check(START + 2.3)
    assert verdict is not None
    assert verdict.step is Step.REOPEN


def test_a_camera_that_nobody_needs_any_more_need_not_come_back() -> None:
    dog = started()
    dog.note_reopen(START + 1)
    dog.set_active(MAIN, False, START + 1.1)
    dog.note_running(INFO, START + 1.5)
    assert dog.check(START + 500) is None


def test_a_source_that_says_that_it_stalled_is_left_at_work_for_a_while() -> None:
    dog = started()
    dog.note_excuse(START + 0.5)
    assert dog.due_at() == START + 15.5
    verdict = dog.check(START + 15.5)
    assert verdict == Verdict(step=Step.REOPEN, why="no picture for 15 s")
    dog.note_reopen(START + 15.5)
    dog.note_running(INFO, START + 17)
    assert dog.due_at() == START + 25.5


def test_a_source_whose_pictures_go_on_needs_no_excuse() -> None:
    dog = started()
    dog.note_excuse(START)
    dog.note_unit(MAIN, START + 0.1)  # was on its way
    assert dog.due_at() == START + 15.0
    dog.note_unit(MAIN, START + 1.1)
    assert dog.due_at() == START + 2.1


def test_a_child_that_gives_no_sign_of_life_is_to_be_replaced() -> None:
    dog = started(INFO, CaptureTimings())
    dog.set_active(MAIN, False, START)
    at = START - 1 + 10.0
    assert dog.check(at - 0.1) is None
    assert dog.check(at) == Verdict(step=Step.PING)
    dog.note_ping(at)
    assert dog.check(at + 2.9) is None  # it may have been swapped out
    verdict = dog.check(at + 3.0)
    assert verdict is not None
    assert (verdict.step, "not answered" in verdict.why) == (Step.REPLACE, True)


def test_a_child_that_answers_is_asked_again_later() -> None:
    dog = started(INFO, CaptureTimings())
    dog.set_active(MAIN, False, START)
    dog.note_ping(START + 9)
    assert dog.note_answer(0.0, START + 9.1) is None
    assert dog.due_at() == START + 19.1


def test_a_child_that_reopens_is_asked_again_and_again() -> None:
    """It had answered before its library took Python's lock and hung."""
    dog = started()
    dog.note_reopen(START + 1)
    dog.note_ping(START + 1)
    dog.note_answer(0.0, START + 1)
    assert dog.check(START + 1.25) == Verdict(step=Step.PING)
    dog.note_ping(START + 1.25)
    verdict = dog.check(START + 2.25)
    assert verdict is not None
    assert (verdict.step, "not answered" in verdict.why) == (Step.REPLACE, True)


def test_a_camera_that_hangs_in_a_call_is_to_be_replaced() -> None:
    dog = started()
    dog.note_ping(START)
    assert dog.note_answer(14.0, START) is None
    verdict = dog.note_answer(16.0, START)
    assert verdict == Verdict(step=Step.REPLACE, why="the camera has hung for 16 s")


def test_a_second_question_does_not_prolong_the_first() -> None:
    dog = started()
    dog.note_reopen(START)
    dog.note_ping(START)
    dog.note_ping(START + 0.9)
    assert dog.check(START + 1.0) is not None


def test_a_silent_layer_is_named_while_the_other_is_not_silent() -> None:
    dog = started(LAYERED, TIMINGS, MAIN, LOW)
    for count in range(1, 31):
        dog.note_unit(MAIN, START + count / 30)
    verdict = dog.check(START + 1.0)
    assert verdict == Verdict(step=Step.REOPEN, why="no picture for 1 s", layer=LOW)


def test_layers_that_fall_silent_together_are_one_fault() -> None:
    dog = started(LAYERED, TIMINGS, MAIN, LOW)
    dog.note_unit(MAIN, START + 0.1)
    verdict = dog.check(START + 1.1)
    assert verdict is not None
    assert verdict.layer == ""


def test_a_layer_that_did_not_come_with_a_reopened_camera_is_to_be_left() -> None:
    dog = started(LAYERED, TIMINGS, MAIN, LOW)
    dog.note_unit(MAIN, START + 1.0)
    dog.note_reopen(START + 1.0, LOW)
    dog.note_running(LAYERED, START + 1.2)
    dog.note_unit(MAIN, START + 1.3)
    dog.note_unit(MAIN, START + 4.3)
    verdict = dog.check(START + 4.3)
    assert verdict == Verdict(step=Step.LEAVE, why="no picture for 3 s", layer=LOW)
    dog.note_unit(LOW, START + 4.3)
    dog.note_unit(MAIN, START + 5.3)
    verdict = dog.check(START + 5.3)
    assert verdict is not None
    assert verdict.step is Step.REOPEN


def test_a_layer_that_was_given_up_is_watched_again_when_it_is_woken() -> None:
    dog = started(LAYERED, TIMINGS, MAIN, LOW)
    dog.give_up(LOW)
    dog.note_unit(MAIN, START + 1.0)
    assert dog.check(START + 1.5) is None
    dog.set_active(LOW, False, START + 2)
    dog.set_active(LOW, True, START + 2)
    dog.note_unit(MAIN, START + 5.0)
    verdict = dog.check(START + 5.0)
    assert verdict is not None
    assert verdict.layer == LOW


def test_a_layer_that_the_source_does_not_have_is_not_waited_for() -> None:
    dog = started(INFO, TIMINGS, LOW)
    assert not dog.is_expecting
    assert dog.check(START + 500) is None


def test_pictures_at_twice_the_rate_for_ever_are_borne() -> None:
    dog = started()
    assert all(dog.note_unit(MAIN, START + count / 60) for count in range(6000))


def test_ten_seconds_of_pictures_at_once_are_borne_and_no_more() -> None:
    dog = started()
    taken = [dog.note_unit(MAIN, START) for _ in range(400)]
    assert taken.index(False) == 299
