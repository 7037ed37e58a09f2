"""What a row of failures means, and how long to wait after each.

It must not know sockets or clocks: a failure, a time and a random number are arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.errors import (
    BrokerError,
    BrokerRefused,
    BrokerTimeout,
    BrokerTlsError,
    BrokerTooOld,
    BrokerUnreachable,
    SubscribeRefused,
)
from mqcam.protocol.backoff import Backoff, Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.broker import MqttTimings

SILENT_CLOSES = 2
"""A broker that so often in a row closes instead of answering does not understand MQTT 5."""
TELLING = (BrokerRefused, BrokerTooOld, BrokerTlsError, BrokerTimeout, BrokerUnreachable)
"""Which of several failures is told: the one that a person can do most about comes first."""


class ClosedUnanswered(BrokerUnreachable):
    """The broker ended the connection instead of answering CONNECT."""


def most_telling(errors: Sequence[BrokerError]) -> BrokerError:
    """Return the one of several failures that is worth telling."""
    return min(errors, key=_rank)


class Reconnection:
    """Remember what failed in a row: too old a broker, and a duel over one client id."""

    def __init__(
        self, *, client_id: str, timings: MqttTimings, reconnect_cap_s: float | None = None
    ) -> None:
        self._client_id = client_id
        self._timings = timings
        self._backoff = Backoff(reconnect_cap_s=reconnect_cap_s, stable_s=timings.stable_s)
        self._connected_at: float | None = None
        self._silent_closes = 0
        self._early_losses = 0

    def connected(self, now: float) -> None:
        """Note that the broker let us in."""
        self._connected_at = now
        self._silent_closes = 0
        self._backoff.connected(now)

    def failed(self, error: BrokerError, *, now: float, jitter: float) -> tuple[BrokerError, float]:
        """Return what to tell about a failure, and the seconds to wait; jitter is in [0, 1)."""
        self._count(error, now)
        if self._early_losses >= self._timings.duel_losses:
            duel = BrokerRefused(
                f"the connection was lost {self._early_losses} times just after it was made: "
                f"another program probably uses our client id {self._client_id}; end one of them",
                address=error.address,
            )
            return duel, Failure.REJECTED.value * (0.5 + 0.5 * jitter)
        if self._silent_closes >= SILENT_CLOSES:
            error = BrokerTooOld(
                "it closes the connection instead of answering: it speaks no MQTT 5 (mosquitto "
                "does from 1.6 on), or address and port are not those of a broker",
                address=error.address,
            )
        return error, self._backoff.failed(_class_of(error), now=now, jitter=jitter)

    def _count(self, error: BrokerError, now: float) -> None:
        if self._connected_at is not None:
            is_early = now - self._connected_at < self._timings.duel_s
            self._early_losses = self._early_losses + 1 if is_early else 0
            self._connected_at = None
        is_silent = isinstance(error, ClosedUnanswered)
        self._silent_closes = self._silent_closes + 1 if is_silent else 0


def _rank(error: BrokerError) -> int:
    return next(
        (rank for rank, kind in enumerate(TELLING) if isinstance(error, kind)), len(TELLING)
    )


def _class_of(error: BrokerError) -> Failure:
    if isinstance(error, BrokerTimeout):
        return Failure.TIMEOUT
    if isinstance(error, BrokerRefused | BrokerTlsError | BrokerTooOld | SubscribeRefused):
        return Failure.REJECTED
    return Failure.REFUSED
