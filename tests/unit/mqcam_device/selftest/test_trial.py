from __future__ import annotations

from dataclasses import replace

import pytest
from mqcam_device.selftest.trial import FIRST_PICTURE_S, LONGEST_S, SHORTEST_S
from support.trials import STREAM, Rig


def test_a_good_camera_is_measured_as_it_is() -> None:
    rig = Rig(age_s=0.01)
    figures = rig.run()
    assert figures.first_ms == pytest.approx(100, abs=1)
    assert figures.profile_level_id == "42c01f"
    assert figures.fps == pytest.approx(30, abs=0.1)
    assert figures.age_p50_ms == pytest.approx(10, abs=0.1)
    assert figures.age_p95_ms == pytest.approx(10, abs=0.1)
    assert figures.bitrate_bps == pytest.approx(1_500_000, rel=0.01)
    assert figures.lost == 0
    assert (figures.agent_cores, figures.capture_cores) == (0.1, 0.5)
    assert (figures.machine_cores, figures.capture_pss_bytes) == (1.5, 2)


def test_keyframes_come_within_a_frame_and_are_asked_for_at_other_moments_of_it() -> None:
    figures = Rig().run()
    assert len(figures.keyframes_ms) == 5
    assert max(figures.keyframes_ms) <= 34
    assert len(set(figures.keyframes_ms)) > 1
    assert figures.keyframes_missed == 0


def test_a_camera_that_makes_no_keyframe_is_not_waited_for() -> None:
    rig = Rig(seconds=3)
    rig.answers_keyframes = False
    figures = rig.run()
    assert figures.keyframes_ms == ()
    assert figures.keyframes_missed == len(rig.keyframes) > 0


def test_where_no_keyframe_can_be_forced_none_is_asked_for() -> None:
    rig = Rig(stream=replace(STREAM, can_force_keyframe=False))
    figures = rig.run()
    assert rig.keyframes == []
    assert figures.keyframes_missed == 0


def test_the_bit_rate_goes_down_and_comes_back() -> None:
    rig = Rig()
    figures = rig.run()
    assert rig.rates == [750_000, 1_500_000]
    assert [step.asked_bps for step in figures.steps] == rig.rates
    for step in figures.steps:
        assert step.reached_bps == pytest.approx(step.asked_bps, rel=0.05)
    assert figures.steps_skipped == ""


def test_the_rate_never_goes_below_what_the_camera_has() -> None:
    rig = Rig(stream=replace(STREAM, bitrate_range_bps=(1_000_000, 4_000_000)))
    rig.run()
    assert min(rig.rates) == 1_000_000


def test_nobody_who_watches_gets_a_worse_picture() -> None:
    rig = Rig(watchers=2)
    figures = rig.run()
    assert rig.rates == []
    assert len(rig.keyframes) == 1
    assert figures.steps == ()
    assert figures.steps_skipped == "2 are watching"


def test_whoever_comes_in_the_middle_gets_the_rate_back_at_once() -> None:
    rig = Rig()

    def come() -> None:
        if rig.rates == [750_000]:
            rig.watchers = 1

    rig.before_tick = come
    figures = rig.run()
    assert rig.rates == [750_000, 1_500_000]
    assert rig.trial.is_over
    assert figures.steps == ()
    assert figures.steps_skipped == "somebody began to watch"


def test_whoever_comes_before_the_first_step_prevents_it() -> None:
    rig = Rig()

    def come() -> None:
        if rig.keyframes:
            rig.watchers = 1

    rig.before_tick = come
    assert rig.run().steps_skipped == "somebody began to watch"
    assert 750_000 not in rig.rates


def test_a_rate_that_cannot_be_set_is_left_alone() -> None:
    rig = Rig(stream=replace(STREAM, bitrate_range_bps=None))
    assert rig.run().steps_skipped == "this camera's bit rate cannot be set"
    assert rig.rates == []


def test_a_short_trial_says_what_it_leaves_out() -> None:
    rig = Rig(seconds=SHORTEST_S)
    figures = rig.run()
    assert figures.steps_skipped == "takes --seconds 8"
    assert figures.fps is not None
    assert len(figures.keyframes_ms) == 1
    assert rig.now - 1000 < SHORTEST_S + 0.5


@pytest.mark.parametrize("seconds", [SHORTEST_S, 8.0, 10.0, LONGEST_S])
def test_a_trial_takes_about_as_long_as_it_was_told(seconds: float) -> None:
    rig = Rig(seconds=seconds)
    rig.run()
    assert rig.now - 1000 == pytest.approx(seconds, abs=0.6)


def test_a_camera_without_a_picture_is_given_up() -> None:
    rig = Rig()
    rig.is_silent = True
    figures = rig.run()
    assert rig.now - 1000 == pytest.approx(FIRST_PICTURE_S, abs=0.1)
    assert rig.wishes == []
    assert (figures.first_ms, figures.fps, figures.agent_cores) == (None, None, None)


def test_a_camera_that_falls_silent_does_not_hold_the_trial() -> None:
    rig = Rig()

    def fall_silent() -> None:
        rig.is_silent = rig.now > 1001

    rig.before_tick = fall_silent
    figures = rig.run()
    assert rig.trial.is_over
    assert figures.keyframes_missed == 5
    assert [step.reached_bps for step in figures.steps] == [0, 0]


def test_units_that_are_lost_are_counted() -> None:
    rig = Rig()
    lost_at = iter([1001.0, 1001.5, 1002.0])
    next_at = next(lost_at)

    def lose() -> None:
        nonlocal next_at
        if rig.now >= next_at:
            next_at = next(lost_at, float("inf"))
            rig.lose()

    rig.before_tick = lose
    assert rig.run().lost == 3


def test_a_slow_camera_is_told_as_slow() -> None:
    figures = Rig(fps=5.0, age_s=0.2).run()
    assert figures.fps == pytest.approx(5, abs=0.01)
    assert figures.age_p50_ms == pytest.approx(200, abs=0.1)
    assert figures.keyframes_missed == 0
