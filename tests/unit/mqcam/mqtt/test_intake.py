from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.mqtt.intake import REPORT_S, Intake
from mqcam.transport import Incoming

if TYPE_CHECKING:
    import pytest

POISON = Incoming(topic="a/b", payload=b"poison")


class Clock:
    """A time that moves when it is told to."""

    now = 5.0

    def __call__(self) -> float:
        return self.now


def stumble(message: Incoming) -> None:
    if message == POISON:
        raise OverflowError(message.topic)


def counts(caplog: pytest.LogCaptureFixture) -> list[object]:
    return [vars(record)["fields"]["count"] for record in caplog.records]


def test_mistake_of_the_receiver_is_told_with_its_traceback_and_ends_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Intake(stumble).take(POISON)
    [record] = caplog.records
    assert record.getMessage() == "a message was not handled"
    assert record.exc_info is not None
    assert record.exc_info[0] is OverflowError


def test_message_that_does_it_again_and_again_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    intake = Intake(stumble, clock=clock)
    for _ in range(10_000):
        intake.take(POISON)
    assert counts(caplog) == [1]
    clock.now += REPORT_S
    intake.take(POISON)
    assert counts(caplog) == [1, 10_000]


def test_messages_behind_a_mistake_are_handed_over() -> None:
    received: list[Incoming] = []

    def receive(message: Incoming) -> None:
        stumble(message)
        received.append(message)

    intake = Intake(receive)
    after = Incoming(topic="a/b", payload=b"good")
    intake.take(POISON)
    intake.take(after)
    assert received == [after]
