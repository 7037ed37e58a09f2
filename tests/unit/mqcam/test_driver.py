from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from mqcam.driver import MAX_REASONS, Driver
from mqcam.errors import PublishRefused
from mqcam.protocol.effects import Effect, Ended, Inbound, Reject, Send, SessionKey
from mqcam.transport import Delivery, Incoming, Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = SessionKey(peer="laptop", peer_key="laptop", session="s")
ENDED = Ended(key=KEY, code="closed", text="over", remote=True)


class Script:
    """An endpoint that returns what a test wants."""

    def __init__(self) -> None:
        self.next_deadline: float | None = None
        self.effects: list[Effect] = []
        self.received: list[Inbound] = []
        self.ticked = asyncio.Event()

    def receive(self, message: Inbound, now: float) -> Sequence[Effect]:
        self.received.append(message)
        return self.effects

    def tick(self, now: float) -> Sequence[Effect]:
        self.next_deadline = None
        self.ticked.set()
        return self.effects


class Sent:
    """A transport that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []
        self.receipts: list[asyncio.Future[Delivery]] = []

    def send(self, message: Outgoing) -> asyncio.Future[Delivery]:
        self.messages.append(message)
        self.receipts.append(asyncio.get_running_loop().create_future())
        return self.receipts[-1]


def refusal(text: str) -> Reject:
    """Return a refused message."""
    return Reject(topic="t", code="malformed", text=text)


async def test_sends_go_to_the_transport_and_the_rest_to_the_handler() -> None:
    handled: list[Effect] = []
    endpoint, transport = Script(), Sent()
    driver = Driver(endpoint, handle=handled.append)
    driver.bind(transport)
    driver.apply([Send(topic="a", payload=b"1", retain=True, ttl_s=3.0), ENDED])
    driver.close()

    assert transport.messages == [Outgoing(topic="a", payload=b"1", retain=True, ttl_s=3.0)]
    assert handled == [ENDED]


async def test_a_message_reaches_the_endpoint() -> None:
    endpoint = Script()
    driver = Driver(endpoint, handle=lambda _: None)
    driver.receive(Incoming(topic="t", payload=b"x", retained=True))
    driver.close()

    assert endpoint.received == [Inbound(topic="t", payload=b"x", retained=True)]


async def test_after_the_close_messages_are_ignored() -> None:
    endpoint = Script()
    driver = Driver(endpoint, handle=lambda _: None)
    driver.close()
    driver.receive(Incoming(topic="t", payload=b"x"))

    assert endpoint.received == []


async def test_the_endpoint_is_woken_at_its_deadline() -> None:
    endpoint = Script()
    before: list[bool] = []
    driver = Driver(
        endpoint, handle=lambda _: None, before_tick=lambda: before.append(endpoint.ticked.is_set())
    )
    endpoint.next_deadline = 0.0
    driver.apply([])
    async with asyncio.timeout(5):
        await endpoint.ticked.wait()
    driver.close()

    assert before == [False]


async def test_a_message_that_nobody_heard_is_told_and_the_timer_set_anew() -> None:
    """Refused, cancelled and accepted messages are no news."""
    unheard: list[str] = []
    endpoint, transport = Script(), Sent()

    def undelivered(topic: str, _: float) -> None:
        unheard.append(topic)
        endpoint.next_deadline = 0.0

    driver = Driver(endpoint, handle=lambda _: None, undelivered=undelivered)
    driver.bind(transport)
    driver.apply([Send(topic=topic, payload=b"", retain=False, ttl_s=3.0) for topic in "abcd"])
    accepted, refused, cancelled, alone = transport.receipts
    accepted.set_result(Delivery.ACCEPTED)
    refused.set_exception(PublishRefused("no"))
    cancelled.cancel()
    alone.set_result(Delivery.NO_SUBSCRIBERS)
    async with asyncio.timeout(5):
        await endpoint.ticked.wait()
    driver.close()

    assert unheard == ["d"]


async def test_refusals_are_reported_together(caplog: pytest.LogCaptureFixture) -> None:
    """However many they are, one line tells how many and which was the most frequent."""
    driver = Driver(Script(), handle=lambda _: None)
    with caplog.at_level(logging.WARNING):
        driver.apply([refusal("often")] * 3)
        driver.apply([refusal(f"once {number}") for number in range(MAX_REASONS * 2)])
        driver.close()

    [record] = caplog.records
    fields = record.__dict__["fields"]
    assert fields["count"] == 3 + MAX_REASONS * 2
    assert "many different reasons" in fields["most_often"]


async def test_sending_without_a_transport_is_our_mistake() -> None:
    driver = Driver(Script(), handle=lambda _: None)
    with pytest.raises(RuntimeError, match="bind"):
        driver.apply([Send(topic="a", payload=b"", retain=False, ttl_s=1.0)])
    driver.close()
