"""Who may cause a keyframe: each viewer seldom, all together of one layer not too often.

It must not know units, processes or an event loop: clock and timers are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

MOST: Final = 2
REFILL_S: Final = 2.0
"""A viewer may cause so many keyframes, and one more each time this has passed."""

ON_ITS_WAY_ROUND_TRIPS: Final = 1.5
"""A request this soon after a keyframe left was made before it was seen."""


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> object:
        """Forget the call."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class Verdict(Enum):
    """What becomes of a viewer's request; EXHAUSTED is the first that is refused in a row."""

    GRANTED = "granted"
    NEEDLESS = "needless"
    EXHAUSTED = "exhausted"
    REFUSED = "refused"


class Allowance:
    """How many keyframes one viewer may still cause.

    What it asks again before one has come is the same request and costs nothing; so does what a
    joining viewer asks before its first.
    """

    def __init__(self, now: float) -> None:
        self._tokens = float(MOST)
        self._counted_at = now
        self._is_waiting = True
        self._is_exhausted = False
        self._sent_at = float("-inf")

    def judge(self, now: float, *, round_trip_s: float = 0.0) -> Verdict:
        """Decide on a request, and charge it when it is granted."""
        if now - self._sent_at < ON_ITS_WAY_ROUND_TRIPS * round_trip_s:
            return Verdict.NEEDLESS
        if self._is_waiting:
            return Verdict.GRANTED
        self._tokens = min(self._tokens + (now - self._counted_at) / REFILL_S, MOST)
        self._counted_at = now
        if self._tokens < 1:
            verdict = Verdict.REFUSED if self._is_exhausted else Verdict.EXHAUSTED
            self._is_exhausted = True
            return verdict
        self._tokens -= 1
        self._is_waiting, self._is_exhausted = True, False
        return Verdict.GRANTED

    def note_keyframe(self, now: float, *, is_sent: bool) -> None:
        """Note that a keyframe came, and whether it could be sent."""
        self._is_waiting = False
        if is_sent:
            self._sent_at = now


class Requests:
    """Requests for keyframes of one layer, put together: one each ``interval_s`` at most.

    It begins as if one had just been asked for: an activated encoder begins with a keyframe.
    """

    def __init__(
        self,
        ask: Callable[[], None],
        *,
        interval_s: float,
        clock: Callable[[], float],
        call_later: CallLater,
    ) -> None:
        self._ask = ask
        self._interval_s = interval_s
        self._clock = clock
        self._call_later = call_later
        self._asked_at = clock()
        self._timer: Timer | None = None

    def want(self) -> None:
        """Ask now, or when the interval ends."""
        if self._timer is not None:
            return
        rest_s = self._asked_at + self._interval_s - self._clock()
        if rest_s > 0:
            self._timer = self._call_later(rest_s, self._fire)
        else:
            self._fire()

    def settle(self) -> None:
        """Note a keyframe: whoever waited for the timer is served, or nobody looks any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._asked_at = self._clock()
        self._ask()
