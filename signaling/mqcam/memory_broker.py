"""A broker in memory: sessions, filters, retained messages, wills, expiry, and bad weather.

It must not know event loops or the protocol of cameras and viewers. Time is virtual: nothing
happens but in ``advance``. Delay, loss, duplication and reordering come from a seed, so that a
failure can be repeated.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from mqcam.mqtt import FAILURE, NO_SUBSCRIBERS
from mqcam.transport import Incoming, Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.broker import Subscription

NOT_AUTHORIZED = 0x87


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How badly messages travel: delays in seconds each way, the rest as probabilities.

    Loss, duplication and reordering happen between broker and subscriber: a broker's
    acknowledgement is no promise of arrival in reality either.
    """

    delay_s: tuple[float, float] = (0.0, 0.0)
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Session:
    """What the broker keeps of a client while it is away."""

    expiry_s: float
    filters: dict[str, Subscription] = field(default_factory=dict)
    waiting: deque[_Stored] = field(default_factory=deque)
    client: MemoryClient | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    message: Incoming
    expires_at: float


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a filter with ``+`` and ``#`` covers a topic (MQTT 5, section 4.7)."""
    if topic.startswith("$") and topic_filter[:1] in {"+", "#"}:
        return False
    wanted, given = topic_filter.split("/"), topic.split("/")
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(given) or level not in {"+", given[number]}:
            return False
    return len(wanted) == len(given)


class MemoryBroker:
    """Sessions, retained messages, wills, expiry and access rules, in virtual seconds."""

    def __init__(
        self,
        *,
        seed: int = 0,
        weather: Weather | None = None,
        may_publish: Callable[[str, str], bool] = lambda _client_id, _topic: True,
        queue_messages: int = 1000,
        now: float = 0.0,
    ) -> None:
        self.now = now
        self.weather = weather or Weather()
        self.on_planned: Callable[[], None] | None = None
        """Called when something new was planned: ``next_event`` tells when it is due."""
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._may_publish = may_publish
        self._queue_messages = queue_messages
        self._sessions: dict[str, _Session] = {}
        self._retained: dict[str, _Stored] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0

    @property
    def next_event(self) -> float | None:
        """Return when ``advance`` has something to do."""
        return self._events[0][0] if self._events else None

    def advance(self, now: float | None = None) -> None:
        """Let everything happen that is due until ``now``, in order."""
        until = self.now if now is None else max(now, self.now)
        while self._events and self._events[0][0] <= until:
            at, _, action = heapq.heappop(self._events)
            self.now = max(self.now, at)
            action()
        self.now = until

    def retained(self, topic: str) -> bytes | None:
        """Return the retained payload of a topic."""
        stored = self._retained.get(topic)
        return stored.message.payload if stored and stored.expires_at > self.now else None

    # what clients ask for

    def plan(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let ``action`` happen ``delay_s`` from now."""
        self._planned += 1
        heapq.heappush(self._events, (self.now + delay_s, self._planned, action))
        if self.on_planned is not None:
            self.on_planned()

    def delay_s(self) -> float:
        """Draw the time of one way."""
        return self._random.uniform(*self.weather.delay_s)

    def attach(self, client: MemoryClient, *, clean_start: bool, session_expiry_s: float) -> bool:
        """Let a client in; return whether its session was still here."""
        old = self._sessions.get(client.client_id)
        if old is not None and old.client is not None:
            old.client.cut()
        present = old is not None and not clean_start
        if old is None or clean_start:
            old = self._sessions[client.client_id] = _Session(
                expiry_s=session_expiry_s, generation=old.generation if old else 0
            )
        old.client = client
        old.expiry_s = session_expiry_s
        old.generation += 1
        waiting, old.waiting = old.waiting, deque()
        for stored in waiting:
            self._deliver(client.client_id, old, stored)
        return present

    def detach(self, client: MemoryClient, *, clean: bool) -> None:
        """Note that a client left; without ``clean`` its will is published, in time."""
        session = self._sessions.get(client.client_id)
        if session is None or session.client is not client:
            return
        session.client = None
        generation = session.generation

        def is_away() -> bool:
            current = self._sessions.get(client.client_id)
            return current is None or (current is session and session.generation == generation)

        def publish_will() -> None:
            if client.will is not None and is_away():
                self.route(client.will)

        def forget() -> None:
            if self._sessions.get(client.client_id) is session and is_away():
                del self._sessions[client.client_id]

        if not clean and client.will is not None:
            self.plan(min(client.will_delay_s, session.expiry_s), publish_will)
        self.plan(session.expiry_s, forget)

    def subscribe(self, client_id: str, subscription: Subscription) -> None:
        """Subscribe and send what is retained, as ``retain_handling`` says."""
        session = self._sessions[client_id]
        is_new = subscription.topic not in session.filters
        session.filters[subscription.topic] = subscription
        handling = subscription.retain_handling
        if handling == 0 or (handling == 1 and is_new):
            for topic, stored in self._retained.items():
                if matches(subscription.topic, topic):
                    message = replace(stored.message, retained=True)
                    self._deliver(client_id, session, replace(stored, message=message))

    def unsubscribe(self, client_id: str, topic: str) -> None:
        """End a subscription."""
        self._sessions[client_id].filters.pop(topic, None)

    def accept(self, client_id: str, message: Outgoing) -> int:
        """Take a message from a client; return the reason code of MQTT 5."""
        if not self._may_publish(client_id, message.topic):
            return NOT_AUTHORIZED
        return 0 if self.route(message) else NO_SUBSCRIBERS

    def route(self, message: Outgoing) -> int:
        """Store and forward a message; return to how many."""
        incoming = Incoming(topic=message.topic, payload=message.payload)
        stored = _Stored(message=incoming, expires_at=self.now + message.ttl_s)
        if message.retain:
            self._retained.pop(message.topic, None)
            if message.payload:
                self._retained[message.topic] = stored
        receivers = [
            (client_id, session)
            for client_id, session in self._sessions.items()
            if any(matches(topic_filter, message.topic) for topic_filter in session.filters)
        ]
        for client_id, session in receivers:
            self._deliver(client_id, session, stored)
        return len(receivers)

    def _deliver(self, client_id: str, session: _Session, stored: _Stored) -> None:
        if stored.expires_at <= self.now:
            return
        client = session.client
        if client is None:
            if len(session.waiting) < self._queue_messages:  # mosquitto drops the newest, too
                session.waiting.append(stored)
            return
        if self._happens(self.weather.loss):
            return
        generation = session.generation

        def arrive() -> None:
            if session.client is client and session.generation == generation:
                client.take(stored.message)
            elif self._sessions.get(client_id) is session:
                self._deliver(client_id, session, stored)  # not acknowledged: sent again

        copies = 2 if self._happens(self.weather.duplication) else 1
        for _ in range(copies):
            at = self.now + self.delay_s()
            if not self._happens(self.weather.reordering):
                at = client.last_arrival = max(at, client.last_arrival)
            self.plan(at - self.now, arrive)

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability


class MemoryOwner(Protocol):
    """Who is told what arrives at a client."""

    def on_message(self, message: Incoming) -> None:
        """Take a message."""

    def on_answer(self, packet_id: int, code: int, reason: str) -> None:
        """Take the broker's answer to a message of ours."""

    def on_cut(self) -> None:
        """Take the end of the connection."""


class MemoryClient:
    """One client of a ``MemoryBroker``; ``cut`` and ``connect`` may alternate."""

    def __init__(
        self,
        broker: MemoryBroker,
        client_id: str,
        owner: MemoryOwner,
        *,
        will: Outgoing | None = None,
        will_delay_s: float = 0.0,
    ) -> None:
        self.client_id = client_id
        self.will = will
        self.will_delay_s = will_delay_s
        self.last_arrival = 0.0
        self.is_connected = False
        self._broker = broker
        self._owner = owner
        self._last_sent = 0.0
        self._packets = 0
        self._connection = 0

    def connect(
        self,
        subscriptions: Sequence[Subscription],
        *,
        clean_start: bool,
        session_expiry_s: float,
    ) -> bool:
        """Connect and subscribe; return whether the session was still there."""
        present = self._broker.attach(
            self, clean_start=clean_start, session_expiry_s=session_expiry_s
        )
        self._connection += 1
        self.is_connected = True
        for subscription in subscriptions:
            self._broker.subscribe(self.client_id, subscription)
        return present

    def subscribe(self, subscription: Subscription) -> None:
        """Add a subscription to a connected client."""
        self._broker.subscribe(self.client_id, subscription)

    def unsubscribe(self, topic: str) -> None:
        """End a subscription of a connected client."""
        self._broker.unsubscribe(self.client_id, topic)

    def publish(self, message: Outgoing, expiry_s: float) -> int | None:
        """Send a message; return its packet id, None without a connection."""
        if not self.is_connected:
            return None
        self._packets += 1
        packet_id, connection = self._packets, self._connection
        remaining = replace(message, ttl_s=expiry_s)
        broker = self._broker
        at = self._last_sent = max(broker.now + broker.delay_s(), self._last_sent)

        def answer(code: int) -> None:
            if self._connection == connection and self.is_connected:
                reason = "Not authorized" if code >= FAILURE else "Success"
                self._owner.on_answer(packet_id, code, reason)

        def arrive() -> None:
            if self._connection == connection and self.is_connected:
                code = broker.accept(self.client_id, remaining)
                broker.plan(broker.delay_s(), lambda: answer(code))

        broker.plan(at - broker.now, arrive)
        return packet_id

    def take(self, message: Incoming) -> None:
        """Hand a message of the broker on."""
        self._owner.on_message(message)

    def cut(self) -> None:
        """Lose the connection; what is on its way is lost with it."""
        self._leave(clean=False)
        self._owner.on_cut()

    def disconnect(self) -> None:
        """Leave politely: no will is published."""
        self._leave(clean=True)

    def _leave(self, *, clean: bool) -> None:
        if self.is_connected:
            self.is_connected = False
            self._broker.detach(self, clean=clean)
