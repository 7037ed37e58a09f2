"""What we use of paho-mqtt beyond its public names still exists and means what it meant."""

from __future__ import annotations

import inspect
import socket

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
