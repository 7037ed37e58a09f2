"""One relayed address at a TURN server (RFC 8656): got, used as a socket, given back.

It must not know who uses it: aioice's checks take it for one more socket of theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from aioice import stun, turn

from mqcam.private import PrivateName
from mqcam.repetition import repeated

if TYPE_CHECKING:
    import socket
    import ssl

    from mqcam.resolver import Endpoint
    from mqcam.servers import Target

ALLOCATION_LIFETIME_S: Final = 600
LIFETIME_FLOOR_S: Final = 60
CHANNEL_REFRESH_S: Final = 500
RELEASE_LIMIT_S: Final = 0.2
WAITING_LIMIT: Final = 256
BACKLOG_BYTES: Final = 64 * 1024
"""What may wait for a slow stream to the server; more of it would only grow old."""

STREAM_CHUNK_MESSAGES: Final = 64
HEADER_BYTES: Final = 4
STUN_HEADER_BYTES: Final = 20
CHANNEL_BITS: Final = 0x40

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aioice.turn",
        path="TurnClientMixin.connect",
        parameters=("self",),
        reason="gets the address over a transport that we have made ourselves",
    ),
    PrivateName(
        module="aioice.turn",
        path="TurnClientMixin.delete",
        parameters=("self",),
        reason="gives the address back within our own limit; stock takes half a minute",
    ),
    PrivateName(
        module="aioice.turn",
        path="TurnClientMixin.send_data",
        parameters=("self", "data", "addr"),
        reason="the way of every packet to the relay",
    ),
    PrivateName(
        module="aioice.turn",
        path="TurnClientMixin.request_with_retry",
        parameters=("self", "request"),
        reason="where a server says how long its address lives",
    ),
    PrivateName(
        module="aioice.turn",
        path="TurnClientMixin.request",
        parameters=("self", "request"),
        reason="one question and its answer: the time in which it is repeated",
    ),
    PrivateName(
        module="aioice.turn",
        path="TurnClientMixin.send_stun",
        parameters=("self", "message", "addr"),
        reason="sends the repeat",
    ),
    PrivateName(
        module="aioice.turn",
        path="TurnClientMixin.datagram_received",
        parameters=("self", "data", "addr"),
        reason="the way of every message from the server",
    ),
    PrivateName(
        module="aioice.turn",
        path="TurnStreamMixin.data_received",
        parameters=("self", "data"),
        reason="stock copies the rest of the stream after every message",
    ),
    *(
        PrivateName(module="aioice.turn", path=f"TurnClientMixin.{name}", reason=reason)
        for name, reason in (
            ("receiver", "who gets what the relay heard"),
            ("relayed_address", "the address at the server"),
            ("mapped_address", "our address as the server sees it"),
            ("peer_to_channel", "says to whom packets can go at once"),
            ("peer_connect_waiters", "says for whom packets must wait"),
            ("channel_refresh_at", "says when a channel must be renewed first"),
        )
    ),
)


class _Cautious(turn.TurnClientMixin):
    """What both transports of ours do not believe a server."""

    malformed = 0

    async def request_with_retry(
        self, request: stun.Message
    ) -> tuple[stun.Message, tuple[str, int]]:
        """Ask the server; an allocation that is said to live for moments is not renewed madly."""
        response, address = await super().request_with_retry(request)
        lifetime_s = response.attributes.get("LIFETIME")
        if lifetime_s is not None and request.attributes.get("LIFETIME") != 0:
            response.attributes["LIFETIME"] = max(lifetime_s, LIFETIME_FLOOR_S)
        return response, address

    def datagram_received(self, data: bytes | str, addr: tuple[str, int]) -> None:
        """Take one message; stock raises inside the event loop at a malformed one."""
        try:
            super().datagram_received(data, addr)
        except Exception:  # noqa: BLE001 - the parser raises anything on what the server sent
            self.malformed += 1


class UdpClient(_Cautious, turn.TurnClientUdpProtocol):
    """A TURN client over UDP, where a question may be lost."""

    async def request(self, request: stun.Message) -> tuple[stun.Message, tuple[str, int]]:
        """Ask the server, and again before stock would; a server knows a repeat by its number."""
        async with repeated(lambda: self.send_stun(request, self.server)):
            return await super().request(request)


class TcpClient(_Cautious, turn.TurnClientTcpProtocol):
    """A TURN client over TCP or TLS that reads in small steps: others wait for the same loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pending = bytearray()
        self._resume: asyncio.Handle | None = None

    def data_received(self, data: bytes) -> None:
        """Take a piece of the stream; stock copies all that is left after every message."""
        self._pending += data
        if self._resume is None:
            self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not read."""
        if self._resume is not None:
            self._resume.cancel()
        self._pending.clear()
        super().connection_lost(exc)

    def _take(self) -> None:
        self._resume = None
        address, position = self.server, 0
        for _ in range(STREAM_CHUNK_MESSAGES):
            size, step = _message_size(self._pending, position)
            if not size or len(self._pending) - position < step:
                break
            self.datagram_received(bytes(self._pending[position : position + size]), address)
            position += step
        else:
            self.transport.pause_reading()
            self._resume = asyncio.get_running_loop().call_soon(self._go_on)
        del self._pending[:position]
        if self.malformed:
            self.transport.abort()  # a stream that is out of step never comes back

    def _go_on(self) -> None:
        self._take()
        if self._resume is None and not self.transport.is_closing():
            self.transport.resume_reading()


class Relay:
    """A relayed address; aioice sees it as the transport below a ``StunProtocol``."""

    def __init__(self, client: UdpClient | TcpClient, protocol: asyncio.DatagramProtocol) -> None:
        self.protocol = protocol
        self.address = client.relayed_address or ("", 0)
        self.mapped_address = client.mapped_address or ("", 0)
        self.dropped = 0
        self._client = client
        self._sends: set[asyncio.Task[None]] = set()
        self._release: asyncio.Task[None] | None = None
        client.receiver = protocol
        protocol.connection_made(self)  # type: ignore[arg-type]  # it is what a transport must be

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return ``sockname``, the relayed address."""
        return self.address if name == "sockname" else default

    def is_closing(self) -> bool:
        """Tell whether the address is given back or lost."""
        return self._release is not None or self._client.transport.is_closing()

    def sendto(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send through the relay; drops when more than 256 packets wait for a permission."""
        if self.is_closing():
            return
        if len(self._sends) >= WAITING_LIMIT:
            self.dropped += 1
            return
        sending = self._client.send_data(data, addr)
        if self._is_bound(addr):
            # Nothing in it waits now: a task for each packet would cost more than the packet.
            with contextlib.suppress(StopIteration):
                sending.send(None)
            return
        task = asyncio.create_task(self._send(sending), name="mqcam-relay-send")
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)

    def channel(self, address: tuple[str, int]) -> int | None:
        """Return the number under which the relay passes packets to a peer at once, if it does."""
        channel = self._client.peer_to_channel.get(address)
        if self.is_closing() or channel is None or address in self._client.peer_connect_waiters:
            return None
        # It is good for a while after it is due: one message renews it beside the others.
        if not self._is_bound(address) and not self._sends:
            self.sendto(b"", address)
        return channel

    def datagram_socket(self) -> socket.socket | None:
        """Return the socket to the server where each message is a datagram, None over a stream."""
        if isinstance(self._client, TcpClient):
            return None
        found: socket.socket | None = self._client.transport.get_extra_info("socket")
        return found

    @property
    def is_full(self) -> bool:
        """Tell whether a stream to the server holds more than it can pass on soon."""
        transport = self._client.transport
        waiting = getattr(transport, "get_write_buffer_size", None)
        return waiting is not None and waiting() > BACKLOG_BYTES

    def close(self) -> None:
        """Give the address back; ``protocol.connection_lost`` follows within 0.2 s."""
        if self._release is None:
            self._release = asyncio.create_task(self._give_back(), name="mqcam-relay-release")

    async def wait_closed(self) -> None:
        """Wait until the address is given back."""
        self.close()
        if self._release is not None:
            await asyncio.shield(self._release)

    def _is_bound(self, address: tuple[str, int]) -> bool:
        channel = self._client.peer_to_channel.get(address)
        if channel is None or address in self._client.peer_connect_waiters:
            return False
        return time.time() <= self._client.channel_refresh_at[channel]

    async def _send(self, sending: Any) -> None:
        try:
            await sending
        except (stun.TransactionError, OSError):
            self.dropped += 1

    async def _give_back(self) -> None:
        try:
            with contextlib.suppress(TimeoutError, OSError, stun.TransactionError):
                async with asyncio.timeout(RELEASE_LIMIT_S):
                    await self._client.delete()
        finally:
            sends = tuple(self._sends)
            for task in sends:
                task.cancel()
            await asyncio.gather(*sends, return_exceptions=True)
            # TLS would wait half a minute for a dead server's good-bye.
            self._client.transport.abort()
            await asyncio.sleep(0)


async def allocate(
    target: Target,
    endpoint: Endpoint,
    protocol: asyncio.DatagramProtocol,
    *,
    context: ssl.SSLContext | None,
) -> Relay:
    """Get a relayed address; raises OSError (also TLS) and aioice's TransactionError.

    The caller bounds the time. ``context`` secures the way to the server.
    """
    loop = asyncio.get_running_loop()
    host, port = str(endpoint.sockaddr[0]), int(endpoint.sockaddr[1])
    options: dict[str, Any] = {
        "username": target.username,
        "password": target.credential,
        "lifetime": ALLOCATION_LIFETIME_S,
        "channel_refresh_time": CHANNEL_REFRESH_S,
    }
    client: UdpClient | TcpClient
    if target.url.transport == "udp":
        _, client = await loop.create_datagram_endpoint(
            lambda: UdpClient((host, port), **options), remote_addr=(host, port)
        )
    else:
        _, client = await loop.create_connection(
            lambda: TcpClient((host, port), **options),
            host,
            port,
            ssl=context,
            server_hostname=None if context is None else target.url.host,
        )
    try:
        await client.connect()
    except BaseException:
        client.transport.abort()
        raise
    return Relay(client, protocol)


def _message_size(stream: bytearray, position: int) -> tuple[int, int]:
    """Return the size of the next message and the step to the one after; 0 while unknown."""
    if len(stream) - position < HEADER_BYTES:
        return 0, 0
    length = int.from_bytes(stream[position + 2 : position + 4], "big")
    is_channel = stream[position] & 0xC0 == CHANNEL_BITS
    size = length + (HEADER_BYTES if is_channel else STUN_HEADER_BYTES)
    return size, size + -size % 4
