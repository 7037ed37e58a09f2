"""A receiver that asks again, over lines that lose packets: freezes counted in simulated time."""

from __future__ import annotations

import pytest
from support.lossy import Line, Outcome, Simulation

SEEDS = range(16)
FREEZE_S = 0.15


def played(line: Line, *, seed: int = 1, seconds: float = 30.0, packets: int = 9) -> Outcome:
    return Simulation(line, seed=seed, seconds=seconds, packets=packets).run()


def test_two_percent_of_loss_each_way_freeze_nothing() -> None:
    """A minute of 720p30 at 2.5 Mbit/s and 40 ms, many times."""
    outcomes = [played(Line(loss=0.02), seed=seed, seconds=60.0) for seed in SEEDS]
    longest_s = [max(outcome.freezes_s()) for outcome in outcomes]

    assert sum(each <= FREEZE_S for each in longest_s) >= 0.8 * len(SEEDS)
    assert max(longest_s) <= 0.2
    assert all(len(outcome.shown) == 1800 for outcome in outcomes)
    assert all(outcome.keyframe_requests == 0 for outcome in outcomes)


def test_what_is_lost_is_repeated_once_and_little_else() -> None:
    outcome = played(Line(loss=0.02))

    assert outcome.repeats <= 0.03 * outcome.sent


def test_a_path_that_only_changes_the_order_costs_nearly_no_repeats() -> None:
    outcome = played(Line(jitter_s=0.004), seconds=60.0)

    assert outcome.repeats <= 0.005 * outcome.sent
    assert max(outcome.freezes_s()) < 0.05


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("black_s", "packets"), [(0.5, 9), (3.0, 9), (3.0, 1)])
def test_after_a_black_link_the_picture_is_back_with_one_keyframe(
    black_s: float, packets: int, seed: int
) -> None:
    line = Line(black=((10.0, 10.0 + black_s),))
    outcome = played(line, seed=seed, seconds=20.0, packets=packets)
    gap_s = max(outcome.freezes_s())

    assert gap_s <= black_s + 0.15
    assert outcome.keyframe_requests <= 1
    numbers = [number for _, number in outcome.shown]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 599


def test_a_short_black_link_is_repaired_without_a_keyframe() -> None:
    outcome = played(Line(black=((10.0, 10.05),)), seconds=15.0)

    assert outcome.keyframe_requests == 0
    assert len(outcome.shown) == 450
