"""A socket server that answers CONNECT, SUBSCRIBE and PUBLISH as a test wants: wrongly, mostly.

It must not know mqcam or an MQTT library: what it sends is written out byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ACCEPTED = b"\x20\x03\x00\x00\x00"
"""CONNACK of MQTT 5: no session, success, no properties."""
NO_MQTT_5 = b"\x20\x02\x00\x01"
"""CONNACK of a 3.1.1 broker: unacceptable protocol version."""
NO_MQTT_5_POLITELY = b"\x20\x03\x00\x84\x00"

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 12, 14


def accepted(*, receive_maximum: int) -> bytes:
    """Return a CONNACK that allows so many unacknowledged messages."""
    return b"\x20\x06\x00\x00\x03\x21" + receive_maximum.to_bytes(2, "big")


@dataclass(slots=True)
class MqttServer:
    """What it answers, and what it saw."""

    connack: bytes | None = ACCEPTED
    """None: close instead of answering."""
    connack_after_s: float = 0.0
    close_after_s: float | None = None
    """Close a connection so long after CONNACK."""
    farewell: bytes = b""
    """Sent before such a close."""
    suback_code: int = 1
    puback_code: int | None = 0
    """None: keep PUBACKs until ``acknowledge``."""
    url: str = ""
    connects: int = 0
    unacknowledged: list[tuple[asyncio.StreamWriter, bytes]] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge(self) -> None:
        """Answer the oldest unanswered PUBLISH."""
        writer, packet_id = self.unacknowledged.pop(0)
        writer.write(b"\x40\x02" + packet_id)

    async def until_payloads(self, count: int) -> None:
        """Wait until so many messages have come."""
        async with asyncio.timeout(5):
            while len(self.payloads) < count:
                self.changed.clear()
                await self.changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            async with asyncio.timeout(30):
                while await self._answer(reader, writer):
                    pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = (await reader.readexactly(1))[0]
        body = await reader.readexactly(await _remaining_length(reader))
        kind = first >> 4
        if kind == CONNECT:
            self.connects += 1
            if self.connack is None:
                return False
            await asyncio.sleep(self.connack_after_s)
            writer.write(self.connack)
            if self.close_after_s is not None:
                await asyncio.sleep(self.close_after_s)
                writer.write(self.farewell)
                return False
        elif kind == SUBSCRIBE:
            writer.write(b"\x90\x04" + body[:2] + b"\x00" + bytes([self.suback_code]))
        elif kind == PUBLISH:
            self._take(body, writer)
        elif kind == PINGREQ:
            writer.write(b"\xd0\x00")
        return kind != DISCONNECT

    def _take(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        start = 2 + int.from_bytes(body[:2], "big")
        packet_id = body[start : start + 2]
        properties = body[start + 2]
        self.payloads.append(body[start + 3 + properties :])
        self.changed.set()
        if self.puback_code is None:
            self.unacknowledged.append((writer, packet_id))
        else:
            writer.write(b"\x40\x03" + packet_id + bytes([self.puback_code]))


async def _remaining_length(reader: asyncio.StreamReader) -> int:
    value, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value


@contextlib.asynccontextmanager
async def mqtt_server(server: MqttServer | None = None) -> AsyncIterator[MqttServer]:
    """Run a server on a random loopback port."""
    fake = server or MqttServer()
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(fake.serve(reader, writer), name="fake-mqtt-server")
        tasks.add(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    fake.url = f"mqtt://127.0.0.1:{port}"
    try:
        yield fake
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def blackhole() -> Iterator[int]:
    """Yield a port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Yield a port on which nobody listens, kept from everybody else meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
