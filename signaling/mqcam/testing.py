"""A broker in memory and an envelope without secrets, for tests of whatever speaks through them.

``Actor`` and ``run_until`` drive protocol endpoints in virtual time and without an event loop,
``MemorySession`` stands for an ``MqttSession`` inside one. It must not know the protocol of
cameras and viewers beyond the shape of an endpoint.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from mqcam.driver import outgoing
from mqcam.errors import Unauthentic
from mqcam.log import fields
from mqcam.memory_broker import MemoryBroker as MemoryBroker  # noqa: PLC0414 - one place to import
from mqcam.memory_broker import MemoryClient as MemoryClient  # noqa: PLC0414
from mqcam.memory_broker import Weather as Weather  # noqa: PLC0414
from mqcam.memory_broker import matches as matches  # noqa: PLC0414
from mqcam.mqtt import PostOffice, Receipt
from mqcam.protocol.effects import Inbound, Send
from mqcam.protocol.envelope import Opened
from mqcam.protocol.topics import Kind, Namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.broker import Subscription
    from mqcam.driver import Endpoint
    from mqcam.protocol.effects import Effect
    from mqcam.protocol.envelope import Recipient
    from mqcam.transport import Incoming, Outgoing, Receive

logger = logging.getLogger(__name__)

WINDOW = 20
OUTBOX_MESSAGES = 256
LARGEST_PACKET_BYTES = 1 << 20
STEPS_WITHOUT_TIME = 100_000


class PlainEnvelope:
    """Pass bodies through: the sender's name in the topic stands for its key.

    Nothing is protected by it; the programs always sign and seal.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = Namespace(namespace)

    def open(self, topic: str, payload: bytes) -> Opened:
        """Return the payload itself; raise Unauthentic for another wire form."""
        names = self._namespace.parse(topic)
        if names is None or not payload.startswith(b"{"):
            raise Unauthentic("the payload is no plain body of somebody who has a name")
        key = names.viewer if names.kind is Kind.TO_DEVICE else names.device
        return Opened(body=payload, key=key, seal_key=key)

    def seal(self, topic: str, body: bytes, recipient: Recipient | None) -> bytes:  # noqa: ARG002
        """Return the body itself."""
        return body

    def forget(self, topic: str) -> None:
        """Forget nothing: nothing is known."""


class Actor:
    """An endpoint at a ``MemoryBroker``: sends its effects, hands the others to ``handle``.

    ``handle`` may return more effects; all are kept in ``effects`` with their time.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        endpoint: Endpoint,
        *,
        client_id: str,
        subscriptions: Sequence[Subscription],
        handle: Callable[[Effect, float], Sequence[Effect]] = lambda _effect, _now: (),
        will: Outgoing | None = None,
        will_delay_s: float = 0.0,
        clean_start: bool = True,
        session_expiry_s: float = 0.0,
    ) -> None:
        self.endpoint = endpoint
        self.effects: list[tuple[float, Effect]] = []
        self.client = MemoryClient(broker, client_id, self, will=will, will_delay_s=will_delay_s)
        self._broker = broker
        self._subscriptions = tuple(subscriptions)
        self._handle = handle
        self._clean_start = clean_start
        self._session_expiry_s = session_expiry_s

    def connect(self) -> None:
        """Connect, or connect again after a cut."""
        self.client.connect(
            self._subscriptions,
            clean_start=self._clean_start,
            session_expiry_s=self._session_expiry_s,
        )

    def apply(self, effects: Sequence[Effect]) -> None:
        """Carry out effects in order; what is sent without a connection is lost."""
        for effect in effects:
            self.effects.append((self._broker.now, effect))
            if isinstance(effect, Send):
                self.client.publish(outgoing(effect), effect.ttl_s)
            else:
                self.apply(self._handle(effect, self._broker.now))

    def tick(self) -> None:
        """Let the endpoint see the time."""
        self.apply(self.endpoint.tick(self._broker.now))

    def on_message(self, message: Incoming) -> None:
        """Hand a message to the endpoint."""
        inbound = Inbound(topic=message.topic, payload=message.payload, retained=message.retained)
        self.apply(self.endpoint.receive(inbound, self._broker.now))

    def on_answer(self, packet_id: int, code: int, reason: str) -> None:
        """Ignore the broker's answer: the peer's answer is what counts."""

    def on_cut(self) -> None:
        """Stay away until ``connect``."""


def run_until(broker: MemoryBroker, actors: Sequence[Actor], until: float) -> None:
    """Let broker and endpoints act, each at its time, until ``until``.

    Raises ``RuntimeError`` if they keep each other busy without time passing.
    """
    steps = 0
    while (soonest := _soonest(broker, actors)) <= until:
        steps = steps + 1 if soonest <= broker.now else 0
        if steps > STEPS_WITHOUT_TIME:
            raise RuntimeError(f"no end of what is due at {broker.now:g} s")
        broker.advance(soonest)
        for actor in actors:
            deadline = actor.endpoint.next_deadline
            if deadline is not None and deadline <= broker.now:
                actor.tick()
    broker.advance(until)


def _soonest(broker: MemoryBroker, actors: Sequence[Actor]) -> float:
    deadlines = (actor.endpoint.next_deadline for actor in actors)
    return min((at for at in (broker.next_event, *deadlines) if at is not None), default=math.inf)


class MemorySession:
    """Implement ``Transport`` over a ``MemoryBroker`` in a running event loop.

    The first session of a broker makes it follow the loop's clock. ``cut`` and ``reconnect``
    stand for the network.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        client_id: str,
        receive: Receive,
        subscriptions: Sequence[Subscription] = (),
        birth: Callable[[], Sequence[Outgoing]] = tuple,
        will: Outgoing | None = None,
        will_delay_s: float = 0.0,
        clean_start: bool = True,
        session_expiry_s: float = 0.0,
    ) -> None:
        self._broker = broker
        self._receive = receive
        self._subscriptions = {item.topic: item for item in subscriptions}
        self._birth = birth
        self._clean_start = clean_start
        self._session_expiry_s = session_expiry_s
        self._client = MemoryClient(broker, client_id, self, will=will, will_delay_s=will_delay_s)
        self._office = PostOffice(capacity=OUTBOX_MESSAGES, window=WINDOW)

    def connect(self) -> None:
        """Connect, or connect again after ``cut``."""
        if self._broker.on_planned is None:
            follow_loop(self._broker)
        self._client.connect(
            tuple(self._subscriptions.values()),
            clean_start=self._clean_start,
            session_expiry_s=self._session_expiry_s,
        )
        self._office.connected(
            self._client,
            window=WINDOW,
            largest_packet_bytes=LARGEST_PACKET_BYTES,
            births=self._birth(),
        )

    def send(self, message: Outgoing) -> Receipt:
        """Queue a message, see ``Transport.send``."""
        return self._office.send(message)

    async def subscribe(self, subscription: Subscription) -> None:
        """Subscribe now and after each reconnection."""
        self._subscriptions[subscription.topic] = subscription
        if self._client.is_connected:
            self._client.subscribe(subscription)

    async def unsubscribe(self, topic: str) -> None:
        """End a subscription."""
        self._subscriptions.pop(topic, None)
        if self._client.is_connected:
            self._client.unsubscribe(topic)

    def cut(self) -> None:
        """Lose the connection."""
        self._client.cut()

    async def stop(self, last: Sequence[Outgoing] = ()) -> None:
        """Publish the last messages and leave politely."""
        receipts = [self.send(message) for message in last]
        if receipts and self._client.is_connected:
            await asyncio.wait(receipts, timeout=1.0)
        self._client.disconnect()
        self._office.close()

    def on_message(self, message: Incoming) -> None:
        """Hand a message to the receiver, whose errors end here."""
        try:
            self._receive(message)
        except Exception:
            logger.exception("a message was not handled", extra=fields(topic=message.topic))

    def on_answer(self, packet_id: int, code: int, reason: str) -> None:
        """Settle a message of ours."""
        self._office.answered(packet_id, code, reason)
        self._office.flush()

    def on_cut(self) -> None:
        """Keep what was not acknowledged for the next connection."""
        self._office.lost()


def follow_loop(broker: MemoryBroker) -> None:
    """Let a broker's time be that of the running event loop."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def wake() -> None:
        nonlocal timer
        timer = None
        broker.advance(loop.time())
        schedule()

    def schedule() -> None:
        nonlocal timer
        due = broker.next_event
        if due is None or (timer is not None and timer.when() <= due):
            return
        if timer is not None:
            timer.cancel()
        timer = loop.call_at(due, wake)

    broker.advance(loop.time())
    broker.on_planned = schedule
    schedule()
