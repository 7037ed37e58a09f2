"""One connection of an audit: it says one thing at a time and keeps what it hears.

It must not know what is allowed. Whatever the broker does ends in an answer, a refusal or None.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mqcam.errors import MalformedMessage

from mqcam_broker.audit import packets
from mqcam_broker.audit.packets import Answer, Delivery, Letter, Packet

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from mqcam.broker import BrokerAddress

TIMEOUT_S = 5.0
LARGEST_PACKET_BYTES = 1024 * 1024
HEARD_MAX_BYTES = 8 * 1024 * 1024
"""Topics and payloads that one connection keeps; what comes beyond is only confirmed."""
PAYLOAD_KEPT_BYTES = 16 * 1024
"""More than any letter of an audit has; the rest of a longer one is forgotten."""
LETTER_BYTES = 512
"""What keeping one costs beside its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where the broker is, and the TLS with which one goes in; None: without."""

    address: BrokerAddress
    tls: ssl.SSLContext | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who calls; ``name`` None is nobody in particular."""

    name: str | None = None
    password: str | None = field(default=None, repr=False)


class Caller:
    """A connection on which CONNECT was answered; ``welcome`` None: it was closed instead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard: list[Letter] = []
        self.welcome: Answer | None = None
        self._reader = reader
        self._writer = writer
        self._answers: dict[int, asyncio.Future[int | None]] = {}
        self._pong: asyncio.Future[int | None] | None = None
        self._last_packet = 0
        self._heard_bytes = 0
        self._has_ended = False
        self._listening: asyncio.Task[None] | None = None

    @property
    def is_in(self) -> bool:
        """Tell whether the broker has let us in."""
        return self.welcome is not None and self.welcome.reason < packets.FAILURE

    async def introduce(self, account: Account, client_id: str, will: Letter | None) -> None:
        """Send CONNECT and wait for the broker's word, or for its silence."""
        self._writer.write(packets.connect(client_id, account.name, account.password, will))
        with contextlib.suppress(OSError, EOFError, MalformedMessage):
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._next()
            self.welcome = answer if isinstance(answer, Answer) else None
        if self.is_in:
            self._listening = asyncio.create_task(self._listen(), name="audit listens")

    async def subscribe(self, topic_filter: str) -> int | None:
        """Return the broker's reason code, None if it hung up or was silent."""
        packet = self._new_packet()
        return await self._ask(packets.subscribe(packet, topic_filter), packet)

    async def publish(self, letter: Letter) -> int | None:
        """Return the broker's reason code, None if it hung up or was silent."""
        packet = self._new_packet()
        return await self._ask(packets.publish(packet, letter), packet)

    async def catch_up(self) -> None:
        """Wait until everything has arrived that the broker sent before it read this."""
        if not self._has_ended:
            self._pong = asyncio.get_running_loop().create_future()
            self._writer.write(packets.ping())
            await asyncio.wait({self._pong}, timeout=TIMEOUT_S)

    async def leave(self, *, politely: bool = True) -> None:
        """Close the connection; without politeness the broker publishes the will."""
        if politely and self.is_in and not self._has_ended:
            with contextlib.suppress(OSError):
                self._writer.write(packets.goodbye())
                async with asyncio.timeout(TIMEOUT_S):
                    await self._writer.drain()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if politely:
            self._writer.close()
        else:
            self._writer.transport.abort()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(TIMEOUT_S):
                await self._writer.wait_closed()

    async def _ask(self, request: bytes, packet: int) -> int | None:
        if self._has_ended:
            return None
        answer: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._answers[packet] = answer
        self._writer.write(request)
        await asyncio.wait({answer}, timeout=TIMEOUT_S)
        self._answers.pop(packet, None)
        return answer.result() if answer.done() else None

    async def _listen(self) -> None:
        try:
            while (said := await self._next()) is not Packet.DISCONNECT:
                self._take(said)
        except (OSError, EOFError, MalformedMessage):
            pass
        finally:
            self._has_ended = True
            for waiting in (*self._answers.values(), self._pong):
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)

    def _take(self, said: Answer | Delivery | Packet) -> None:
        if isinstance(said, Answer):
            waiting = self._answers.get(said.packet)
            if waiting is not None and not waiting.done():
                waiting.set_result(said.reason)
        elif isinstance(said, Delivery):
            if said.packet:
                self._writer.write(packets.receipt(said.packet))
            letter = replace(said.letter, payload=said.letter.payload[:PAYLOAD_KEPT_BYTES])
            self._heard_bytes += len(letter.topic) + len(letter.payload) + LETTER_BYTES
            if self._heard_bytes <= HEARD_MAX_BYTES:
                self.heard.append(letter)
        elif said is Packet.PINGRESP and self._pong is not None and not self._pong.done():
            self._pong.set_result(packets.SUCCESS)

    async def _next(self) -> Answer | Delivery | Packet:
        first = (await self._reader.readexactly(1))[0]
        length = 0
        for shift in (0, 7, 14, 21):
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            if byte < packets.FAILURE:
                break
        if length > LARGEST_PACKET_BYTES:
            raise MalformedMessage(f"a packet of {length} bytes")
        return packets.read(first, await self._reader.readexactly(length))

    def _new_packet(self) -> int:
        self._last_packet += 1
        return self._last_packet


@contextlib.asynccontextmanager
async def calling(
    door: Door, account: Account, *, client_id: str, will: Letter | None = None
) -> AsyncIterator[Caller]:
    """Open a connection and introduce ``account``; raises OSError when nobody answers."""
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(
            door.address.host,
            door.address.port,
            ssl=door.tls,
            server_hostname=door.server_name or door.address.host if door.tls else None,
        )
    caller = Caller(reader, writer)
    try:
        await caller.introduce(account, client_id, will)
        yield caller
    finally:
        await caller.leave()
