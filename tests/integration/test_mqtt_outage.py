"""A session whose broker stops, dies or freezes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
from mqcam.broker import MqttTimings
from mqcam.errors import BrokerTimeout, BrokerUnreachable, DeliveryTimeout
from mqcam.transport import Delivery, Outgoing
from support.mosquitto import Mosquitto, mosquitto, running_mosquitto
from support.mqtt_sessions import Watched, settings, watched

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGES = 230
OUTAGE_S = 0.5


async def _send_slowly(one: Watched, count: int) -> Sequence[Delivery]:
    receipts = []
    for number in range(count):
        receipts.append(one.session.send(Outgoing(topic="d", payload=b"%d" % number, ttl_s=30)))
        await asyncio.sleep(0.005)
    return await asyncio.gather(*receipts)


async def _interrupt(broker: Mosquitto, end: Literal["stop", "kill"]) -> None:
    await asyncio.sleep(0.2)
    await (broker.stop() if end == "stop" else broker.kill())
    await asyncio.sleep(OUTAGE_S)
    await broker.start()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_nothing_is_lost_while_a_broker_restarts(end: Literal["stop", "kill"]) -> None:
    """At least once, the first copies in order: what QoS 1 promises.

    The receiver's session is saved with every change, as a broker that may lose its power must.
    """
    saving = (
        "persistence true",
        "persistence_location {folder}/",
        "autosave_on_changes true",
        "autosave_interval 1",
    )
    async with mosquitto(*saving) as broker:
        await broker.start()
        where = settings(broker.url)
        async with (
            watched(
                where, "camera", topics=["d"], clean_start=False, session_expiry_s=20
            ) as camera,
            watched(where, "viewer") as viewer,
        ):
            interruption = asyncio.create_task(_interrupt(broker, end))
            await _send_slowly(viewer, MESSAGES)
            await interruption
            await camera.until(lambda one: len(set(one.payloads)) == MESSAGES)
            assert list(dict.fromkeys(camera.payloads)) == [b"%d" % n for n in range(MESSAGES)]
            repeated = len(camera.payloads) - MESSAGES
            assert repeated <= 2 * MqttTimings().window_messages
            assert camera.session.state.reconnects >= 1


async def test_a_subscription_outlives_a_broker_that_forgets_everything() -> None:
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), topics=["d"], clean_start=False, session_expiry_s=20) as one,
    ):
        await broker.kill()
        await one.until_error(BrokerUnreachable)
        await broker.start()
        await one.until(lambda found: found.session.state.connected)
        await one.session.send(Outgoing(topic="d", payload=b"again"))
        await one.until_received(1)
        assert one.session.state.reconnects == 1


async def test_a_session_finds_a_broker_that_comes_later() -> None:
    """A refused connection is tried again within 1.5 s, so a broker that starts is found soon."""
    async with (
        mosquitto() as broker,
        watched(settings(broker.url), connected=False) as one,
    ):
        await one.until_error(BrokerUnreachable)
        with pytest.raises(BrokerUnreachable, match="nothing listens there"):
            await one.session.wait_connected(0.01)
        await broker.start()
        start = time.monotonic()
        await one.session.wait_connected(5)
        assert time.monotonic() - start < 3


async def test_a_frozen_broker_is_noticed_by_its_silence() -> None:
    async with (
        running_mosquitto() as broker,
        watched(
            settings(broker.url), timings=replace(MqttTimings(), keepalive_s=1, connack_s=0.5)
        ) as one,
    ):
        broker.pause()
        waiting = one.session.send(Outgoing(topic="d", payload=b"", ttl_s=0.5))
        with pytest.raises(DeliveryTimeout):
            await waiting
        await one.until_error(BrokerUnreachable)
        await one.until_error(BrokerTimeout)
        broker.resume()
        await one.until(lambda found: found.session.state.connected)


async def test_what_the_kernel_takes_only_in_part_arrives_whole() -> None:
    async with running_mosquitto() as broker, watched(settings(broker.url)) as one:
        broker.pause()
        receipts = [
            one.session.send(Outgoing(topic="d", payload=bytes(1_000_000))) for _ in range(20)
        ]
        done, _ = await asyncio.wait(receipts, timeout=0.2)
        assert not done
        broker.resume()
        assert set(await asyncio.gather(*receipts)) == {Delivery.NO_SUBSCRIBERS}
        assert one.session.state.reconnects == 0


async def test_stop_is_quick_whatever_the_broker_does() -> None:
    async with running_mosquitto() as broker:
        async with watched(settings(broker.url)) as one:
            broker.pause()
            start = time.monotonic()
            await one.session.stop([Outgoing(topic="d", payload=b"last")])
            assert time.monotonic() - start < 2.2
        broker.resume()
        await broker.kill()
        async with watched(settings(broker.url), connected=False) as one:
            await one.until_error(BrokerUnreachable)
            start = time.monotonic()
            await one.session.stop([Outgoing(topic="d", payload=b"last")])
            assert time.monotonic() - start < 0.5


async def test_a_queue_that_overflows_drops_the_oldest() -> None:
    async with (
        mosquitto() as broker,
        watched(
            settings(broker.url),
            topics=["d"],
            connected=False,
            timings=replace(MqttTimings(), outbox_messages=3),
        ) as one,
    ):
        receipts = [one.session.send(Outgoing(topic="d", payload=b"%d" % n)) for n in range(5)]
        with pytest.raises(DeliveryTimeout, match="oldest was dropped"):
            await receipts[0]
        await broker.start()
        await one.until_received(3)
        assert one.payloads == [b"2", b"3", b"4"]
