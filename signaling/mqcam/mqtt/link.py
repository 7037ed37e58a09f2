"""One MQTT 5 connection over one open socket; the only module that knows paho-mqtt.

It must not know reconnection, queues or what the messages mean. A new paho client is made for
each connection, so that no state of the library outlives one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from typing import TYPE_CHECKING, Any, Final, NoReturn

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from mqcam.errors import (
    BrokerError,
    BrokerRefused,
    BrokerTimeout,
    BrokerUnreachable,
    SubscribeRefused,
)
from mqcam.log import fields
from mqcam.mqtt.pump import Pump
from mqcam.mqtt.reconnection import ClosedUnanswered
from mqcam.mqtt.terms import Welcome, refusal
from mqcam.mqtt.upgrade import run_blocking
from mqcam.private import PrivateName
from mqcam.transport import Incoming, Outgoing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paho.mqtt.reasoncodes import ReasonCode

    from mqcam.broker import BrokerAddress, Subscription
    from mqcam.mqtt.terms import LinkOptions, LinkOwner

logger = logging.getLogger(__name__)

SESSION_TAKEN_OVER = 0x8E
LARGEST_PACKET_BYTES = 268_435_455
LARGEST_WINDOW = 65_535
LONGEST_EXPIRY_S = 0xFFFF_FFFF
WEBSOCKET_BUFFER_BYTES = 524_288

PRIVATE_NAMES: Final = (
    PrivateName(
        module="paho.mqtt.client",
        path="Client._create_socket_connection",
        reason="public connect() would open the socket itself and block the event loop",
        parameters=("self",),
    ),
)


class _SocketClient(Client):
    """A paho client over a socket that is open already."""

    opened: socket.socket

    def _create_socket_connection(self) -> socket.socket:
        return self.opened


class Link:
    """A connection from CONNECT to its end; ``lost`` then holds the reason."""

    def __init__(
        self,
        sock: socket.socket,
        address: BrokerAddress,
        options: LinkOptions,
        owner: LinkOwner,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.address = address
        self.lost: asyncio.Future[BrokerError] = loop.create_future()
        self._loop = loop
        self._sock = sock
        self._options = options
        self._owner = owner
        self._welcome: asyncio.Future[Welcome] = loop.create_future()
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._client = self._new_client()
        self._pump = Pump(
            self._client,
            sock,
            keepalive_s=options.keepalive_s,
            on_turn=owner.on_turn,
            on_failure=self._fail,
        )

    # opening and closing

    async def open(self, timeout_s: float) -> Welcome:
        """Introduce ourselves to the broker; closes the link on every failure.

        Raises a ``BrokerError`` that says what to check.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._introduce()
                self._watch()
                await _first_of(self._welcome, self.lost)
            return self._welcome.result() if self._welcome.done() else _raise(self.lost.result())
        except TimeoutError as error:
            self.close()
            raise BrokerTimeout(
                "it accepts connections but does not answer: is it overloaded, or no MQTT broker?",
                address=str(self.address),
            ) from error
        except BaseException:
            self.close()
            raise

    async def disconnect(self, timeout_s: float) -> None:
        """Say goodbye, so that no will is published, and close."""
        if not self.lost.done():
            self._client.disconnect()
            await asyncio.wait({self.lost}, timeout=timeout_s)
        self.close()

    def close(self) -> None:
        """Close the socket at once; without ``disconnect`` the broker publishes the will."""
        self._lose(BrokerUnreachable("the connection was closed", address=str(self.address)))
        self._pump.stop()
        client = self._client
        client.on_connect = client.on_disconnect = client.on_message = None
        client.on_publish = client.on_subscribe = client.on_unsubscribe = None
        client.on_socket_close = client.on_socket_register_write = None
        self._sock.close()

    # speaking

    def publish(self, message: Outgoing, expiry_s: float) -> int | None:
        """Send a message with QoS 1; return its packet id, None if the link is gone."""
        properties = _properties(PacketTypes.PUBLISH)
        _set_expiry(properties, expiry_s)
        info = self._client.publish(
            message.topic, message.payload, qos=1, retain=message.retain, properties=properties
        )
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    async def subscribe(
        self, subscriptions: Sequence[Subscription], timeout_s: float
    ) -> list[SubscribeRefused | None]:
        """Subscribe with QoS 1; return a refusal or None for each."""
        wanted = [
            (item.topic, SubscribeOptions(qos=1, retainHandling=item.retain_handling))
            for item in subscriptions
        ]
        try:
            result, packet_id = self._client.subscribe(wanted)
        except ValueError as error:
            raise SubscribeRefused(
                f"not a valid topic filter: {', '.join(item.topic for item in subscriptions)}"
            ) from error
        codes = await self._answer(result, packet_id, timeout_s)
        return [
            SubscribeRefused(
                f"it does not let us subscribe to {item.topic} ({code}): check its access rules",
                address=str(self.address),
            )
            if code.is_failure
            else None
            for item, code in zip(subscriptions, codes, strict=False)
        ]

    async def unsubscribe(self, topic: str, timeout_s: float) -> None:
        """End a subscription."""
        result, packet_id = self._client.unsubscribe(topic)
        await self._answer(result, packet_id, timeout_s)

    async def _answer(
        self, result: MQTTErrorCode, packet_id: int | None, timeout_s: float
    ) -> list[ReasonCode]:
        answer: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or packet_id is None:
            raise BrokerUnreachable("the connection is gone", address=str(self.address))
        self._answers[packet_id] = answer
        try:
            await _first_of(answer, self.lost, timeout_s=timeout_s)
        finally:
            del self._answers[packet_id]
        if answer.done():
            return answer.result()
        if self.lost.done():
            raise self.lost.result()
        raise BrokerTimeout("it does not answer a subscription", address=str(self.address))

    # the paho client

    def _new_client(self) -> _SocketClient:
        is_websocket = self.address.scheme.is_websocket
        client = _SocketClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._options.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            transport="websockets" if is_websocket else "tcp",
            reconnect_on_failure=False,
        )
        client.opened = self._sock
        client.max_inflight_messages_set(0)  # our outbox owns the window
        client.username_pw_set(self._options.username, self._options.password)
        if is_websocket:
            client.ws_set_options(path=self.address.path, headers=self._upgrade_headers)
        will = self._options.will
        if will is not None:
            properties = _properties(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = self._options.will_delay_s
            _set_expiry(properties, will.ttl_s)
            client.will_set(will.topic, will.payload, 1, will.retain, properties)
        return client

    def _upgrade_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Name the right host (paho forgets the brackets of IPv6); we have no origin."""
        kept = {name: value for name, value in headers.items() if name != "Origin"}
        return kept | {"Host": self.address.authority}

    async def _introduce(self) -> None:
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._options.session_expiry_s
        properties.MaximumPacketSize = self._options.largest_incoming_bytes

        def connect() -> None:
            result = self._client.connect(
                self.address.host,
                self.address.port,
                self._options.keepalive_s,
                clean_start=self._options.clean_start,
                properties=properties,
            )
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise ClosedUnanswered(
                    "it closed the connection at once", address=str(self.address)
                )

        if not self.address.scheme.is_websocket:
            connect()  # does not block: the socket is open
            return
        # paho loses track of a frame that the kernel takes only in part: make room for a window
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WEBSOCKET_BUFFER_BYTES)
        try:
            await run_blocking(self._sock, connect)
        except Exception as error:
            raise BrokerUnreachable(
                f"no WebSocket for MQTT at {self.address.path}: check port and path",
                address=str(self.address),
            ) from error

    # the end, and the way there

    def _watch(self) -> None:
        """Start to read; only from here on paho calls us, and always in the event loop."""
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_subscribe
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        self._pump.start()

    def _fail(self, error: Exception) -> None:
        logger.error("mqtt library failed", extra=fields(address=str(self.address)), exc_info=error)
        reason = f"something unreadable arrived from it ({type(error).__name__})"
        self._lose(BrokerUnreachable(reason, address=str(self.address)))

    def _lose(self, error: BrokerError) -> None:
        if not self.lost.done():
            self.lost.set_result(error)

    # callbacks of paho, all in the event loop

    def _on_connect(
        self,
        _c: Client,
        _u: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._lose(refusal(code.value, str(code), str(self.address)))
            return
        welcome = Welcome(
            session_present=flags.session_present,
            window=getattr(properties, "ReceiveMaximum", LARGEST_WINDOW),
            largest_packet_bytes=getattr(properties, "MaximumPacketSize", LARGEST_PACKET_BYTES),
        )
        if not self._welcome.done():
            self._welcome.set_result(welcome)

    def _on_disconnect(
        self, _c: Client, _u: Any, flags: DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        shown = str(self.address)
        if not self._welcome.done():
            self._lose(ClosedUnanswered("it closed the connection unanswered", address=shown))
        elif not flags.is_disconnect_packet_from_server:
            self._lose(BrokerUnreachable("the connection was lost", address=shown))
        elif code.value == SESSION_TAKEN_OVER:
            self._lose(BrokerRefused("another client with our id replaced us", address=shown))
        else:
            self._lose(BrokerUnreachable(f"it ended the connection ({code})", address=shown))

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            logger.warning("message with an unreadable topic ignored")
            return
        self._owner.on_message(
            Incoming(topic=topic, payload=bytes(message.payload), retained=message.retain)
        )

    def _on_publish(
        self, _c: Client, _u: Any, packet_id: int, code: ReasonCode, _p: Properties
    ) -> None:
        self._owner.on_answer(packet_id, code.value, str(code))

    def _on_subscribe(
        self, _c: Client, _u: Any, packet_id: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        answer = self._answers.get(packet_id)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def _on_register_write(self, _c: Client, _u: Any, _sock: Any) -> None:
        self._pump.write_soon()

    def _on_socket_close(self, _c: Client, _u: Any, _sock: Any) -> None:
        self._pump.stop()


async def _first_of(*futures: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)


def _raise(error: BrokerError) -> NoReturn:
    raise error


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def _set_expiry(properties: Properties, expiry_s: float) -> None:
    if math.isfinite(expiry_s):
        properties.MessageExpiryInterval = min(max(1, math.ceil(expiry_s)), LONGEST_EXPIRY_S)
