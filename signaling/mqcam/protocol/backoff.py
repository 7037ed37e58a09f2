"""How long to wait before the next attempt to reach a broker.

It must not know brokers or clocks: a failure, a time and a random number come in as arguments.
"""

from __future__ import annotations

from enum import Enum

FIRST_S = 0.2
"""The delay after the first failure, before jitter."""
STABLE_S = 10.0
"""A connection that held this long makes the next failure a first one again."""

_DOUBLINGS_MAX = 16


class Failure(Enum):
    """Tell the failures apart that wait differently; the value is the cap in seconds."""

    REFUSED = 1.5
    """Nobody listens, or a connection that stood was lost."""
    TIMEOUT = 5.0
    """No answer came in time."""
    REJECTED = 30.0
    """User, password, client id or certificate were not accepted."""


def delay_s(
    failure: Failure, attempt: int, jitter: float, *, reconnect_cap_s: float | None = None
) -> float:
    """Return the seconds to wait before the next attempt.

    ``attempt`` counts failures from 0, ``jitter`` is random in [0, 1): half of the delay is
    certain, half is jitter. ``reconnect_cap_s`` raises the caps of refusals and time-outs, so
    that a fleet does not come back all at once; it never lowers one.
    """
    cap_s = failure.value
    if reconnect_cap_s is not None and failure is not Failure.REJECTED:
        cap_s = max(cap_s, reconnect_cap_s)
    full_s: float = min(cap_s, FIRST_S * 2.0 ** min(attempt, _DOUBLINGS_MAX))
    return full_s * (0.5 + 0.5 * jitter)


class Backoff:
    """Count failures in a row and say how long to wait after each."""

    def __init__(self, *, reconnect_cap_s: float | None = None, stable_s: float = STABLE_S) -> None:
        self._reconnect_cap_s = reconnect_cap_s
        self._stable_s = stable_s
        self._attempt = 0
        self._connected_at: float | None = None

    def connected(self, now: float) -> None:
        """Note that the broker accepted us at ``now``."""
        self._connected_at = now

    def failed(self, failure: Failure, *, now: float, jitter: float) -> float:
        """Return the seconds to wait after a failure at ``now``; ``jitter`` is in [0, 1)."""
        if self._connected_at is not None and now - self._connected_at >= self._stable_s:
            self._attempt = 0
        self._connected_at = None
        wait_s = delay_s(failure, self._attempt, jitter, reconnect_cap_s=self._reconnect_cap_s)
        self._attempt += 1
        return wait_s
