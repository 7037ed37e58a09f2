"""Who gets in at all: passwords and TLS of the shipped configuration in a real mosquitto."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import statistics
import sys
import time
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials, load_credentials
from mqcam.protocol.topics import Namespace
from mqcam_broker.folder.names import SERVER_NAME
from paho.mqtt.enums import MQTTProtocolVersion
from support.broker import SUCCESS, ShippedBroker, free_port, log_in
from support.client import DISCONNECTED, BareClient
from support.handshake import DEADLINE_S, handshake, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUND_TRIPS = 200
NAGLE_S = 0.04
"""What a round trip takes at least when one side forgets TCP_NODELAY."""


@pytest.fixture(scope="module")
def broker() -> Iterator[ShippedBroker]:
    with ShippedBroker() as shipped:
        shipped.credentials("device", "cam1")
        shipped.credentials("viewer", "alice")
        yield shipped


@pytest.fixture
def alice(broker: ShippedBroker) -> Credentials:
    return load_credentials(broker.credentials("viewer", "alice"))


@pytest.fixture
def cam1(broker: ShippedBroker) -> Credentials:
    return load_credentials(broker.credentials("device", "cam1"))


def answer_to(credentials: Credentials) -> str:
    with contextlib.closing(BareClient(credentials)) as client:
        return client.connect()


def test_a_member_gets_in(alice: Credentials) -> None:
    assert log_in(alice) == SUCCESS
    assert answer_to(alice) == "Success"


def test_a_will_above_the_limit_does_not_get_in(alice: Credentials) -> None:
    with contextlib.closing(BareClient(alice)) as client:
        client._client.will_set("mqcam/v1/d/alice/status", b"x" * 65500, qos=1)
        assert client.connect() == DISCONNECTED


def test_the_size_limit_holds_for_older_versions_of_mqtt(
    alice: Credentials, cam1: Credentials
) -> None:
    topic = Namespace().to_device("cam1", "alice", "s1")
    with BareClient(cam1) as device:
        device.subscribe(Namespace().device_filter("cam1"))
        with BareClient(alice, protocol=MQTTProtocolVersion.MQTTv311) as viewer:
            assert viewer.publish(topic, b"x" * 65536) == DISCONNECTED
        with BareClient(alice, protocol=MQTTProtocolVersion.MQTTv311) as viewer:
            viewer.publish(topic, b"next")
            device.wait_for(topic, b"next")
        assert [message.payload for message in device.received] == [b"next"]


@pytest.mark.parametrize("name", [SERVER_NAME, "127.0.0.1"])
def test_the_broker_proves_its_fixed_name_and_its_address(broker: ShippedBroker, name: str) -> None:
    assert handshake(broker, pinned(broker), name) == "TLSv1.3"


def test_the_broker_is_nobody_else(broker: ShippedBroker) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(broker, pinned(broker), "another-broker")


def test_tls_1_2_is_enough(broker: ShippedBroker) -> None:
    context = pinned(broker)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(broker, context) == "TLSv1.2"


def test_an_unencrypted_connection_is_refused(broker: ShippedBroker, alice: Credentials) -> None:
    plain = dataclasses.replace(alice, broker=(f"mqtt://127.0.0.1:{broker.port}",), ca=None)
    assert answer_to(plain) == DISCONNECTED


def test_browsers_have_no_door_unless_asked_for(broker: ShippedBroker) -> None:
    assert broker.log.count("Opening websockets") == 0
    assert "\nprotocol websockets" not in broker.directory.configuration.read_text("utf-8")


def test_a_websocket_opens_where_it_was_asked_for() -> None:
    """Debian's mosquitto has websockets; the listener has the same certificate and rules."""
    ws_port = free_port()
    with ShippedBroker(ws_port=ws_port) as shipped:
        context = pinned(shipped)
        with (
            socket.create_connection(("127.0.0.1", ws_port), timeout=DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname=SERVER_NAME) as secured,
        ):
            secured.sendall(
                b"GET /mqtt HTTP/1.1\r\nHost: mqcam-broker\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
            )
            assert secured.recv(64).startswith(b"HTTP/1.1 101")


def test_a_round_trip_waits_for_nobodys_timer(
    alice: Credentials, cam1: Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    """Offer and answer of usual size; Nagle's algorithm on either side would cost 40 ms."""
    there, back = (
        Namespace().to_device("cam1", "alice", "s1"),
        Namespace().to_viewer("alice", "cam1", "s1"),
    )
    times_s = []
    with BareClient(cam1) as device, BareClient(alice) as viewer:
        device.subscribe(Namespace().device_filter("cam1"))
        viewer.subscribe(Namespace().viewer_filter("alice"))
        for number in range(ROUND_TRIPS):
            body = b"%04d" % number + b"x" * 3000
            begin = time.perf_counter()
            viewer.publish(there, body)
            device.wait_for(there, body)
            device.publish(back, body)
            viewer.wait_for(back, body)
            times_s.append(time.perf_counter() - begin)
            device.received.clear()
            viewer.received.clear()
    median_s, worst_s = statistics.median(times_s), max(times_s)
    with capsys.disabled():
        sys.stdout.write(
            f"\nround trip: median {median_s * 1e3:.2f}, worst {worst_s * 1e3:.1f} ms\n"
        )
    assert median_s < NAGLE_S / 2
