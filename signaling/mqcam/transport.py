"""What the two ends hand to a broker session and get from it, and the interface between them.

It must not know which library, broker or network carries the messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message on its way to the broker, which forgets it ``ttl_s`` seconds from now.

    That holds for retained messages, too; ``math.inf`` lasts for ever.
    """

    topic: str
    payload: bytes
    retain: bool = False
    ttl_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message from the broker; ``retained`` if it was stored before we subscribed."""

    topic: str
    payload: bytes
    retained: bool = False


class Delivery(Enum):
    """How the broker took a message: acceptance is all it says, arrival is for the peer to say."""

    ACCEPTED = "accepted"
    """The broker took the message."""
    NO_SUBSCRIBERS = "no subscribers"
    """The broker took the message and nobody listens at present (MQTT 5, reason code 0x10)."""


Receive = Callable[[Incoming], None]
"""Called in the event loop; must not block. What it raises is logged and goes no further."""


class Transport(Protocol):
    """What carries messages between the two ends."""

    def send(self, message: Outgoing) -> asyncio.Future[Delivery]:
        """Queue a message without blocking.

        The future may be ignored. It fails with a ``BrokerError``: ``DeliveryTimeout`` if the
        message outlived its ``ttl_s`` or was pushed out of a full queue, ``PublishRefused`` if
        the broker forbids it or it is too large for it.
        """
        ...
