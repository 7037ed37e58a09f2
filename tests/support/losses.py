"""A line between two connections of one process: it delays datagrams and loses chosen ones.

It sits below the sockets' transports of aioice, so that everything above runs as it is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.connection import Connection

STUN_FIRST_BYTE = 3
DTLS_FIRST_BYTES = range(20, 64)  # RFC 7983 section 7


def is_check(data: bytes) -> bool:
    """Tell a STUN message, request or response."""
    return data[0] <= STUN_FIRST_BYTE


def is_check_request(data: bytes) -> bool:
    """Tell a STUN request."""
    return data[:2] == b"\x00\x01"


def is_dtls(data: bytes) -> bool:
    """Tell a datagram of the key exchange."""
    return data[0] in DTLS_FIRST_BYTES


class LossyLine:
    """What a connection sends, ``delay_s`` later, without what ``is_lost`` picks.

    ``sent`` has every datagram that was handed over, the lost ones too.
    """

    def __init__(self, is_lost: Callable[[bytes], bool], *, delay_s: float = 0.0) -> None:
        self.sent: list[bytes] = []
        self.lost = 0
        self._is_lost = is_lost
        self._delay_s = delay_s

    def carry(self, connection: Connection) -> None:
        """Take over what a connection sends; call it when its sockets are open."""
        for protocol in connection._ice.gatherer.ice.sockets:
            protocol.transport = _Transport(protocol.transport, self)  # type: ignore[assignment]

    def send(self, transport: asyncio.DatagramTransport, data: bytes, address: Any) -> None:
        """Lose a datagram, or hand it to the socket when its time has come."""
        self.sent.append(bytes(data))
        if self._is_lost(data):
            self.lost += 1
            return
        if not self._delay_s:
            transport.sendto(data, address)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(self._delay_s, self._arrive, transport, bytes(data), address)

    @staticmethod
    def _arrive(transport: asyncio.DatagramTransport, data: bytes, address: Any) -> None:
        if not transport.is_closing():
            transport.sendto(data, address)


class _Transport:
    """A datagram transport whose packets go over the line."""

    def __init__(self, below: asyncio.DatagramTransport, line: LossyLine) -> None:
        self._below = below
        self._line = line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def sendto(self, data: bytes, addr: Any = None) -> None:
        self._line.send(self._below, data, addr)


def lose_nth(kind: Callable[[bytes], bool], *numbers: int) -> Callable[[bytes], bool]:
    """Return what loses the datagrams of a kind with these numbers, from 1 on."""
    count = 0

    def is_lost(data: bytes) -> bool:
        nonlocal count
        count += kind(data)
        return kind(data) and count in numbers

    return is_lost
