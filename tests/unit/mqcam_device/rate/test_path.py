"""Rate control of one path, on simulated lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.arrivals import Arrivals
from mqcam.feedback import ReportBlock
from mqcam_device.rate.path import MIN_ESTIMATE_BPS, PathRate
from support.simulation import Line, Reporting, World

CEILING_BPS = 3_000_000
FULL_BPS = 2_200_000
WIDE_BPS = 20_000_000
SEEDS = (1, 2, 3)


@dataclass
class Narrowing:
    """A line goes from 3 to 0.8 Mbit/s at 20 s and back at 40 s, with 1 s of drop-tail."""

    reporting: Reporting = "arrivals"
    seed: int = 1
    report_steps: int = 8
    report_loss: float = 0.0
    queues: list[tuple[float, float]] = field(default_factory=list)

    def run(self) -> World:
        world = World(ceiling_bps=CEILING_BPS, seed=self.seed)
        line = Line(rate_bps=3_000_000, seed=self.seed)
        viewer = world.join("viewer", line, reporting=self.reporting)
        viewer.report_steps, viewer.report_loss = self.report_steps, self.report_loss
        for rate_bps in (3_000_000, 800_000, 3_000_000):
            line.rate_bps = rate_bps
            world.run(20, lambda now: self.queues.append((now, line.queue_s(now))))
        return world

    def longest_queue_s(self, begin: float, end: float) -> float:
        return max(queue_s for at, queue_s in self.queues if begin <= at < end)


def return_s(world: World) -> float:
    """Return how long after the line was wide again the encoder was told so."""
    return next(at - 40 for at, rates, _ in world.history if at > 40 and rates["main"] >= FULL_BPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_line_that_narrows_and_widens_is_followed(seed: int) -> None:
    narrowing = Narrowing(seed=seed)
    world = narrowing.run()
    assert narrowing.longest_queue_s(22, 40) < 0.3
    assert fmean(world.bitrates(25, 40)) > 0.65 * 800_000
    assert return_s(world) < 6.5


@pytest.mark.parametrize("narrowing", [Narrowing(report_steps=30), Narrowing(report_loss=0.05)])
def test_the_same_is_true_when_feedback_is_rare_or_lost(narrowing: Narrowing) -> None:
    world = narrowing.run()
    assert narrowing.longest_queue_s(22, 40) < 0.3
    assert return_s(world) < 9


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_is_true_with_a_receivers_estimate_only(seed: int) -> None:
    narrowing = Narrowing("remb", seed)
    world = narrowing.run()
    assert narrowing.longest_queue_s(22.5, 40) < 0.3
    assert fmean(world.bitrates(25, 40)) > 0.6 * 800_000
    assert return_s(world) < 12


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_is_true_with_reports_only(seed: int) -> None:
    narrowing = Narrowing("reports", seed)
    world = narrowing.run()
    assert narrowing.longest_queue_s(23, 40) < 0.3
    assert fmean(world.bitrates(25, 40)) > 0.6 * 800_000
    assert return_s(world) < 12


def test_a_shallow_queue_is_noticed_by_its_losses() -> None:
    world = World(ceiling_bps=CEILING_BPS)
    line = Line(rate_bps=800_000, queue_limit_s=0.03)
    world.join("viewer", line)
    world.run(20)
    assert 0.6 * 800_000 < fmean(world.bitrates(5, 20)) < 1.1 * 800_000


def test_a_wide_line_is_used_within_a_second() -> None:
    world = World()
    world.join("viewer", Line(rate_bps=WIDE_BPS))
    world.run(2)
    assert world.bitrates(0, 0.1)[0] <= 1_000_000
    assert world.bitrates(1, 2)[0] >= 3_000_000


def test_an_unknown_narrow_line_is_not_flooded() -> None:
    world = World()
    viewer = world.join("viewer", Line(rate_bps=700_000))
    world.run(10)
    assert viewer.delays_s(2, 10)[-1] < 0.3
    assert viewer.delays_s(0, 2)[-1] < 0.8


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("reporting", ["arrivals", "remb", "reports"])
def test_random_losses_are_no_congestion(reporting: Reporting, seed: int) -> None:
    world = World(seed=seed)
    world.join("viewer", Line(rate_bps=WIDE_BPS, loss=0.02, seed=seed), reporting=reporting)
    world.run(60)
    assert min(world.bitrates(6, 60)) > 0.8 * 4_000_000


@pytest.mark.parametrize("seed", SEEDS)
def test_heavy_random_losses_are_learnt(seed: int) -> None:
    world = World(seed=seed)
    world.join("viewer", Line(rate_bps=WIDE_BPS, loss=0.1, seed=seed))
    world.run(60)
    assert fmean(world.bitrates(40, 60)) > 0.8 * 4_000_000


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("line", [{"jitter_s": 0.02}, {"jitter_s": 0.01, "stall_s": 0.1}])
def test_the_jitter_of_a_radio_is_no_congestion(line: dict[str, float], seed: int) -> None:
    world = World(seed=seed)
    world.join("viewer", Line(rate_bps=WIDE_BPS, seed=seed, **line))
    world.run(60)
    assert min(world.bitrates(3, 60)) > 0.85 * 4_000_000


def test_a_path_that_becomes_longer_is_no_queue() -> None:
    world = World()
    line = Line(rate_bps=WIDE_BPS)
    world.join("viewer", line)
    world.run(10)
    line.delay_s = 0.12
    world.run(15)
    assert min(world.bitrates(10, 25)) > 400_000
    assert min(world.bitrates(20, 25)) > 0.8 * 4_000_000


def test_a_dead_line_gets_less_and_is_tried_anew() -> None:
    world = World()
    line = Line(rate_bps=WIDE_BPS)
    viewer = world.join("viewer", line)
    world.run(10)
    line.loss = 1.0
    world.run(3)
    assert viewer.rate.is_silent
    assert world.bitrates(12, 13)[-1] < 0.6 * 4_000_000
    line.loss = 0.0
    world.run(3)
    assert not viewer.rate.is_silent
    assert world.bitrates(15, 16)[-1] > 0.8 * 4_000_000


def test_nothing_is_silent_that_is_not_sent_to() -> None:
    rate = PathRate(start_bps=1_000_000, ceiling_bps=CEILING_BPS, now=0.0)
    for step in range(100):
        rate.tick(step / 10)
    assert not rate.is_silent


@pytest.mark.parametrize("lost_feedback", [False, True])
def test_a_long_way_with_seldom_feedback_is_not_silent(*, lost_feedback: bool) -> None:
    """On a calm path a viewer speaks each 0.3 s, half a second away, and one word may be lost."""
    rate = PathRate(start_bps=1_000_000, ceiling_bps=CEILING_BPS, now=0.0)
    for step in range(1, 200):
        now = step / 10
        rate.sent_run(step * 10, 10, 1200, now)
        is_lost = lost_feedback and step in (120, 123, 126)  # one is lost, others late
        is_told = step % 3 == 0 or step == 127
        if is_told and step > 10 and not is_lost:
            first = (step - 8) * 10
            arrivals: list[tuple[int, int | None]] = [
                (first + each, int((now - 0.25) * 1e6) + each * 500) for each in range(30)
            ]
            rate.take_arrivals(Arrivals(first, 30, 0, (step // 3) & 0xFF, arrivals), now)
        if step > 20:
            rate.tick(now)
        assert not rate.is_silent


def test_a_falling_remb_above_what_is_sent_says_nothing() -> None:
    rate = PathRate(start_bps=1_000_000, ceiling_bps=CEILING_BPS, now=0.0)
    for step in range(25):
        rate.sent(step, 12_500, step / 10)  # 1 Mbit/s
        rate.tick(step / 10)
    rate.take_remb(3_000_000, 2.0)
    rate.take_remb(1_500_000, 2.2)
    assert rate.target_bps == 1_000_000
    rate.take_remb(800_000, 2.4)
    assert rate.is_congested
    assert rate.target_bps == 720_000


def test_a_remb_that_stays_low_does_not_hold_the_rate() -> None:
    rate = PathRate(start_bps=1_000_000, ceiling_bps=CEILING_BPS, now=0.0)
    for step in range(20):
        rate.take_remb(100_000, step / 5)
    assert rate.target_bps == 1_000_000


def test_a_start_above_the_ceiling_is_the_ceiling() -> None:
    assert PathRate(start_bps=9, ceiling_bps=5, now=0.0).target_bps == 5


claims: st.SearchStrategy[tuple[str, int, list[int | None]]] = st.one_of(
    st.tuples(
        st.just("arrivals"),
        st.integers(0, 0xFFFF),
        st.lists(st.one_of(st.none(), st.integers(-(2**50), 2**50)), min_size=1, max_size=30),
    ),
    st.tuples(st.just("remb"), st.integers(0, 10**10), st.just([])),
    st.tuples(st.just("block"), st.integers(0, 2**32 - 1), st.lists(st.just(None))),
)


@given(st.lists(st.tuples(claims, st.floats(0, 2)), max_size=30))
def test_whatever_a_receiver_claims_the_estimate_stays_in_its_range(
    said: list[tuple[tuple[str, int, list[int | None]], float]],
) -> None:
    rate = PathRate(start_bps=1_000_000, ceiling_bps=CEILING_BPS, now=0.0)
    now = 0.0
    for (kind, number, times), pause_s in said:
        now += pause_s
        rate.sent_run(number & 0xFFFF, 20, 1200, now)
        rate.tick(now)
        if kind == "arrivals":
            pairs = [((number + index) & 0xFFFF, at_us) for index, at_us in enumerate(times)]
            rate.take_arrivals(Arrivals(number, len(pairs), 0, 0, pairs), now)
        elif kind == "remb":
            rate.take_remb(number, now)
        else:
            block = ReportBlock(1, 1.0, -(number % 99), number, 0, 0, 0)
            rate.take_block(block, pause_s or None, now)
        assert MIN_ESTIMATE_BPS <= rate.estimate_bps <= CEILING_BPS
        assert 0 < rate.target_bps <= CEILING_BPS
