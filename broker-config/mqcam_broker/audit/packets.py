"""The few packets of MQTT 5 that an audit speaks, so that it sees every answer as it came.

It must not know sockets. A product's client hides refusals that an audit is about.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from mqcam.errors import MalformedMessage

SUCCESS = 0
FAILURE = 0x80
"""Reason codes from here on are refusals (MQTT 5, section 2.4)."""
UNSUPPORTED_VERSION = 0x84
NOT_AUTHORIZED = 0x87

_CLEAN_START, _WILL, _WILL_QOS_1, _PASSWORD, _USERNAME = 0x02, 0x04, 0x08, 0x40, 0x80
_QOS_1, _RETAIN = 0x02, 0x01
_MESSAGE_EXPIRY, _MAXIMUM_PACKET_SIZE = 0x02, 0x27
_KEEPALIVE_S = 60
# Section 2.2.2.2: the properties by the bytes of their values; 0 is a text, -1 a pair of texts,
# -2 a number of variable length.
_WIDTHS = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((_MESSAGE_EXPIRY, 0x11, 0x18, _MAXIMUM_PACKET_SIZE), 4),
    **dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), 0),
    0x26: -1,
    0x0B: -2,
}


class Packet(IntEnum):
    """The types of packets, section 2.1.2."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as it is sent or as it arrives."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the broker says to one of our packets; ``packet`` is 0 for a CONNACK."""

    packet: int
    reason: int
    largest_packet_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that arrived; ``packet`` is what its receipt must name, 0 for none."""

    packet: int
    letter: Letter


def connect(client_id: str, user: str | None, password: str | None, will: Letter | None) -> bytes:
    """Return a CONNECT for a fresh session."""
    flags, fields = _CLEAN_START, _text(client_id)
    if will is not None:
        flags |= _WILL | _WILL_QOS_1
        fields += b"\0" + _text(will.topic) + _binary(will.payload)
    if user is not None:
        flags |= _USERNAME
        fields += _text(user)
    if password is not None:
        flags |= _PASSWORD
        fields += _text(password)
    head = _text("MQTT") + bytes([5, flags]) + struct.pack("!H", _KEEPALIVE_S) + b"\0"
    return _packet(Packet.CONNECT, 0, head + fields)


def subscribe(packet: int, topic_filter: str) -> bytes:
    """Return a SUBSCRIBE with QoS 1 that also asks for what is retained."""
    body = struct.pack("!H", packet) + b"\0" + _text(topic_filter) + b"\1"
    return _packet(Packet.SUBSCRIBE, 2, body)


def publish(packet: int, letter: Letter) -> bytes:
    """Return a PUBLISH with QoS 1."""
    properties = b""
    if letter.expiry_s is not None:
        properties = struct.pack("!BI", _MESSAGE_EXPIRY, letter.expiry_s)
    body = _text(letter.topic) + struct.pack("!H", packet) + _length(len(properties)) + properties
    flags = _QOS_1 | (_RETAIN if letter.retain else 0)
    return _packet(Packet.PUBLISH, flags, body + letter.payload)


def receipt(packet: int) -> bytes:
    """Return a PUBACK."""
    return _packet(Packet.PUBACK, 0, struct.pack("!H", packet))


def ping() -> bytes:
    """Return a PINGREQ."""
    return _packet(Packet.PINGREQ, 0, b"")


def goodbye() -> bytes:
    """Return a DISCONNECT, after which no will is published."""
    return _packet(Packet.DISCONNECT, 0, b"")


def read(first: int, body: bytes) -> Answer | Delivery | Packet:
    """Return what a packet with this first byte says; raise MalformedMessage.

    A PINGRESP, a DISCONNECT and what no broker sends to us is returned as its type.
    """
    try:
        kind = Packet(first >> 4)
    except ValueError as error:
        raise MalformedMessage(f"a packet of the unknown type {first >> 4}") from error
    fields = _Fields(body)
    if kind is Packet.CONNACK:
        fields.number(1)
        reason = fields.number(1)
        # A broker that knows MQTT 3 only says no without any properties.
        largest = None if fields.is_empty else fields.largest_packet_bytes()
        return Answer(packet=0, reason=reason, largest_packet_bytes=largest)
    if kind is Packet.PUBACK:
        packet = fields.number(2)
        return Answer(packet=packet, reason=SUCCESS if fields.is_empty else fields.number(1))
    if kind is Packet.SUBACK:
        packet = fields.number(2)
        fields.largest_packet_bytes()
        return Answer(packet=packet, reason=fields.number(1))
    if kind is Packet.PUBLISH:
        return _delivery(first, fields)
    return kind


def _delivery(first: int, fields: _Fields) -> Delivery:
    topic = fields.take(fields.number(2)).decode("utf-8", "replace")
    packet = fields.number(2) if first & 0x06 else 0
    fields.largest_packet_bytes()
    letter = Letter(topic=topic, payload=fields.rest(), retain=bool(first & _RETAIN))
    return Delivery(packet=packet, letter=letter)


class _Fields:
    """The fields of a body, one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at >= len(self._body)

    def take(self, count: int) -> bytes:
        taken = self._body[self._at : self._at + count]
        if len(taken) != count:
            raise MalformedMessage("a packet ends too early")
        self._at += count
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def rest(self) -> bytes:
        return self.take(len(self._body) - self._at)

    def variable(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < FAILURE:
                return value
        raise MalformedMessage("a length of more than four bytes")

    def largest_packet_bytes(self) -> int | None:
        """Pass over the properties and return the one of them that matters here."""
        end = self.variable() + self._at
        largest = None
        while self._at < end:
            kind = self.number(1)
            width = _WIDTHS.get(kind)
            if width is None:
                raise MalformedMessage(f"the unknown property {kind}")
            if width > 0:
                value = self.number(width)
                largest = value if kind == _MAXIMUM_PACKET_SIZE else largest
            elif width < -1:
                self.variable()
            else:
                for _ in range(1 - width):
                    self.take(self.number(2))
        return largest


def _packet(kind: Packet, flags: int, body: bytes) -> bytes:
    return bytes([kind << 4 | flags]) + _length(len(body)) + body


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | (FAILURE if value else 0))
        if not value:
            return bytes(encoded)


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data
