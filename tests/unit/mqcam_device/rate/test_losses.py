from __future__ import annotations

from mqcam_device.rate.losses import Losses
from mqcam_device.rate.passage import Sample


def sample(lost: int, received: int) -> Sample:
    return Sample(0.0, None, None, lost, received)


def after(losses: Losses, lost: int, received: int) -> Sample:
    """Let a path report and return the report."""
    latest = sample(lost, received)
    losses.take(latest)
    return latest


def test_a_few_losses_are_no_excess() -> None:
    losses = Losses(now=0.0)
    assert not losses.is_excess(after(losses, 3, 20))
    assert not losses.is_excess(after(losses, 20, 300))
    assert losses.is_excess(after(losses, 40, 300))


def test_losses_hold_before_they_cut() -> None:
    losses = Losses(now=0.0)
    latest = after(losses, 20, 280)
    assert losses.is_holding(latest, 0.1)
    assert not losses.is_excess(latest)
    assert not losses.is_holding(after(losses, 6, 294), 0.2)


def test_losses_that_hold_for_long_are_the_paths_own() -> None:
    losses = Losses(now=0.0)
    held = [losses.is_holding(after(losses, 20, 280), step / 10) for step in range(60)]
    assert held[:30] == [True] * 30
    assert not held[-1]


def test_one_excess_is_one_cut() -> None:
    losses = Losses(now=0.0)
    after(losses, 100, 200)
    assert losses.is_cut_due(1.0, is_obeyed=True)
    assert not losses.is_cut_due(1.5, is_obeyed=True)


def test_losses_that_survive_a_cut_are_the_paths_own() -> None:
    losses = Losses(now=0.0)
    after(losses, 45, 255)
    assert losses.is_cut_due(1.0, is_obeyed=True)
    latest = after(losses, 40, 260)
    assert not losses.is_cut_due(2.5, is_obeyed=True)
    assert not losses.is_excess(latest)


def test_losses_that_survive_a_cut_that_was_not_obeyed_say_nothing() -> None:
    losses = Losses(now=0.0)
    after(losses, 45, 255)
    assert losses.is_cut_due(1.0, is_obeyed=False)
    assert losses.is_cut_due(2.5, is_obeyed=False)


def test_losses_beyond_what_can_be_watched_are_never_the_paths_own() -> None:
    losses = Losses(now=0.0)
    after(losses, 150, 150)
    assert losses.is_cut_due(1.0, is_obeyed=True)
    assert losses.is_cut_due(2.5, is_obeyed=True)


def test_a_path_that_becomes_better_is_believed() -> None:
    losses = Losses(now=0.0)
    after(losses, 45, 255)
    losses.is_cut_due(1.0, is_obeyed=True)
    losses.is_cut_due(2.5, is_obeyed=True)
    for _ in range(200):
        after(losses, 0, 300)
    assert losses.is_excess(after(losses, 45, 255))
