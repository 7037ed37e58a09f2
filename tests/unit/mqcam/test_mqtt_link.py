"""What we use of paho-mqtt beyond its public names still exists and means what it meant."""

from __future__ import annotations

import inspect
import socket

from mqcam.errors import BrokerRefused, BrokerTooOld, BrokerUnreachable
from mqcam.mqtt_terms import LinkOptions, refusal
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion


def test_paho_asks_one_method_for_its_socket() -> None:
    """Without it ``connect`` would open a socket of its own and block the event loop."""
    assert inspect.signature(Client._create_socket_connection).parameters.keys() == {"self"}
    ours, theirs = socket.socketpair()

    class Ours(Client):
        def _create_socket_connection(self) -> socket.socket:
            return ours

    client = Ours(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    with ours, theirs:
        assert client.connect("host", 1883) is MQTTErrorCode.MQTT_ERR_SUCCESS
        assert client.socket() is ours
        assert theirs.recv(100)[0] == 0x10  # CONNECT


def test_each_refusal_says_what_to_check() -> None:
    assert isinstance(refusal(0x84, "x", "a"), BrokerTooOld)
    for code in (0x85, 0x86, 0x87, 0x8A, 0x8C):
        error = refusal(code, "Not authorized", "mqtt://nas:1883")
        assert isinstance(error, BrokerRefused)
        assert "check user, password" in str(error)
    busy = refusal(0x89, "Server busy", "a")
    assert isinstance(busy, BrokerUnreachable)
    assert busy.retryable


def test_options_show_no_password() -> None:
    options = LinkOptions(
        client_id="a",
        clean_start=True,
        session_expiry_s=0,
        keepalive_s=15,
        largest_incoming_bytes=1,
        password="hunter2",
    )
    assert "hunter2" not in repr(options)
