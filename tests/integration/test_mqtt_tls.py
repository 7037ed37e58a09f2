"""Sessions inside TLS and WebSockets: whom they trust and what they say when they do not."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import BrokerTlsError, BrokerUnreachable
from mqcam.mqtt import MqttSession
from mqcam.transport import Delivery, Outgoing
from support.certificates import Authority, Certificate
from support.mosquitto import Mosquitto, mosquitto
from support.mqtt_sessions import settings, watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVER_NAME = "mqcam-broker"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextlib.asynccontextmanager
async def encrypted_mosquitto(
    certificate: Certificate, *listener: str, protocol: str = "mqtts"
) -> AsyncIterator[Mosquitto]:
    files = ("certfile {folder}/server.pem", "keyfile {folder}/server.key")
    async with mosquitto(protocol=protocol, listener=[*files, *listener]) as broker:
        broker.file("server.pem", certificate.certificate_pem)
        broker.file("server.key", certificate.key_pem)
        await broker.start()
        yield broker


@pytest.mark.parametrize(("protocol", "size"), [("mqtts", 25_600), ("wss", 3072)])
async def test_the_name_in_the_certificate_counts_and_not_the_address(
    authority: Authority, protocol: str, size: int
) -> None:
    """The address is 127.0.0.1, the certificate is made for another name.

    mosquitto 2.0.11 takes 0.1 s for each 4 kB of a message inside wss, so that one is small.
    """
    listener = ["protocol websockets"] if protocol == "wss" else []
    async with (
        encrypted_mosquitto(authority.issue(SERVER_NAME), *listener, protocol=protocol) as broker,
        watched(settings(broker.url, ca_pem=authority.pem), topics=["a"]) as one,
    ):
        big = bytes(range(256)) * (size // 256)
        for _ in range(20):
            one.session.send(Outgoing(topic="a", payload=big))
        await one.until_received(20)
        assert set(one.payloads) == {big}


@pytest.mark.parametrize(
    ("server_name", "pinned", "advice"),
    [
        ("mqcam-broker", "another", "same broker"),
        ("another-name", "own", "check server_name"),
        ("mqcam-broker", "expired", "check this machine's clock"),
    ],
)
async def test_a_certificate_that_is_not_trusted_says_what_to_check(
    authority: Authority, server_name: str, pinned: str, advice: str
) -> None:
    ends_in = dt.timedelta(days=-1 if pinned == "expired" else 1)
    trusted = Authority("another") if pinned == "another" else authority
    async with (
        encrypted_mosquitto(authority.issue(server_name, ends_in=ends_in)) as broker,
        watched(settings(broker.url, ca_pem=trusted.pem), connected=False) as one,
    ):
        state = await one.until_error(BrokerTlsError)
        assert advice in str(state.error)
        assert broker.url in str(state.error)


async def test_the_dates_do_not_count_where_the_clock_is_not_synchronised(
    authority: Authority,
) -> None:
    expired = authority.issue(SERVER_NAME, ends_in=dt.timedelta(days=-1))
    async with encrypted_mosquitto(expired) as broker:
        where = replace(settings(broker.url, ca_pem=authority.pem), check_dates=False)
        async with watched(where) as one:
            assert one.session.state.connected


async def test_an_unknown_authority_is_not_trusted_without_a_pin(authority: Authority) -> None:
    async with (
        encrypted_mosquitto(authority.issue(SERVER_NAME)) as broker,
        watched(settings(broker.url), connected=False) as one,
    ):
        await one.until_error(BrokerTlsError)


async def test_tls_on_a_port_without_it_says_so(authority: Authority) -> None:
    async with mosquitto(protocol="mqtts") as broker:
        await broker.start()
        where = settings(broker.url, ca_pem=authority.pem)
        async with watched(where, connected=False) as one:
            state = await one.until_error(Exception)
            assert "is this the encrypted port?" in str(state.error)


async def test_a_pin_that_is_no_certificate_ends_the_session() -> None:
    session = MqttSession(
        settings("mqtts://127.0.0.1:1", ca_pem="no certificate"),
        client_id="x",
        receive=lambda _: None,
        clean_start=True,
        session_expiry_s=0,
    )
    with pytest.raises(BrokerTlsError, match="no PEM certificate"):
        await session.run()
    with pytest.raises(BrokerTlsError):
        await session.wait_connected(5)


async def test_a_websocket_carries_a_session() -> None:
    async with mosquitto(protocol="ws", listener=["protocol websockets"]) as broker:
        await broker.start()
        async with watched(settings(f"{broker.url}/mqtt"), topics=["a"]) as one:
            receipts = [one.session.send(Outgoing(topic="a", payload=bytes(5000)))] * 20
            assert await receipts[-1] is Delivery.ACCEPTED
            await one.until_received(1)


async def test_a_websocket_at_a_port_without_one_says_so() -> None:
    async with mosquitto(protocol="ws") as broker:
        await broker.start()
        async with watched(settings(broker.url), connected=False) as one:
            state = await one.until_error(BrokerUnreachable)
            assert "no WebSocket" in str(state.error)
