"""MQTT 5 packets as bytes, as far as somebody between a client and its broker must read them.

It must not know mqcam or an MQTT library: what is changed on the way is written out here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

CONNECT, PUBLISH = 1, 3
PUBACK_HEAD = b"\x40\x02"
WILL_FLAG, USERNAME_FLAG = 0x04, 0x80
RETAIN_FLAG, QOS_MASK = 0x01, 0x06


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A PUBLISH; ``number`` is its packet id, None with QoS 0."""

    topic: str
    payload: bytes
    retained: bool = False
    number: int | None = None

    def as_qos_0(self) -> bytes:
        """Return the packet that hands the message over without asking for a receipt."""
        body = _text(self.topic) + b"\x00" + self.payload
        return bytes((PUBLISH << 4 | self.retained,)) + _length(len(body)) + body

    def receipt(self) -> bytes:
        """Return the PUBACK for it, empty with QoS 0."""
        return b"" if self.number is None else PUBACK_HEAD + struct.pack("!H", self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Who comes, and what the broker is to publish when he is lost."""

    username: str
    will: Publish | None


async def read_packet(reader: asyncio.StreamReader) -> bytes:
    """Return the next packet whole; raises IncompleteReadError at the end of the connection."""
    packet = await reader.readexactly(2)
    while packet[-1] & 0x80:
        packet += await reader.readexactly(1)
    length = sum((byte & 0x7F) << (7 * at) for at, byte in enumerate(packet[1:]))
    return packet + await reader.readexactly(length)


def kind_of(packet: bytes) -> int:
    """Return the packet type."""
    return packet[0] >> 4


def read_publish(packet: bytes) -> Publish:
    """Return what a PUBLISH says, without its properties."""
    body = _Cursor(packet)
    topic = body.text()
    number = body.short() if packet[0] & QOS_MASK else None
    body.skip_properties()
    retained = bool(packet[0] & RETAIN_FLAG)
    return Publish(topic=topic, payload=body.rest(), retained=retained, number=number)


def read_connect(packet: bytes) -> Connect:
    """Return what a CONNECT of MQTT 5 says; the password is passed over."""
    body = _Cursor(packet)
    body.text()
    body.take(1)
    flags = body.take(1)[0]
    body.short()
    body.skip_properties()
    body.text()
    will = None
    if flags & WILL_FLAG:
        body.skip_properties()
        will = Publish(topic=body.text(), payload=body.take(body.short()))
    return Connect(username=body.text() if flags & USERNAME_FLAG else "", will=will)


class _Cursor:
    """Reads the part of a packet that follows its length."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 1
        self.variable()

    def take(self, count: int) -> bytes:
        self._at += count
        return self._packet[self._at - count : self._at]

    def rest(self) -> bytes:
        return self._packet[self._at :]

    def short(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def text(self) -> str:
        return self.take(self.short()).decode()

    def skip_properties(self) -> None:
        self.take(self.variable())

    def variable(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
