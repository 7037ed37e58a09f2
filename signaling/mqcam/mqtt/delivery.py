"""Carry messages from their senders to whatever connection there is, and the answers back.

It must not know how connections are made, nor the MQTT library.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from mqcam.errors import BrokerError, DeliveryTimeout, PublishRefused
from mqcam.log import fields
from mqcam.mqtt.outbox import Outbox, Parcel
from mqcam.transport import Delivery, Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

Receipt = asyncio.Future[Delivery]

FAILURE = 0x80
"""MQTT 5, section 2.4: reason codes from here on are failures."""
NO_SUBSCRIBERS = 0x10
LONGEST_TOPIC_BYTES = 65_535


class Publisher(Protocol):
    """A connection, as far as delivery needs one."""

    def publish(self, message: Outgoing, expiry_s: float) -> int | None:
        """Send a message; return its packet id, None if the connection is gone."""


class PostOffice:
    """Own the outbox, the receipts of its messages, and the timer of their deadlines."""

    def __init__(self, *, capacity: int, window: int) -> None:
        self._outbox: Outbox[Receipt] = Outbox(capacity=capacity, window=window)
        self._publisher: Publisher | None = None
        self._largest_packet_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def send(self, message: Outgoing) -> Receipt:
        """Queue a message, see ``Transport.send``."""
        loop = asyncio.get_running_loop()
        receipt: Receipt = loop.create_future()
        receipt.add_done_callback(_retrieve)
        problem = _unpublishable(message.topic)
        if problem is not None:
            receipt.set_exception(PublishRefused(problem))
        elif self._is_closed:
            receipt.set_exception(DeliveryTimeout("the session has ended"))
        else:
            dropped = self._outbox.put(Parcel(message, loop.time() + message.ttl_s, receipt))
            if dropped is not None:
                _fail(dropped, DeliveryTimeout("too many messages wait: the oldest was dropped"))
            self.flush()
        return receipt

    def connected(
        self,
        publisher: Publisher,
        *,
        window: int,
        largest_packet_bytes: int,
        births: Sequence[Outgoing],
    ) -> None:
        """Use a new connection: ``births`` go first, then what was not acknowledged, in order."""
        loop = asyncio.get_running_loop()
        parcels: list[Parcel[Receipt]] = []
        for message in births:
            receipt: Receipt = loop.create_future()
            receipt.add_done_callback(_report_birth)
            parcels.append(Parcel(message, loop.time() + message.ttl_s, receipt, is_birth=True))
        for stale in self._outbox.give_birth(parcels):
            _fail(stale, DeliveryTimeout("a newer value took its place"))
        self._outbox.connected(window)
        self._largest_packet_bytes = largest_packet_bytes
        self._publisher = publisher
        self.flush()

    def lost(self) -> None:
        """Keep what was not acknowledged for the next connection."""
        self._publisher = None
        self._outbox.lost()

    def answered(self, packet_id: int, code: int, reason: str) -> None:
        """Settle a message with the broker's answer to it."""
        parcel = self._outbox.acknowledge(packet_id)
        if parcel is None or parcel.receipt.done():
            return
        if code >= FAILURE:
            topic = parcel.message.topic
            _fail(parcel, PublishRefused(f"no message may be published on {topic} ({reason})"))
        else:
            accepted = Delivery.NO_SUBSCRIBERS if code == NO_SUBSCRIBERS else Delivery.ACCEPTED
            parcel.receipt.set_result(accepted)

    def flush(self) -> None:
        """Send what the window allows; without a connection messages wait."""
        loop = asyncio.get_running_loop()
        while self._publisher is not None and (parcel := self._outbox.take()) is not None:
            if parcel.receipt.done():
                continue
            if parcel.size > self._largest_packet_bytes:
                limit = self._largest_packet_bytes
                reason = f"a message of {parcel.size} bytes: the broker takes at most {limit}"
                _fail(parcel, PublishRefused(reason))
                continue
            packet_id = self._publisher.publish(parcel.message, parcel.deadline - loop.time())
            if packet_id is None:
                self._outbox.put_back(parcel)
                break
            self._outbox.sent(parcel, packet_id)
        self._watch_deadlines()

    def close(self) -> None:
        """Serve every receipt that is still owed, and all later ones, with a failure."""
        self._is_closed = True
        self._publisher = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for parcel in self._outbox.drain():
            _fail(parcel, DeliveryTimeout("the session has ended"))

    def _watch_deadlines(self) -> None:
        deadline = self._outbox.next_deadline
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return  # at worst it fires early and looks again
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        for parcel in self._outbox.expire(asyncio.get_running_loop().time()):
            _fail(parcel, DeliveryTimeout("the broker did not take the message in time"))
        self._watch_deadlines()


def _fail(parcel: Parcel[Receipt], error: BrokerError) -> None:
    if not parcel.receipt.done():
        parcel.receipt.set_exception(error)


def _retrieve(receipt: Receipt) -> None:
    """Mark an error as seen: senders may ignore their receipt."""
    if not receipt.cancelled():
        receipt.exception()


def _report_birth(receipt: Receipt) -> None:
    error = None if receipt.cancelled() else receipt.exception()
    if isinstance(error, PublishRefused):
        logger.warning("status not published", extra=fields(reason=error))


def _unpublishable(topic: str) -> str | None:
    if not topic or any(character in topic for character in "+#\0"):
        return f"not a topic to publish on: {topic!r}"
    try:
        length = len(topic.encode())
    except UnicodeEncodeError:
        return f"not a topic to publish on: {topic!r}"
    return "the topic is too long" if length > LONGEST_TOPIC_BYTES else None
