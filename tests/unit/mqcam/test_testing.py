"""Endpoints in virtual time, and sessions in an event loop, at the broker in memory."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from mqcam.broker import Subscription
from mqcam.errors import DeliveryTimeout, PublishRefused
from mqcam.protocol.effects import Inbound, Send, StatusChanged
from mqcam.testing import Actor, MemoryBroker, MemorySession, Weather, run_until
from mqcam.transport import Delivery, Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.protocol.effects import Effect
    from mqcam.transport import Incoming, Transport


class Echo:
    """Answer each message, and repeat a greeting every ten seconds."""

    def __init__(self, hears: str, says: str, greets_at: float | None = None) -> None:
        self.hears = hears
        self.says = says
        self.next_deadline = greets_at
        self.heard: list[tuple[float, bytes]] = []

    def receive(self, message: Inbound, now: float) -> Sequence[Effect]:
        self.heard.append((now, message.payload))
        if message.payload == b"hello":
            return [self._send(b"answer"), StatusChanged(device="x", status=None, gone=True)]
        return []

    def tick(self, now: float) -> Sequence[Effect]:
        self.next_deadline = now + 10
        return [self._send(b"hello")]

    def _send(self, payload: bytes) -> Send:
        return Send(topic=self.says, payload=payload, retain=False, ttl_s=5)


class Stuck(Echo):
    """Never let a deadline pass."""

    def tick(self, now: float) -> Sequence[Effect]:
        return []


def actor(broker: MemoryBroker, name: str, endpoint: Echo) -> Actor:
    made = Actor(
        broker, endpoint, client_id=name, subscriptions=[Subscription(topic=endpoint.hears)]
    )
    made.connect()
    return made


def test_endpoints_talk_in_virtual_time() -> None:
    broker = MemoryBroker(weather=Weather(delay_s=(0.5, 0.5)))
    greeter, answerer = Echo("a", "b", greets_at=1.0), Echo("b", "a")
    actors = [actor(broker, "greeter", greeter), actor(broker, "answerer", answerer)]
    run_until(broker, actors, 25)
    assert answerer.heard == [(2.0, b"hello"), (12.0, b"hello"), (22.0, b"hello")]
    assert greeter.heard == [(3.0, b"answer"), (13.0, b"answer"), (23.0, b"answer")]
    assert broker.now == 25
    assert [type(effect) for _, effect in actors[1].effects[:2]] == [Send, StatusChanged]


def test_an_endpoint_whose_deadline_never_passes_is_found_out() -> None:
    broker = MemoryBroker()
    stuck = Stuck("a", "b", greets_at=0.0)
    with pytest.raises(RuntimeError, match="no end of what is due"):
        run_until(broker, [actor(broker, "stuck", stuck)], 1)


async def received(messages: asyncio.Queue[Incoming]) -> bytes:
    async with asyncio.timeout(5):
        return (await messages.get()).payload


async def test_a_session_in_memory_is_a_transport() -> None:
    broker = MemoryBroker(may_publish=lambda _client, topic: topic != "forbidden")
    messages: asyncio.Queue[Incoming] = asyncio.Queue()
    session = MemorySession(
        broker,
        client_id="one",
        receive=messages.put_nowait,
        subscriptions=[Subscription(topic="a")],
        birth=lambda: [Outgoing(topic="a", payload=b"birth")],
    )
    transport: Transport = session
    early = transport.send(Outgoing(topic="a", payload=b"early"))
    session.connect()
    assert await early is Delivery.ACCEPTED
    assert [await received(messages), await received(messages)] == [b"birth", b"early"]
    with pytest.raises(PublishRefused):
        await transport.send(Outgoing(topic="forbidden", payload=b""))
    await session.subscribe(Subscription(topic="b"))
    await session.unsubscribe("a")
    assert await transport.send(Outgoing(topic="a", payload=b"")) is Delivery.NO_SUBSCRIBERS
    await transport.send(Outgoing(topic="b", payload=b"b"))
    assert await received(messages) == b"b"
    await session.stop([Outgoing(topic="b", payload=b"last")])
    with pytest.raises(DeliveryTimeout):
        await transport.send(Outgoing(topic="b", payload=b"too late"))


async def test_what_was_not_acknowledged_outlives_a_cut() -> None:
    broker = MemoryBroker(weather=Weather(delay_s=(0.01, 0.01)))
    messages: asyncio.Queue[Incoming] = asyncio.Queue()
    receiver = MemorySession(
        broker,
        client_id="receiver",
        receive=messages.put_nowait,
        subscriptions=[Subscription(topic="a")],
    )
    sender = MemorySession(broker, client_id="sender", receive=messages.put_nowait)
    receiver.connect()
    sender.connect()
    receipt = sender.send(Outgoing(topic="a", payload=b"1"))
    sender.cut()
    sender.send(Outgoing(topic="a", payload=b"2"))
    sender.connect()
    assert await receipt is Delivery.ACCEPTED
    assert [await received(messages), await received(messages)] == [b"1", b"2"]
    await sender.stop()
    await receiver.stop()


async def test_a_receiver_that_fails_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = MemoryBroker()
    messages: asyncio.Queue[Incoming] = asyncio.Queue()

    def fail(_message: Incoming) -> None:
        raise LookupError("planted")

    wanted = [Subscription(topic="a")]
    bad = MemorySession(broker, client_id="bad", receive=fail, subscriptions=wanted)
    good = MemorySession(
        broker, client_id="good", receive=messages.put_nowait, subscriptions=wanted
    )
    bad.connect()
    good.connect()
    with caplog.at_level(logging.ERROR):
        await good.send(Outgoing(topic="a", payload=b"1"))
        assert await received(messages) == b"1"
    assert "planted" in caplog.text
    await bad.stop()
    await good.stop()
