"""A bare MQTT client that a test drives step by step, in its own thread, with deadlines.

It must not know mqcam's own MQTT session: what the broker does is judged without it.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mqcam.credentials import Credentials
    from paho.mqtt.reasoncodes import ReasonCode

DEADLINE_S = 5.0
POLL_S = 0.05
DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Received:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes when the client is lost."""

    topic: str
    payload: bytes
    retain: bool = False


class BareClient:
    """One connection at a time; every method waits for the broker's answer and returns it."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        client_id: str | None = None,
        will: Will | None = None,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        context: ssl.SSLContext | None = None,
    ) -> None:
        settings = credentials.broker_settings()
        self._address = settings.addresses[0]
        self.received: list[Received] = []
        self._answers: dict[tuple[str, int], str] = {}
        self._connack: str | None = None
        self.session_present = False
        self._lost = False
        self._protocol = protocol
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or f"{credentials.name}-test",
            protocol=protocol,
            reconnect_on_failure=False,
        )
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password)
        if self._address.scheme.is_encrypted:
            pinned = ssl.create_default_context(cadata=settings.ca_pem)
            pinned.check_hostname = (
                False  # paho would compare with the address; see test_broker_door
            )
            self._client.tls_set_context(context or pinned)
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_socket_open = _without_delay

    def connect(self, *, expiry_s: int = 0, clean_start: bool = True) -> str:
        """Connect and return the broker's answer, ``Success`` if it let us in.

        Raises OSError where TCP or TLS fail.
        """
        self._lost, self._connack = False, None
        properties = None
        if self._protocol is MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = expiry_s
        self._client.connect(
            self._address.host,
            self._address.port,
            15,
            clean_start=clean_start if properties else MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties,
        )
        self._wait(lambda: self._connack is not None or self._lost)
        return self._connack or DISCONNECTED

    def subscribe(self, topic_filter: str, *, retain_handling: int = 0) -> str:
        """Subscribe with QoS 1 and return the broker's answer."""
        if self._protocol is not MQTTProtocolVersion.MQTTv5:
            _, number = self._client.subscribe(topic_filter, qos=1)
        else:
            options = SubscribeOptions(qos=1, retainHandling=retain_handling)
            _, number = self._client.subscribe(topic_filter, options=options)
        return self._answer("subscribe", number)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        """Publish with QoS 1 and return the broker's answer, or ``disconnected``."""
        return self._answer("publish", self._client.publish(topic, payload, 1, retain).mid)

    def wait_for(self, topic: str, payload: bytes) -> Received:
        """Wait until that message has come and return it; raise TimeoutError."""

        def found() -> Received | None:
            wanted = (message for message in self.received if message.topic == topic)
            return next((message for message in wanted if message.payload == payload), None)

        self._wait(lambda: found() is not None)
        message = found()
        if message is None:
            raise TimeoutError(f"{payload!r} never came on {topic}")
        return message

    def wait_next(self, topic: str) -> Received:
        """Wait for a message on ``topic`` that is not a retained one; raise TimeoutError."""

        def found() -> Received | None:
            fresh = (message for message in self.received if not message.retained)
            return next((message for message in fresh if message.topic == topic), None)

        self._wait(lambda: found() is not None)
        message = found()
        if message is None:
            raise TimeoutError(f"nothing came on {topic}")
        return message

    def wait_disconnected(self) -> None:
        """Wait until the broker has ended the connection; raise TimeoutError."""
        self._wait(lambda: self._lost)

    def drop(self) -> None:
        """Lose the connection without a word, as a power cut does."""
        plain = self._client.socket()
        if isinstance(plain, socket.socket):
            plain.shutdown(socket.SHUT_RDWR)
            self._wait(lambda: self._lost)

    def close(self) -> None:
        """Disconnect in good order and free what the client holds."""
        self._client.disconnect()
        while self._client.loop(0) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            pass
        self._client._reset_sockets()  # else only at collection

    def __enter__(self) -> Self:
        answer = self.connect()
        if answer != "Success":
            self.close()
            raise ConnectionError(answer)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _answer(self, what: str, number: int | None) -> str:
        if number is None:
            return DISCONNECTED
        key = (what, number)
        self._wait(lambda: key in self._answers or self._lost)
        return self._answers.get(key, DISCONNECTED)

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError("the broker does not answer")
            self._client.loop(POLL_S)

    def _on_connect(
        self, _client: Client, _data: Any, flags: ConnectFlags, code: ReasonCode, _properties: Any
    ) -> None:
        self._connack = str(code)
        self.session_present = flags.session_present

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, _code: ReasonCode, _properties: Any
    ) -> None:
        self._lost = True

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.received.append(Received(message.topic, bytes(message.payload), message.retain))

    def _on_publish(
        self, _client: Client, _data: Any, number: int, code: ReasonCode, _properties: Any
    ) -> None:
        self._answers["publish", number] = str(code)

    def _on_subscribe(
        self, _client: Client, _data: Any, number: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        self._answers["subscribe", number] = str(codes[0])


def _without_delay(_client: Client, _data: Any, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
