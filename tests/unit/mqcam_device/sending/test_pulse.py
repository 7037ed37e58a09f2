from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam_device.sending.pulse import PULSE_S, Pulse

if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """Timers that a test lets run out; at most one waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: Callable[[], None] | None = None

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timers:
        """Remember a call."""
        assert delay_s == PULSE_S
        assert self.waiting is None
        self.waiting = call
        return self

    def cancel(self) -> None:
        """Forget it."""
        self.waiting = None

    def beat(self) -> None:
        """Let the time come."""
        call, self.waiting = self.waiting, None
        assert call is not None
        self.now += PULSE_S
        call()


def test_all_members_are_called_by_one_timer() -> None:
    timers = Timers()
    pulse = Pulse(clock=lambda: timers.now, call_later=timers.call_later)
    one: list[float] = []
    other: list[float] = []
    pulse.join(one.append)
    pulse.join(other.append)
    timers.beat()
    timers.beat()

    assert one == other == [PULSE_S, 2 * PULSE_S]


def test_nobody_costs_nothing() -> None:
    timers = Timers()
    pulse = Pulse(clock=lambda: timers.now, call_later=timers.call_later)
    heard: list[float] = []
    assert timers.waiting is None
    pulse.join(heard.append)
    pulse.leave(heard.append)
    pulse.leave(heard.append)

    assert timers.waiting is None


def test_a_member_may_leave_while_it_is_called() -> None:
    timers = Timers()
    pulse = Pulse(clock=lambda: timers.now, call_later=timers.call_later)
    heard: list[float] = []

    def once(now: float) -> None:
        heard.append(now)
        pulse.leave(once)

    pulse.join(once)
    timers.beat()

    assert heard == [PULSE_S]
    assert timers.waiting is None
