from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.keyframes import Allowance, Requests, Verdict
from support.hubs import Timer


def caused(allowance: Allowance, now: float) -> Verdict:
    """Ask, and let the keyframe come at once if it was granted."""
    verdict = allowance.judge(now)
    if verdict is Verdict.GRANTED:
        allowance.note_keyframe(now, is_sent=True)
    return verdict


def joined(now: float = 0.0) -> Allowance:
    allowance = Allowance(now)
    allowance.note_keyframe(now, is_sent=True)
    return allowance


def test_two_keyframes_are_free_and_one_comes_back_each_two_seconds() -> None:
    allowance = joined()
    verdicts = [caused(allowance, at) for at in (0.1, 0.2, 0.3, 0.4, 2.2, 2.3)]
    assert verdicts == [
        Verdict.GRANTED,
        Verdict.GRANTED,
        Verdict.EXHAUSTED,
        Verdict.REFUSED,
        Verdict.GRANTED,
        Verdict.EXHAUSTED,
    ]


def test_asking_again_before_it_comes_costs_nothing() -> None:
    allowance = joined()
    assert {allowance.judge(at / 10) for at in range(1, 10)} == {Verdict.GRANTED}
    allowance.note_keyframe(1.0, is_sent=True)
    assert caused(allowance, 1.1) is Verdict.GRANTED


def test_a_keyframe_that_could_not_be_sent_excuses_no_silence() -> None:
    allowance = joined()
    allowance.judge(1.0)
    allowance.note_keyframe(1.0, is_sent=False)
    assert allowance.judge(1.1, round_trip_s=0.2) is Verdict.GRANTED
    allowance.note_keyframe(1.1, is_sent=True)
    assert allowance.judge(1.2, round_trip_s=0.2) is Verdict.NEEDLESS


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_no_pattern_of_requests_causes_more(pauses: list[float]) -> None:
    now, granted = 0.0, 0
    allowance = joined()
    for pause in pauses:
        now += pause
        granted += caused(allowance, now) is Verdict.GRANTED
    assert granted <= 2 + now / 2 + 1e-6


def test_requests_begin_as_if_one_had_just_been_asked_for() -> None:
    timers: list[Timer] = []
    asked: list[float] = []

    def call_later(delay_s: float, call: object) -> Timer:
        assert callable(call)
        timers.append(Timer(delay_s, call))
        return timers[-1]

    requests = Requests(
        lambda: asked.append(1), interval_s=0.3, clock=lambda: 5.0, call_later=call_later
    )
    requests.want()
    requests.want()
    assert [timer.at for timer in timers] == pytest.approx([0.3])
    requests.settle()
    assert timers[0].is_cancelled
    requests.want()
    timers[1].callback()
    assert asked == [1]
