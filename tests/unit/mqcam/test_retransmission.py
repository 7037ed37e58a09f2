from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.retransmission import FLOOR_S, REPEAT_LIMIT, Repeats, waits


@pytest.mark.parametrize(
    ("rtt_s", "first_s"), [(None, 0.05), (0.0, 0.05), (0.02, 0.05), (0.04, 0.08), (0.3, 0.6)]
)
def test_the_first_wait_is_two_round_trips_and_not_less_than_50_ms(
    rtt_s: float | None, first_s: float
) -> None:
    assert next(waits(rtt_s)) == pytest.approx(first_s)


def test_each_wait_is_twice_the_one_before_and_they_end() -> None:
    all_s = list(waits())
    assert len(all_s) == REPEAT_LIMIT
    assert all(later == 2 * earlier for earlier, later in itertools.pairwise(all_s))
    assert sum(all_s) < 10


def test_a_check_is_repeated_after_50_150_and_350_ms() -> None:
    repeats = Repeats(7.0)
    assert not repeats.take(7.049)
    assert repeats.take(7.051)
    assert not repeats.take(7.15)
    assert repeats.take(7.152)
    assert not repeats.take(7.35)
    assert repeats.take(7.353)


def test_a_check_is_given_up_after_its_last_repeat() -> None:
    repeats, now = Repeats(0.0), 0.0
    for _ in range(REPEAT_LIMIT):
        assert repeats.due_at > now
        now = repeats.due_at
        assert repeats.take(now)
    assert repeats.due_at == math.inf
    assert not repeats.take(1e9)


def test_the_first_check_of_the_peer_causes_a_repeat_at_once() -> None:
    repeats = Repeats(1.0)
    assert repeats.trigger(1.001)
    assert not repeats.trigger(1.002)
    assert not repeats.trigger(1.05)
    assert repeats.trigger(1.052)
    assert not repeats.trigger(1.15)
    assert repeats.trigger(1.153)


def test_a_repeat_that_the_peer_caused_puts_off_the_next_by_time() -> None:
    repeats = Repeats(0.0)
    assert repeats.trigger(0.04)
    assert not repeats.take(0.051)
    assert repeats.due_at == pytest.approx(0.14)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10)), max_size=200))
def test_no_pattern_of_checks_causes_more_repeats_than_the_doubled_waits_allow(
    events: list[tuple[bool, float]],
) -> None:
    """Whoever sends checks as fast as he can must not get one each."""
    repeats = Repeats(0.0)
    sent = 0
    for is_trigger, at in sorted(events, key=lambda each: each[1]):
        sent += repeats.trigger(at) if is_trigger else repeats.take(at)
    triggered = 1 + math.floor(math.log2(10 / FLOOR_S + 1))
    assert sent <= triggered + REPEAT_LIMIT
