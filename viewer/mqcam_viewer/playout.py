"""When a decoded picture is shown: the clock that pictures, and later sound, are played by.

It must not know pictures or sockets: capture times come in as RTP ticks beyond 32 bits, arrivals
in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from typing import Final

REFUSALS: Final = 10
WINDOW_S: Final = 10.0
"""The quickest way from capture to decoded counts for one to two of these: clocks drift."""

MAX_DELAY_S: Final = 1.0


class Playout:
    """Say when each picture is to be shown; one that is older than what was shown never is.

    With a delay of 0, the default, that is at once. With another, each picture is shown that long
    after the quickest one would have been: what arrives unevenly is shown evenly, and a stream of
    sound with the same delay is in step.
    """

    def __init__(self, *, rate_hz: int, delay_s: float = 0.0) -> None:
        self._rate_hz = rate_hz
        self._delay_s = min(max(0.0, delay_s), MAX_DELAY_S)
        self._newest: int | None = None
        self._refused = 0
        self._window_at = float("-inf")
        self._quickest_s = float("inf")
        self._quickest_before_s = float("inf")

    @property
    def delay_s(self) -> float:
        """Return the delay in seconds."""
        return self._delay_s

    @delay_s.setter
    def delay_s(self, value: float) -> None:
        """Set the delay, from 0 to 1 s; what lies outside is brought inside."""
        self._delay_s = min(max(0.0, value), MAX_DELAY_S)

    def show_at(self, ticks: int, ready_at: float) -> float | None:
        """Return when to show a picture that is ready, ``ready_at`` at the earliest; None: never.

        The picture counts as shown by that. One that is very much older begins another count, and
        so does the last of many that are a little older: then it was the newest that was wrong.
        """
        is_older = self._newest is not None and 0 <= self._newest - ticks < WINDOW_S * self._rate_hz
        self._refused = self._refused + 1 if is_older else 0
        if 0 < self._refused < REFUSALS:
            return None
        self._refused = 0
        self._newest = ticks
        captured_s = ticks / self._rate_hz
        self._note(ready_at - captured_s, ready_at)
        if not self._delay_s:
            return ready_at
        quickest_s = min(self._quickest_s, self._quickest_before_s)
        planned = captured_s + quickest_s + self._delay_s
        return min(max(ready_at, planned), ready_at + MAX_DELAY_S)

    def _note(self, transit_s: float, now: float) -> None:
        if now - self._window_at >= WINDOW_S:
            self._window_at = now
            self._quickest_before_s, self._quickest_s = self._quickest_s, float("inf")
        self._quickest_s = min(self._quickest_s, transit_s)
