"""What waits for the broker: bounded, in order, each message with a deadline, few in flight.

It must not know sockets, event loops or the MQTT library: time is an argument, a receipt is
whatever the owner wants back with a message.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from mqcam.transport import Outgoing

Receipt = TypeVar("Receipt")

BYTES_BESIDE_PAYLOAD = 15
"""The most that a QoS 1 PUBLISH adds to topic and payload: type 1, remaining length 4, topic
length 2, packet id 2, property length 1, message expiry 5 (MQTT 5, section 3.3)."""


@dataclass(slots=True, eq=False)
class Parcel(Generic[Receipt]):
    """One message on its way; ``deadline`` is in the owner's seconds."""

    message: Outgoing
    deadline: float
    receipt: Receipt
    is_birth: bool = False
    is_settled: bool = False
    """Its receipt has been served: what is still in flight only keeps its place."""

    @property
    def size(self) -> int:
        """Return an upper bound of the PUBLISH packet's bytes."""
        return len(self.message.topic.encode()) + len(self.message.payload) + BYTES_BESIDE_PAYLOAD


class Outbox(Generic[Receipt]):
    """Messages that wait, and messages that were sent and not acknowledged.

    When ``capacity`` is reached the oldest waiting message is dropped: a newer one replaces it in
    every use that this program makes of a broker (state, offers, candidates).
    """

    def __init__(self, *, capacity: int, window: int) -> None:
        self._capacity = capacity
        self._largest_window = window
        self._window = window
        self._waiting: deque[Parcel[Receipt]] = deque()
        self._in_flight: dict[int, Parcel[Receipt]] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    @property
    def in_flight(self) -> int:
        """Return how many messages are sent and not acknowledged."""
        return len(self._in_flight)

    @property
    def next_deadline(self) -> float | None:
        """Return when ``expire`` has something to do; a deadline may be infinite."""
        soonest = min((parcel.deadline for parcel in self._unsettled()), default=math.inf)
        return soonest if math.isfinite(soonest) else None

    def put(self, parcel: Parcel[Receipt]) -> Parcel[Receipt] | None:
        """Queue a message; return the one that had to make room for it."""
        dropped = self._waiting.popleft() if len(self._waiting) >= self._capacity else None
        self._waiting.append(parcel)
        return dropped

    def connected(self, window: int) -> None:
        """Allow ``window`` messages in flight, at most what the outbox was made for."""
        self._window = max(1, min(window, self._largest_window))

    def lost(self) -> None:
        """Put what was not acknowledged back to the front, in the order in which it was sent."""
        again = [parcel for parcel in self._in_flight.values() if not parcel.is_settled]
        self._in_flight.clear()
        self._waiting.extendleft(reversed(again))

    def give_birth(self, births: list[Parcel[Receipt]]) -> list[Parcel[Receipt]]:
        """Put ``births`` first; return older births and older retained values of their topics.

        What is returned must not be sent: it would overwrite newer state.
        """
        topics = {parcel.message.topic for parcel in births if parcel.message.retain}
        stale = [
            parcel
            for parcel in self._waiting
            if parcel.is_birth or (parcel.message.retain and parcel.message.topic in topics)
        ]
        fresh = [parcel for parcel in self._waiting if not any(parcel is old for old in stale)]
        self._waiting = deque([*births, *fresh])
        return stale

    def take(self) -> Parcel[Receipt] | None:
        """Return the next message to send, if the window allows one.

        Follow with ``sent`` or ``put_back``, or settle its receipt.
        """
        if not self._waiting or len(self._in_flight) >= self._window:
            return None
        return self._waiting.popleft()

    def put_back(self, parcel: Parcel[Receipt]) -> None:
        """Undo ``take``: the message could not be sent now."""
        self._waiting.appendleft(parcel)

    def sent(self, parcel: Parcel[Receipt], packet_id: int) -> None:
        """Note that a message is in flight."""
        self._in_flight[packet_id] = parcel

    def acknowledge(self, packet_id: int) -> Parcel[Receipt] | None:
        """Return the message that the broker answered, None if its receipt was served before."""
        parcel = self._in_flight.pop(packet_id, None)
        if parcel is None or parcel.is_settled:
            return None
        parcel.is_settled = True
        return parcel

    def expire(self, now: float) -> list[Parcel[Receipt]]:
        """Return messages that outlived their deadline; those in flight keep their place there."""
        late = [parcel for parcel in self._unsettled() if parcel.deadline <= now]
        for parcel in late:
            parcel.is_settled = True
        if late:
            self._waiting = deque(parcel for parcel in self._waiting if not parcel.is_settled)
        return late

    def drain(self) -> list[Parcel[Receipt]]:
        """Return and forget everything whose receipt is still owed."""
        owed = self._unsettled()
        self._waiting.clear()
        self._in_flight.clear()
        return owed

    def _unsettled(self) -> list[Parcel[Receipt]]:
        """Return all whose receipt is owed, the oldest first."""
        in_flight = [parcel for parcel in self._in_flight.values() if not parcel.is_settled]
        return [*in_flight, *self._waiting]
