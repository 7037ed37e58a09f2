from __future__ import annotations

import ctypes
import time

import pytest
from mqcam_device.wallclock import believable_second, changes, is_synchronised


class Kernel:
    """Stands for the C library; its clock is in this state."""

    def __init__(self, state: int) -> None:
        self._state = state

    def adjtimex(self, _buffer: object) -> int:
        """Say how the clock is."""
        return self._state


@pytest.mark.parametrize(("state", "is_good"), [(0, True), (4, True), (5, False), (-1, False)])
def test_a_clock_is_believed_as_the_kernel_believes_it(
    monkeypatch: pytest.MonkeyPatch, state: int, is_good: bool
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Kernel(state))
    assert is_synchronised() is is_good
    second = believable_second()
    assert (second is not None) is is_good
    assert second is None or abs(second - time.time()) < 5


def test_a_system_without_the_question_has_no_believable_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not is_synchronised()


async def test_a_clock_that_becomes_right_or_wrong_is_told_each_time_and_only_then() -> None:
    answers = iter([False, False, True, True, False])
    told = changes(False, ask=lambda: next(answers), poll_s=0)
    assert [await anext(told), await anext(told)] == [True, False]
    await told.aclose()


async def test_a_clock_that_is_otherwise_than_was_said_is_told_at_once() -> None:
    told = changes(True, ask=lambda: False, poll_s=60)
    assert await anext(told) is False
    await told.aclose()
