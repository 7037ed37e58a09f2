"""What rows of failures mean."""

from __future__ import annotations

import pytest
from mqcam.broker import MqttTimings
from mqcam.errors import (
    BrokerError,
    BrokerRefused,
    BrokerTimeout,
    BrokerTlsError,
    BrokerTooOld,
    BrokerUnreachable,
)
from mqcam.mqtt.reconnection import ClosedUnanswered, Reconnection, most_telling


def new() -> Reconnection:
    return Reconnection(client_id="cam-1", timings=MqttTimings())


@pytest.mark.parametrize(
    ("error", "cap_s"),
    [
        (BrokerUnreachable("x"), 1.5),
        (BrokerTimeout("x"), 5.0),
        (BrokerRefused("x"), 30.0),
        (BrokerTlsError("x"), 30.0),
        (BrokerTooOld("x"), 30.0),
    ],
)
def test_each_kind_of_failure_has_its_longest_wait(error: BrokerError, cap_s: float) -> None:
    reconnection = new()
    waits = [reconnection.failed(error, now=0, jitter=1)[1] for _ in range(20)]
    assert waits == sorted(waits)
    assert waits[-1] == cap_s


def test_a_connection_that_lasted_makes_the_next_wait_short_again() -> None:
    reconnection = new()
    for _ in range(20):
        reconnection.failed(BrokerTimeout("x"), now=0, jitter=1)
    reconnection.connected(100)
    assert reconnection.failed(BrokerUnreachable("x"), now=111, jitter=1)[1] < 0.5


def test_three_early_losses_are_a_duel_and_wait_long() -> None:
    reconnection = new()
    for now in (0, 10):
        reconnection.connected(now)
        error, _ = reconnection.failed(BrokerUnreachable("lost"), now=now + 4, jitter=1)
        assert type(error) is BrokerUnreachable
    reconnection.connected(20)
    error, wait_s = reconnection.failed(BrokerUnreachable("lost"), now=24, jitter=1)
    assert isinstance(error, BrokerRefused)
    assert "cam-1" in str(error)
    assert wait_s == 30


def test_a_connection_that_lasted_ends_a_row_of_early_losses() -> None:
    reconnection = new()
    for start, end in ((0, 1), (10, 11), (20, 40), (50, 51), (60, 61)):
        reconnection.connected(start)
        error, _ = reconnection.failed(BrokerUnreachable("lost"), now=end, jitter=1)
        assert type(error) is BrokerUnreachable


def test_two_unanswered_connections_in_a_row_are_an_old_broker() -> None:
    reconnection = new()
    silent = ClosedUnanswered("closed", address="mqtt://nas:1883")
    assert reconnection.failed(silent, now=0, jitter=0)[0] is silent
    error, _ = reconnection.failed(silent, now=1, jitter=0)
    assert isinstance(error, BrokerTooOld)
    assert error.address == "mqtt://nas:1883"
    reconnection.failed(BrokerTimeout("x"), now=2, jitter=0)
    assert reconnection.failed(silent, now=3, jitter=0)[0] is silent


def test_the_failure_that_says_most_is_told() -> None:
    refused, silent, dead = BrokerRefused("x"), BrokerTimeout("x"), BrokerUnreachable("x")
    assert most_telling([dead, silent, refused]) is refused
    assert most_telling([dead, silent]) is silent
    assert most_telling([dead]) is dead
