"""When a request that has no answer is sent again: a check of ICE, a question, a flight of DTLS.

It must not know what is sent, nor to whom: time goes in, times come out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOOR_S: Final = 0.05
"""The shortest wait: a slow peer needs a while to sign its part of a key exchange."""
REPEAT_LIMIT: Final = 7
"""From the floor on, doubled each time, so many waits last 6.4 s of the 10 in which to connect."""


def waits(rtt_s: float | None = None) -> Iterator[float]:
    """Yield the waits in seconds before each repeat; ``rtt_s`` is the round trip, where known.

    The first is two round trips, at least 50 ms; then doubled, so that a path that is slower than
    it seemed, or is full, is not filled with repeats (RFC 6298 section 5.5).
    """
    wait_s = max(FLOOR_S, 2 * (rtt_s or 0.0))
    for _ in range(REPEAT_LIMIT):
        yield wait_s
        wait_s *= 2


class Repeats:
    """The repeats of one connectivity check whose round trip is not known yet.

    ``due_at`` is when the next one is due, infinity when there will be none.
    """

    __slots__ = ("_trigger_at", "_trigger_wait_s", "_waits", "began_at", "due_at")

    def __init__(self, now: float) -> None:
        self.began_at = now
        self._waits = waits()
        self.due_at = now + next(self._waits)
        self._trigger_at = now
        self._trigger_wait_s = FLOOR_S

    def take(self, now: float) -> bool:
        """Tell whether a repeat is due, and count it as sent."""
        if now < self.due_at:
            return False
        self._postpone(now)
        return True

    def trigger(self, now: float) -> bool:
        """Tell whether a check of the peer may cause a repeat now, and count it as sent.

        The first one may at once, the others after 50, 100, 200 ms ...: as the round trip is not
        known, they are at most one in each, nearly.
        """
        if now < self._trigger_at:
            return False
        self._trigger_at = now + self._trigger_wait_s
        self._trigger_wait_s *= 2
        self._postpone(now)
        return True

    def _postpone(self, now: float) -> None:
        self.due_at = now + next(self._waits, math.inf)
