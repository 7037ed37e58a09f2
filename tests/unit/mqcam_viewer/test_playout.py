"""When pictures are shown."""

from __future__ import annotations

import random

import pytest
from mqcam_viewer.playout import MAX_DELAY_S, Playout

RATE_HZ = 90_000
FRAME = 3000


def test_without_a_delay_a_picture_is_shown_when_it_is_ready() -> None:
    playout = Playout(rate_hz=RATE_HZ)

    assert [playout.show_at(number * FRAME, 7.0 + number) for number in range(3)] == [7.0, 8.0, 9.0]


def test_one_that_is_older_than_what_was_shown_is_never_shown() -> None:
    playout = Playout(rate_hz=RATE_HZ)
    playout.show_at(5 * FRAME, 1.0)

    assert playout.show_at(4 * FRAME, 1.1) is None
    assert playout.show_at(5 * FRAME, 1.1) is None
    assert playout.show_at(5 * FRAME + 90, 1.1) == 1.1


def test_a_camera_that_counts_anew_is_followed() -> None:
    playout = Playout(rate_hz=RATE_HZ)
    playout.show_at(10_000 * RATE_HZ, 1.0)

    assert playout.show_at(0, 2.0) == 2.0
    assert playout.show_at(FRAME, 2.1) == 2.1


def test_with_a_delay_uneven_arrivals_are_shown_evenly() -> None:
    chance = random.Random(1)  # noqa: S311 - a network, not a secret
    playout = Playout(rate_hz=RATE_HZ, delay_s=0.1)
    playout.show_at(0, 50.0)
    for number in range(1, 100):
        ready_at = 50.0 + number / 30 + chance.random() * 0.09
        shown_at = playout.show_at(number * FRAME, ready_at)
        assert shown_at == pytest.approx(50.1 + number / 30)


def test_what_is_later_than_the_delay_is_shown_at_once() -> None:
    playout = Playout(rate_hz=RATE_HZ, delay_s=0.1)
    playout.show_at(0, 50.0)

    assert playout.show_at(FRAME, 51.0) == 51.0


@pytest.mark.parametrize("drift", [0.9999, 1.0001])
def test_clocks_that_drift_apart_are_followed(drift: float) -> None:
    """A ten-thousandth is 0.36 s an hour."""
    playout = Playout(rate_hz=RATE_HZ, delay_s=0.1)
    for number in range(30 * 3600):
        ready_at = number / 30 * drift
        shown_at = playout.show_at(number * FRAME, ready_at)
        assert shown_at is not None
        assert 0.095 <= shown_at - ready_at <= 0.105


def test_the_delay_is_bounded() -> None:
    playout = Playout(rate_hz=RATE_HZ)
    playout.delay_s = 7.0
    assert playout.delay_s == MAX_DELAY_S
    playout.delay_s = -1.0
    assert playout.delay_s == 0.0
    playout.delay_s = 1.0
    playout.show_at(0, 0.0)
    leap = playout.show_at(2**40, 1.0)

    assert leap is not None
    assert leap <= 1.0 + MAX_DELAY_S


def test_one_wrong_timestamp_does_not_stop_the_picture() -> None:
    playout = Playout(rate_hz=90_000)
    assert playout.show_at(0, 1.0) is not None
    assert playout.show_at(8 * 90_000, 1.03) is not None
    shown = [playout.show_at(3000 * number, 1.03 + number / 30) for number in range(1, 30)]

    assert shown[:9] == [None] * 9
    assert None not in shown[9:]
