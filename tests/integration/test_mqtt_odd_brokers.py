"""Sessions at brokers that are too old, at odds with themselves, or shared with a double."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fakes.mqtt_server import NO_MQTT_5, NO_MQTT_5_POLITELY, MqttServer, accepted, mqtt_server
from mqcam.broker import MqttTimings, Subscription
from mqcam.errors import BrokerError, BrokerRefused, BrokerTooOld, PublishRefused, SubscribeRefused
from mqcam.transport import Outgoing
from support.mosquitto import running_mosquitto
from support.mqtt_sessions import settings, watched


@pytest.mark.parametrize("connack", [NO_MQTT_5, NO_MQTT_5_POLITELY, None])
async def test_a_broker_without_mqtt_5_is_named_so(connack: bytes | None) -> None:
    """It answers as MQTT 3.1.1 says, as MQTT 5 says, or closes the connection, twice."""
    async with (
        mqtt_server(MqttServer(connack=connack)) as server,
        watched(settings(server.url), connected=False) as one,
    ):
        state = await one.until_error(BrokerTooOld)
        assert "speaks no MQTT 5" in str(state.error)


async def test_a_refused_subscription_is_told_and_tried_again_later() -> None:
    async with (
        mqtt_server(MqttServer(suback_code=0x87)) as server,
        watched(settings(server.url), topics=["mine"], connected=False) as one,
    ):
        state = await one.until_error(SubscribeRefused)
        assert "mine" in str(state.error)
        server.suback_code = 1
        await one.until(lambda found: found.session.state.connected)


async def test_a_refused_subscription_of_many_leaves_the_session_alone() -> None:
    async with mqtt_server(MqttServer()) as server, watched(settings(server.url)) as one:
        server.suback_code = 0x87
        with pytest.raises(SubscribeRefused):
            await one.session.subscribe(Subscription(topic="theirs"))
        assert one.session.state.connected


async def test_a_quota_that_is_exceeded_fails_the_message() -> None:
    async with (
        mqtt_server(MqttServer(puback_code=0x97)) as server,
        watched(settings(server.url)) as one,
    ):
        with pytest.raises(PublishRefused):
            await one.session.send(Outgoing(topic="a", payload=b""))


async def test_no_more_messages_are_under_way_than_the_broker_allows() -> None:
    server = MqttServer(connack=accepted(receive_maximum=3), puback_code=None)
    async with mqtt_server(server), watched(settings(server.url)) as one:
        receipts = [one.session.send(Outgoing(topic="a", payload=b"%d" % n)) for n in range(10)]
        await server.until_payloads(3)
        await asyncio.sleep(0.1)  # time enough for a fourth that must not come
        assert server.payloads == [b"0", b"1", b"2"]
        for count in range(4, 11):
            server.acknowledge()
            await server.until_payloads(count)
        for _ in range(3):
            server.acknowledge()
        await asyncio.gather(*receipts)
        assert server.payloads == [b"%d" % n for n in range(10)]


async def test_what_was_not_acknowledged_is_sent_again_in_order() -> None:
    server = MqttServer(puback_code=None)
    async with mqtt_server(server), watched(settings(server.url)) as one:
        receipts = [one.session.send(Outgoing(topic="a", payload=b"%d" % n)) for n in range(3)]
        await server.until_payloads(3)
        server.acknowledge()
        await receipts[0]
        assert one.session._link is not None
        one.session._link.close()
        server.puback_code = 0
        await asyncio.gather(*receipts)
        assert server.payloads == [b"0", b"1", b"2", b"1", b"2"]


async def test_a_duel_over_one_client_id_is_noticed() -> None:
    """Two programs with one id throw each other out for ever, unless one slows down."""
    async with (
        running_mosquitto() as broker,
        watched(settings(broker.url), "twin") as one,
        watched(settings(broker.url), "twin", connected=False) as two,
    ):

        async def noticed() -> str:
            tasks = [asyncio.create_task(each.until_error(BrokerRefused)) for each in (one, two)]
            done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            return str(done.pop().result().error)

        assert "another program probably uses our client id twin" in await noticed()


@pytest.mark.parametrize(
    ("farewell", "told"),
    [
        (b"\xe0\x02\x8e\x00", "another client with our id replaced us"),
        (b"\xe0\x02\x8b\x00", "Server shutting down"),
        (b"\xe0\x02\xff\xff", "lost"),
        (b"\x30\x05\x00\x02\xff\xfe\x00", "lost"),
        (b"\x00\x00", "lost"),
        (b"\x40\x01\x00", "lost"),
        (b"\xff\xff\xff\xff\xff\xff", "lost"),
    ],
)
async def test_whatever_a_broker_says_last_ends_in_a_sentence(farewell: bytes, told: str) -> None:
    server = MqttServer(close_after_s=0.05, farewell=farewell)
    async with mqtt_server(server), watched(settings(server.url)) as one:
        state = await one.until_error(BrokerError)
        assert told in str(state.error)


async def test_a_broker_that_drops_us_after_a_while_is_no_duel() -> None:
    timings = replace(MqttTimings(), duel_s=0.02)
    async with (
        mqtt_server(MqttServer(close_after_s=0.1)) as server,
        watched(settings(server.url), timings=timings) as one,
    ):
        await one.until(lambda found: found.session.state.reconnects == 4)
        assert not any(isinstance(state.error, BrokerRefused) for state in one.states)
