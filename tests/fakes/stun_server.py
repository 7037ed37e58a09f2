"""STUN and TURN servers that answer as they are told: late, wrongly, or never."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aioice.stun import Class, Message, Method, parse_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Reply = Callable[[Message, tuple[str, int]], bytes | None]


class StunServer(asyncio.DatagramProtocol):
    """A server on 127.0.0.1; ``asked`` counts what came."""

    def __init__(self, reply: Reply) -> None:
        self.asked = 0
        self.port = 0
        self._reply = reply
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        try:
            request = parse_message(data)
        except ValueError:
            return  # data of a channel
        answer = self._reply(request, addr)
        self.send(answer, addr)

    def send(self, data: bytes | None, addr: tuple[str, int]) -> None:
        """Send an answer, now or later; None is silence."""
        if data is not None and not self._transport.is_closing():
            self._transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def stun_server(
    reply: Reply,
) -> AsyncIterator[StunServer]:
    """Run a server inside the block."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: StunServer(reply), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
        await asyncio.sleep(0)


def silent(_request: Message, _addr: tuple[str, int]) -> bytes | None:
    """Never answer."""
    return None


def mapped(address: tuple[str, int]) -> Reply:
    """Answer each question with the same address."""

    def reply(request: Message, _addr: tuple[str, int]) -> bytes:
        response = Message(
            message_method=Method.BINDING,
            message_class=Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        response.attributes["XOR-MAPPED-ADDRESS"] = address
        return bytes(response)

    return reply


def allocated(relayed: tuple[str, int], *, lifetime_s: int = 600) -> Reply:
    """Give everybody this relayed address, whatever he asks."""

    def reply(request: Message, addr: tuple[str, int]) -> bytes:
        response = Message(
            message_method=request.message_method,
            message_class=Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        response.attributes["LIFETIME"] = lifetime_s
        response.attributes["XOR-MAPPED-ADDRESS"] = addr
        response.attributes["XOR-RELAYED-ADDRESS"] = relayed
        return bytes(response)

    return reply


def deaf_at_first(reply: Reply) -> Reply:
    """Lose the first message of all, then answer."""
    heard = 0

    def late_reply(request: Message, addr: tuple[str, int]) -> bytes | None:
        nonlocal heard
        heard += 1
        return None if heard == 1 else reply(request, addr)

    return late_reply
