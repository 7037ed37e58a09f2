"""One decision for all viewers: rules by hand, behaviour on simulated lines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import pytest
from mqcam_device.rate.uplink import PAYLOAD_SHARE, Decision, Uplink
from support.simulation import Line, World

CEILING_BPS = 4_000_000
SEEDS = (1, 2, 3)


@dataclass
class Known:
    """A path of which everything is known."""

    estimate_bps: float = 3_000_000
    is_congested: bool = False
    is_probing: bool = False
    is_silent: bool = False
    is_limited: bool = True
    burst_bps: float | None = None

    @property
    def target_bps(self) -> int:
        return int(self.estimate_bps)


def new_uplink(*, uplink_max_bps: int | None = None) -> Uplink[str]:
    return Uplink(
        uplink_max_bps=uplink_max_bps,
        start_bps=1_500_000,
        ceiling_bps=CEILING_BPS,
    )


def decide(
    uplink: Uplink[str], paths: dict[str, Known], *, begin: float = 0.0, seconds: float = 1.0
) -> Decision[str]:
    """Decide ten times a second for a while; return the last decision."""
    decision = uplink.decide(paths, begin)
    for step in range(1, int(seconds * 10) + 1):
        decision = uplink.decide(paths, begin + step / 10)
    return decision


def payload(rate_bps: float) -> int:
    return int(rate_bps * PAYLOAD_SHARE)


def test_the_slowest_healthy_viewer_sets_the_rate() -> None:
    decision = decide(new_uplink(), {"a": Known(3_000_000), "b": Known(2_000_000)})
    assert decision == Decision(
        bitrates={"main": payload(2_000_000)}, layers={"a": "main", "b": "main"}
    )


def test_a_viewer_below_the_floor_is_demoted_and_not_obeyed() -> None:
    paths = {"a": Known(), "b": Known(), "slow": Known(900_000)}
    uplink = new_uplink()
    decision = decide(uplink, paths)
    assert decision.bitrates["main"] == payload(3_000_000)
    assert decision.layers["slow"] == "main"
    paths["slow"].is_congested = True
    decision = decide(uplink, paths, begin=1.1)
    assert decision.layers["slow"] == "low"
    assert decision.bitrates == {"main": payload(3_000_000), "low": 400_000}


def together(paths: dict[str, Known], *, congested: bool) -> None:
    """Let all be congested, or none."""
    for path in paths.values():
        path.is_congested = congested


@pytest.mark.parametrize(("is_joint", "layer"), [(True, "main"), (False, "low")])
def test_what_all_suffer_at_once_keeps_nobody_on_the_low_layer(is_joint: bool, layer: str) -> None:
    """Those who share the camera's uplink fill it every few seconds, and relax again."""
    paths = {"a": Known(900_000), "b": Known(900_000), "low": Known(900_000)}
    uplink = new_uplink()
    decide(uplink, paths, seconds=1.0)
    uplink.demote("low", 1.0)
    decision = decide(uplink, paths, begin=1.1)
    assert decision.layers["low"] == "low"
    now = 2.0
    for _ in range(5):
        together(paths if is_joint else {"low": paths["low"]}, congested=True)
        decision = decide(uplink, paths, begin=now, seconds=0.5)
        together(paths, congested=False)
        decision = decide(uplink, paths, begin=now + 0.6, seconds=2.0)
        now += 3.0
    assert decision.layers["low"] == layer


def test_a_viewer_far_below_the_floor_is_demoted_at_once() -> None:
    decision = new_uplink().decide({"a": Known(), "b": Known(), "slow": Known(300_000)}, 0.0)
    assert decision.layers["slow"] == "low"
    assert decision.bitrates["low"] == payload(300_000)


def test_a_short_dip_demotes_nobody() -> None:
    uplink = new_uplink()
    paths = {"a": Known(), "b": Known(), "c": Known()}
    decide(uplink, paths)
    paths["c"].estimate_bps = 1_100_000
    decide(uplink, paths, begin=2, seconds=0.2)
    paths["c"].estimate_bps = 3_000_000
    assert decide(uplink, paths, begin=2.3, seconds=2).layers["c"] == "main"


def test_the_low_layer_has_a_range() -> None:
    paths = {"a": Known(), "b": Known(), "c": Known(), "slow": Known(60_000)}
    assert decide(new_uplink(), paths).bitrates["low"] == 100_000


def test_without_a_low_layer_nobody_is_demoted() -> None:
    uplink = new_uplink()
    uplink.allow_low(is_there=False)
    paths = {"a": Known(), "b": Known(), "slow": Known(300_000)}
    decision = decide(uplink, paths)
    uplink.demote("a", 2.0)
    assert set(decide(uplink, paths).layers.values()) == {"main"}
    assert decision.bitrates["main"] == payload(300_000)


def test_a_lonely_viewer_goes_to_the_low_layer_below_the_least_useful_rate() -> None:
    decision = decide(new_uplink(), {"slow": Known(400_000)})
    assert decision == Decision(bitrates={"low": payload(400_000)}, layers={"slow": "low"})


def test_nobody_gets_nothing() -> None:
    assert new_uplink().decide({}, 0.0) == Decision(bitrates={}, layers={})


def test_a_newcomer_does_not_slow_the_others() -> None:
    paths = {"a": Known(), "new": Known(1_000_000, is_probing=True, is_limited=False)}
    assert decide(new_uplink(), paths).bitrates["main"] == payload(3_000_000)


def test_a_silent_viewer_does_not_slow_the_others() -> None:
    paths = {"a": Known(), "gone": Known(600_000, is_silent=True)}
    decision = decide(new_uplink(), paths)
    assert decision.bitrates["main"] == payload(3_000_000)
    assert decision.layers["gone"] == "main"


def test_viewers_that_were_never_tried_do_not_look_slow() -> None:
    slow = Known(1_000_000, is_congested=True)
    untried = Known(1_500_000, is_limited=False, burst_bps=50_000_000)
    decision = decide(new_uplink(), {"a": untried, "b": untried, "slow": slow})
    assert decision.layers["slow"] == "low"


def test_a_demoted_viewer_is_tried_again_and_stays() -> None:
    uplink = new_uplink()
    paths = {"a": Known(), "b": Known(), "c": Known(300_000)}
    decide(uplink, paths)
    assert decide(uplink, paths, begin=1, seconds=3.5).layers["c"] == "low"
    assert decide(uplink, paths, begin=4.6, seconds=0.6).layers["c"] == "main"
    paths["c"].estimate_bps = 3_000_000
    assert decide(uplink, paths, begin=5.3, seconds=30).layers["c"] == "main"


def test_a_trial_does_not_slow_the_others() -> None:
    uplink = new_uplink()
    paths = {"a": Known(), "b": Known(), "c": Known(300_000)}
    decide(uplink, paths, seconds=5.2)
    decision = uplink.decide(paths, 5.3)
    assert decision.layers["c"] == "main"
    assert decision.bitrates["main"] == payload(3_000_000)


def test_trials_that_fail_become_rare() -> None:
    uplink = new_uplink()
    paths = {"a": Known(), "b": Known(), "c": Known(300_000)}
    began = []
    layer = ""
    for step in range(6000):
        decided = uplink.decide(paths, step / 10).layers["c"]
        if layer != decided == "main":
            began.append(step / 10)
        layer = decided
        paths["c"].is_congested = decided == "main"
    pauses = [round(later - earlier) for earlier, later in pairwise(began)]
    assert pauses == sorted(pauses)
    assert 100 < pauses[-1] < 130


def test_nobody_is_tried_whose_line_shows_no_room() -> None:
    uplink = new_uplink()
    paths = {"a": Known(), "b": Known(), "c": Known(300_000, burst_bps=1_000_000)}
    assert decide(uplink, paths, seconds=60).layers["c"] == "low"
    paths["c"].burst_bps = 9_000_000
    assert decide(uplink, paths, begin=61, seconds=1).layers["c"] == "main"


def test_a_viewer_may_be_demoted_for_another_reason() -> None:
    uplink = new_uplink()
    paths = {"a": Known(), "b": Known()}
    decide(uplink, paths)
    uplink.demote("a", 1.0)
    uplink.demote("nobody", 1.0)
    assert uplink.decide(paths, 1.1).layers == {"a": "low", "b": "main"}


def test_a_viewer_that_wishes_the_low_layer_stays_there_and_slows_nobody() -> None:
    uplink = new_uplink()
    uplink.pin("small", 0.0)
    decision = decide(uplink, {"a": Known(), "small": Known(1_500_000)}, seconds=60)
    assert decision.layers == {"a": "main", "small": "low"}
    assert decision.bitrates == {"main": payload(3_000_000), "low": 400_000}


def test_congestion_of_all_at_once_is_shared() -> None:
    paths = {
        name: Known(rate_bps, is_congested=True)
        for name, rate_bps in (("a", 1_300_000), ("b", 1_200_000), ("c", 900_000), ("d", 560_000))
    }
    decision = decide(new_uplink(), paths, seconds=5)
    assert set(decision.layers.values()) == {"main"}
    assert decision.bitrates["main"] == payload(990_000)


def test_the_configured_uplink_is_divided() -> None:
    uplink = new_uplink(uplink_max_bps=6_000_000)
    paths = {"a": Known(), "b": Known(), "c": Known(), "slow": Known(300_000)}
    decision = decide(uplink, paths)
    total_bps = 3 * decision.bitrates["main"] + decision.bitrates["low"]
    assert total_bps <= 6_000_000 * PAYLOAD_SHARE
    assert total_bps > 0.95 * 6_000_000 * PAYLOAD_SHARE


def test_small_rises_are_not_told_and_falls_are() -> None:
    uplink = new_uplink()
    path = Known(2_000_000)
    decide(uplink, {"a": path})
    path.estimate_bps = 2_020_000
    assert uplink.decide({"a": path}, 2.0).bitrates["main"] == payload(2_000_000)
    path.estimate_bps = 1_990_000
    assert uplink.decide({"a": path}, 2.1).bitrates["main"] == payload(1_990_000)
    path.estimate_bps = 2_200_000
    assert uplink.decide({"a": path}, 2.2).bitrates["main"] == payload(2_200_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_four_viewers_share_one_uplink(seed: int) -> None:
    world = World(seed=seed)
    uplink = Line(rate_bps=4_000_000, delay_s=0.005, seed=seed)
    for name in "abcd":
        world.join(name, uplink, Line(rate_bps=50_000_000, delay_s=0.015))
        world.run(0.5)
    world.run(38)
    for viewer in world.viewers.values():
        assert viewer.longest_gap_s(0, 40) < 0.5
        assert viewer.delays_s(0, 40)[-1] < 0.5
        assert {each.layer for each in viewer.shown} == {"main"}
    assert 0.75 * 1_000_000 < fmean(world.bitrates(5, 40)) < 1_000_000


@pytest.mark.parametrize("seed", SEEDS)
def test_one_slow_viewer_does_not_slow_fifteen_others(seed: int) -> None:
    world = World(seed=seed)
    others = [world.join(f"{n}", Line(rate_bps=20_000_000, seed=n)) for n in range(15)]
    world.run(8)
    before_bps = fmean(world.bitrates(5, 8))
    slow = world.join("slow", Line(rate_bps=300_000))
    world.run(22)
    assert min(world.bitrates(8, 30)) > 0.9 * before_bps
    assert max(viewer.longest_gap_s(8, 30) for viewer in others) < 0.15
    delays = slow.delays_s(8, 30)
    assert delays[int(0.95 * len(delays))] < 1.0
    assert sum(each.whole_at - each.sent_at < 1.0 for each in slow.shown) >= 5 * 22


def test_a_slow_viewer_whose_line_widens_comes_back() -> None:
    world = World()
    for n in range(3):
        world.join(f"{n}", Line(rate_bps=20_000_000, seed=n))
    line = Line(rate_bps=300_000)
    slow = world.join("slow", line)
    world.run(15)
    assert slow.layer == "low"
    line.rate_bps = 10_000_000
    world.run(15)
    assert slow.layer == "main"
    assert min(world.bitrates(20, 30)) > 0.8 * 4_000_000


def test_a_viewer_without_room_is_left_where_it_is() -> None:
    world = World()
    for n in range(3):
        world.join(f"{n}", Line(rate_bps=20_000_000, seed=n))
    slow = world.join("slow", Line(rate_bps=1_000_000))
    world.run(60)
    assert {each.layer for each in slow.shown if each.sent_at > 5} == {"low"}
    assert slow.delays_s(5, 60)[-1] < 0.3
