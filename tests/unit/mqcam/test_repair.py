"""When a missing packet is asked for, how often, and for how long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from mqcam.repair import ASSUMED_ROUND_TRIP_S, MAX_HOLD_S, MIN_INTERVAL_S, Repair

ROUND_TRIP_S = 0.04
PATIENCE_S = 0.25


def repair(round_trip_s: float = ROUND_TRIP_S) -> Repair:
    made = Repair(patience_s=PATIENCE_S)
    made.round_trip_s = round_trip_s
    return made


def asked_at(subject: Repair, *, until: float, step_s: float = 0.001) -> list[float]:
    """Return the seconds at which something is asked for."""
    times = (number * step_s for number in range(round(until / step_s) + 1))
    return [round(now, 3) for now in times if subject.due(now)]


def test_a_missing_packet_is_asked_for_at_once() -> None:
    subject = repair()
    subject.miss(65_536 + 7, 65_536 + 9, 1.0)

    assert subject.due(1.0) == [7, 8]
    assert subject.due(1.0) == []


def test_it_is_asked_for_again_after_a_round_trip_and_a_tenth_until_it_is_too_late() -> None:
    subject = repair()
    subject.miss(7, 8, 0.0)

    # Within the step of a millisecond, each time.
    expected = [0.0, 0.044, 0.088, 0.132, 0.176, 0.22]
    assert asked_at(subject, until=2.0) == pytest.approx(expected, abs=0.006)


def test_on_a_long_path_it_is_awaited_for_five_round_trips() -> None:
    subject = repair(round_trip_s=0.3)
    subject.miss(7, 8, 0.0)

    assert subject.patience_s == pytest.approx(1.5)
    assert len(asked_at(subject, until=3.0)) == 5


def test_before_a_measurement_a_round_trip_is_assumed() -> None:
    subject = Repair(patience_s=PATIENCE_S)
    subject.miss(7, 8, 0.0)

    expected = [0.0, 1.1 * ASSUMED_ROUND_TRIP_S]
    assert asked_at(subject, until=0.06) == pytest.approx(expected, abs=0.0011)


def test_no_camera_is_asked_more_often_than_it_repeats() -> None:
    subject = repair(round_trip_s=0.0)
    subject.miss(7, 8, 0.0)
    times = asked_at(subject, until=0.2)

    assert all(after - before >= MIN_INTERVAL_S - 0.001 for before, after in pairwise(times))


def test_what_came_is_not_asked_for() -> None:
    subject = repair()
    subject.miss(7, 10, 0.0)
    subject.came(8, 0.0, is_overtaken=False)

    assert subject.due(0.0) == [7, 9]
    assert subject.times_asked(7) == 1
    assert subject.missed_at(8) is None


def test_a_path_that_changes_the_order_is_given_time() -> None:
    """Nobody can have repeated within 3 ms what takes 40 ms to ask for."""
    subject = repair()
    subject.miss(7, 8, 0.0)
    subject.came(7, 0.003, is_overtaken=True)
    subject.miss(9, 10, 1.0)

    assert subject.due(1.003) == []
    assert subject.due(1.005) == [9]
    subject.miss(11, 12, 30.0)  # it has kept the order since
    assert subject.due(30.0) == [9 + 2]


def test_a_packet_that_may_have_been_repeated_says_nothing_about_the_order() -> None:
    subject = repair()
    subject.miss(7, 8, 0.0)
    subject.came(7, 0.041, is_overtaken=True)
    subject.miss(9, 10, 0.05)

    assert subject.due(0.05) == [9]


def test_no_order_is_so_bad_that_requests_wait_longer_than_the_limit() -> None:
    subject = repair(round_trip_s=2.0)
    subject.miss(7, 8, 0.0)
    subject.came(7, MAX_HOLD_S * 0.99, is_overtaken=True)
    subject.miss(9, 10, 1.0)

    assert subject.due(1.0 + MAX_HOLD_S + 1e-9) == [9]


def test_the_next_moment_is_told() -> None:
    subject = repair()
    assert subject.next_at(0.0) is None
    subject.miss(7, 8, 1.0)
    assert subject.next_at(1.0) == 1.0
    subject.due(1.0)
    assert subject.next_at(1.0) == pytest.approx(1.044)
    assert subject.next_at(1.0 + PATIENCE_S + 0.01) is None


def test_what_was_given_up_or_never_was_is_forgotten() -> None:
    subject = repair()
    subject.miss(1, 10, 0.0)
    subject.forget_before(4)
    subject.forget_from(7)

    assert subject.due(0.0) == [4, 5, 6]
    assert len(subject) == 3
