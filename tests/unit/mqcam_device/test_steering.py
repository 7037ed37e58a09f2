from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.steering import LEAST, MOST, Steering

CEILING_BPS = 4_000_000
FRAME_S = 1 / 30


def steering(bitrate_bps: int = 1_500_000) -> Steering:
    return Steering(bitrate_bps=bitrate_bps, max_bitrate_bps=CEILING_BPS)


def test_pictures_of_the_right_size_change_nothing() -> None:
    account = steering()
    for _ in range(100):
        account.note(bits=50_000, elapsed_s=FRAME_S)
    assert account.asked_bps == 1_500_000


def test_a_keyframe_is_paid_back_and_then_forgotten() -> None:
    account = steering()
    account.note(bits=250_000, elapsed_s=FRAME_S)
    assert account.asked_bps < 1_200_000
    for _ in range(60):
        account.note(bits=int(account.asked_bps * FRAME_S), elapsed_s=FRAME_S)
    assert 1_400_000 <= account.asked_bps <= 1_600_000


def test_a_new_rate_is_asked_for_at_once() -> None:
    account = steering()
    account.aim(800_000)
    assert account.asked_bps == 800_000
    account.aim(2_500_000)
    assert account.asked_bps == 2_500_000


def test_an_hour_of_stillness_earns_no_burst() -> None:
    account = steering()
    for _ in range(30 * 3600):
        account.note(bits=100, elapsed_s=FRAME_S)
    account.note(bits=250_000 + 300_000, elapsed_s=FRAME_S)
    assert account.asked_bps < 1_200_000


def test_small_changes_are_not_told() -> None:
    account = steering()
    account.note(bits=55_000, elapsed_s=FRAME_S)
    assert account.asked_bps == 1_500_000


@given(
    st.lists(
        st.tuples(st.integers(0, 4_000_000), st.floats(0.0, 0.5), st.integers(100_000, CEILING_BPS))
    )
)
def test_what_is_asked_for_stays_within_its_bounds(steps: list[tuple[int, float, int]]) -> None:
    account = steering()
    for bits, elapsed_s, bitrate_bps in steps:
        account.aim(bitrate_bps)
        account.note(bits=bits, elapsed_s=elapsed_s)
        assert account.asked_bps <= CEILING_BPS
        assert LEAST * bitrate_bps * 0.96 <= account.asked_bps <= MOST * bitrate_bps * 1.04
