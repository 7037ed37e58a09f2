"""A session at a healthy broker."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from mqcam.broker import Subscription
from mqcam.errors import BrokerRefused, DeliveryTimeout, PublishRefused
from mqcam.transport import Delivery, Incoming, Outgoing
from support.mosquitto import Mosquitto, mosquitto, running_mosquitto
from support.mqtt_sessions import settings, watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def test_messages_arrive_in_the_order_in_which_they_were_sent() -> None:
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), topics=["a/+"]) as one,
    ):
        receipts = [one.session.send(Outgoing(topic="a/b", payload=b"%d" % n)) for n in range(100)]
        assert set(await asyncio.gather(*receipts)) == {Delivery.ACCEPTED}
        await one.until_received(100)
        assert one.payloads == [b"%d" % n for n in range(100)]


async def test_a_round_trip_is_not_delayed_by_nagle(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the figure; 20 ms is half of what one delayed acknowledgement costs."""
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), topics=["a/b"]) as one,
    ):
        times_s = []
        for count in range(1, 101):
            start = time.perf_counter()
            one.session.send(Outgoing(topic="a/b", payload=bytes(3000)))
            await one.until_received(count)
            times_s.append(time.perf_counter() - start)
    times_s.sort()
    with capsys.disabled():
        print(f"\nmqtt round trip of 3 kB: p50 {times_s[50] * 1e3:.2f} ms")  # noqa: T201
    assert times_s[50] < 0.02


async def test_a_message_that_nobody_listens_to_says_so() -> None:
    async with running_mosquitto() as broker, watched(settings(broker.url)) as one:
        receipt = one.session.send(Outgoing(topic="nobody/here", payload=b""))
        assert await receipt is Delivery.NO_SUBSCRIBERS


async def test_a_retained_message_is_told_apart_and_can_be_left_out() -> None:
    async with running_mosquitto() as broker, watched(settings(broker.url), "first") as one:
        await one.session.send(Outgoing(topic="s/1", payload=b"old", retain=True))
        async with watched(settings(broker.url), "second", topics=["s/1"]) as two:
            await two.until_received(1)
            await one.session.send(Outgoing(topic="s/1", payload=b"new", retain=True))
            await two.until_received(2)
        assert two.received == [
            Incoming(topic="s/1", payload=b"old", retained=True),
            Incoming(topic="s/1", payload=b"new"),
        ]
        async with watched(settings(broker.url), "third") as three:
            await three.session.subscribe(Subscription(topic="s/+", retain_handling=2))
            await one.session.send(Outgoing(topic="s/2", payload=b"live"))
            await three.until_received(1)
        assert three.payloads == [b"live"]


async def test_an_unsubscribed_topic_is_silent() -> None:
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), topics=["a", "b"]) as one,
    ):
        await one.session.unsubscribe("a")
        await one.session.send(Outgoing(topic="a", payload=b"unheard"))
        await one.session.send(Outgoing(topic="b", payload=b"heard"))
        await one.until_received(1)
        assert one.payloads == [b"heard"]


async def test_a_birth_follows_the_subscriptions_and_precedes_what_waited() -> None:
    """The state that waited for a connection is older than the birth and must not replace it."""
    births = [Outgoing(topic="st", payload=b"birth", retain=True)]
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), topics=["#"], birth=lambda: births, connected=False) as one,
    ):
        stale = one.session.send(Outgoing(topic="st", payload=b"stale", retain=True))
        one.session.send(Outgoing(topic="other", payload=b"waited"))
        await one.until_received(2)
        assert one.payloads == [b"birth", b"waited"]
        with pytest.raises(DeliveryTimeout):
            await stale


async def test_the_last_messages_are_published_and_no_will() -> None:
    will = Outgoing(topic="st", payload=b"gone", retain=True)
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), "observer", topics=["st"]) as observer,
    ):
        async with watched(settings(broker.url), "leaver", will=will) as leaver:
            await leaver.session.stop([Outgoing(topic="st", payload=b"offline", retain=True)])
        await observer.until_received(1)
        await observer.session.send(Outgoing(topic="st", payload=b"end"))
        await observer.until_received(2)
        assert observer.payloads == [b"offline", b"end"]


async def test_a_receiver_that_fails_does_not_end_the_session() -> None:
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), topics=["a"]) as one,
    ):
        healthy = one.session._intake._receive

        def fail(_: Incoming) -> None:
            one.session._intake._receive = healthy
            raise LookupError("planted")

        one.session._intake._receive = fail
        await one.session.send(Outgoing(topic="a", payload=b"1"))
        await one.session.send(Outgoing(topic="a", payload=b"2"))
        await one.until_received(1)
        assert one.payloads == [b"2"]
        assert one.session.state.reconnects == 0


async def test_a_will_is_published_when_the_socket_is_cut() -> None:
    will = Outgoing(topic="st", payload=b"gone", ttl_s=60)
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), "observer", topics=["st"]) as observer,
        watched(settings(broker.url), "victim", will=will) as victim,
    ):
        assert victim.session._link is not None
        victim.session._link.close()
        await observer.until_received(1)
        assert observer.payloads == [b"gone"]
        await victim.until(lambda one: one.session.state.connected)
        assert victim.session.state.reconnects == 1


async def test_a_message_larger_than_the_broker_takes_is_refused_here() -> None:
    """Sent all the same, mosquitto would end the connection."""
    async with (
        running_mosquitto("max_packet_size 2000") as broker,
        watched(settings(broker.url), topics=["a"]) as one,
    ):
        with pytest.raises(PublishRefused, match="at most 2000"):
            await one.session.send(Outgoing(topic="a", payload=bytes(2000)))
        await one.session.send(Outgoing(topic="a", payload=bytes(1900)))
        await one.until_received(1)
        assert one.session.state.reconnects == 0


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b"])
async def test_what_is_no_topic_is_refused_here(topic: str) -> None:
    async with running_mosquitto() as broker, watched(settings(broker.url)) as one:
        with pytest.raises(PublishRefused):
            await one.session.send(Outgoing(topic=topic, payload=b""))


@contextlib.asynccontextmanager
async def alices_mosquitto() -> AsyncIterator[Mosquitto]:
    """Run a broker that knows alice, whose password is secret, and lets her use one topic."""
    async with mosquitto(
        "password_file {folder}/passwords", "acl_file {folder}/acl", anonymous=False
    ) as broker:
        passwords = broker.file("passwords", "alice:secret\n")
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)  # noqa: ASYNC221
        broker.file("acl", "user alice\ntopic readwrite allowed\n")
        await broker.start()
        yield broker


async def test_a_wrong_password_is_told_and_not_repeated_in_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with alices_mosquitto() as broker:
        wrong = settings(broker.url, username="alice", password="hunter2")
        async with watched(wrong, connected=False) as one:
            with pytest.raises(BrokerRefused, match="unknown there or was removed"):
                await one.session.wait_connected(60)  # does not wait for what waiting cannot cure
            state = one.session.state
        assert "hunter2" not in caplog.text + repr(state) + repr(wrong)
        assert caplog.text.count("broker not reached") == 1


async def test_a_forbidden_publish_fails_and_the_session_goes_on() -> None:
    async with alices_mosquitto() as broker:
        right = settings(broker.url, username="alice", password="secret")
        async with watched(right, topics=["allowed"]) as one:
            with pytest.raises(PublishRefused, match="forbidden/topic"):
                await one.session.send(Outgoing(topic="forbidden/topic", payload=b""))
            await one.session.send(Outgoing(topic="allowed", payload=b"yes"))
            await one.until_received(1)
            assert one.session.state.reconnects == 0


async def test_a_message_without_a_broker_expires_in_time() -> None:
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), connected=True) as one,
    ):
        await broker.kill()
        start = time.monotonic()
        with pytest.raises(DeliveryTimeout):
            await one.session.send(Outgoing(topic="a", payload=b"", ttl_s=0.3))
        assert 0.25 < time.monotonic() - start < 2
        ignored = one.session.send(Outgoing(topic="a", payload=b"", ttl_s=60))
    assert isinstance(ignored.exception(), DeliveryTimeout)
