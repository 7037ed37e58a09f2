"""Sessions with several addresses, some of them dead; nothing blocks the event loop."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace

import pytest
from fakes.mqtt_server import MqttServer, blackhole, mqtt_server, refusing_port
from mqcam.broker import MqttTimings
from mqcam.errors import BrokerTimeout, BrokerUnreachable
from support.certificates import Authority
from support.mosquitto import running_mosquitto
from support.mqtt_sessions import settings, watched

UNANSWERED = replace(MqttTimings(), open_s=0.6, connack_s=0.6)


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws"])
async def test_a_dead_first_address_costs_less_than_a_second(scheme: str) -> None:
    with blackhole() as silent, refusing_port() as refused:
        async with running_mosquitto() as broker:
            for port in (silent, refused):
                where = settings(f"{scheme}://127.0.0.1:{port}", broker.url, ca_pem=Authority().pem)
                start = time.monotonic()
                async with watched(where) as one:
                    assert time.monotonic() - start < 1
                    assert one.session.state.address == broker.url
                    assert one.session.state.reconnects == 0


async def test_an_address_that_worked_is_the_first_one_next_time() -> None:
    with blackhole() as silent:
        async with (
            running_mosquitto() as broker,
            watched(settings(f"mqtt://127.0.0.1:{silent}", broker.url)) as one,
        ):
            assert one.session._link is not None
            one.session._link.close()
            await one.until_error(BrokerUnreachable)
            start = time.monotonic()
            await one.session.wait_connected(5)
            assert time.monotonic() - start < 0.45  # back-off of 0.2 s, no patience of 0.5 s


async def test_two_addresses_of_one_broker_make_one_connection() -> None:
    async with mqtt_server(MqttServer()) as server:
        async with watched(settings(server.url, server.url)) as one:
            await asyncio.sleep(0.4)  # longer than the head start of the first address
            assert one.session.state.reconnects == 0
        assert server.connects == 1


@pytest.mark.parametrize("others", ["none", "dead", "same"])
async def test_a_slow_broker_is_waited_for(others: str) -> None:
    """It answers after 0.8 s; patience ends after 0.5 s only if there is something better."""
    with refusing_port() as refused:
        async with mqtt_server(MqttServer(connack_after_s=0.8)) as server:
            more = {"none": [], "dead": [f"mqtt://127.0.0.1:{refused}"], "same": [server.url]}
            async with watched(settings(server.url, *more[others])) as one:
                assert len(one.states) == 1
            assert server.connects == (2 if others == "same" else 1)


async def test_the_socket_neither_waits_for_more_nor_for_ever() -> None:
    async with running_mosquitto() as broker, watched(settings(broker.url)) as one:
        assert one.session._link is not None
        sock = one.session._link._sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 8000


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws", "wss"])
async def test_a_silent_broker_blocks_neither_the_loop_nor_stop(scheme: str) -> None:
    longest_s = 0.0

    async def tick() -> None:
        nonlocal longest_s
        while True:
            start = time.monotonic()
            await asyncio.sleep(0.005)
            longest_s = max(longest_s, time.monotonic() - start)

    ticker = asyncio.create_task(tick())
    with blackhole() as silent:
        where = settings(f"{scheme}://127.0.0.1:{silent}", ca_pem=Authority().pem)
        async with watched(where, timings=UNANSWERED, connected=False) as one:
            await one.until_error(BrokerTimeout)
        async with watched(where, connected=False) as one:
            await asyncio.sleep(0.1)
            start = time.monotonic()
            await one.session.stop()
            assert time.monotonic() - start < 0.5
    ticker.cancel()
    assert longest_s < 0.2


async def test_a_name_that_nobody_knows_says_so() -> None:
    async with watched(settings("mqtt://name.invalid"), connected=False) as one:
        state = await one.until_error(BrokerUnreachable)
        assert "its name is not known" in str(state.error)


async def test_all_machines_behind_a_name_are_tried() -> None:
    """``localhost`` is ::1 and 127.0.0.1 on most machines; the broker listens on one."""
    async with (
        running_mosquitto() as broker,
        watched(settings(f"mqtt://localhost:{broker.port}")) as one,
    ):
        assert one.session.state.connected
