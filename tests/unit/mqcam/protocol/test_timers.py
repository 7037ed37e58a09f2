"""The pure numbers: deadlines and back-off."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.protocol.backoff import Backoff, Failure, delay_s
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.roles import DEVICE, VIEWER


def test_scaled_deadlines_are_all_scaled() -> None:
    whole, tenth = Deadlines(), Deadlines().scaled(0.1)
    assert tenth.offer_resend_s == pytest.approx((0.3, 0.7))
    for field in fields(Deadlines):
        value = getattr(whole, field.name)
        assert getattr(tenth, field.name) == pytest.approx(
            [part * 0.1 for part in value] if isinstance(value, tuple) else value * 0.1
        )


def test_every_timer_of_a_role_is_a_deadline() -> None:
    names = {field.name for field in fields(Deadlines)}
    for role in (DEVICE, VIEWER):
        assert {timer.field for timer in role.timers.values()} <= names


@given(
    st.sampled_from(Failure),
    st.integers(0, 10_000),
    st.floats(0, 1, exclude_max=True),
)
def test_delay_is_between_half_and_all_of_its_cap(
    failure: Failure, attempt: int, jitter: float
) -> None:
    assert 0.1 <= delay_s(failure, attempt, jitter) <= failure.value


def test_delay_doubles_from_the_first_to_the_cap() -> None:
    delays = [delay_s(Failure.REFUSED, attempt, 1.0) for attempt in range(5)]
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.5, 1.5])
    assert delay_s(Failure.TIMEOUT, 20, 1.0) == 5.0
    assert delay_s(Failure.REJECTED, 20, 1.0) == 30.0


def test_cap_of_a_fleet_raises_refusals_and_time_outs_only() -> None:
    assert delay_s(Failure.REFUSED, 20, 1.0, reconnect_cap_s=60.0) == 60.0
    assert delay_s(Failure.TIMEOUT, 20, 1.0, reconnect_cap_s=1.0) == 5.0
    assert delay_s(Failure.REJECTED, 20, 1.0, reconnect_cap_s=60.0) == 30.0


def test_only_a_stable_connection_makes_the_next_failure_a_first_one() -> None:
    backoff = Backoff()
    for expected in (0.2, 0.4):
        assert backoff.failed(Failure.REFUSED, now=0.0, jitter=1.0) == pytest.approx(expected)
    backoff.connected(1.0)
    assert backoff.failed(Failure.REFUSED, now=10.9, jitter=1.0) == pytest.approx(0.8)
    backoff.connected(20.0)
    assert backoff.failed(Failure.REFUSED, now=30.0, jitter=1.0) == pytest.approx(0.2)
