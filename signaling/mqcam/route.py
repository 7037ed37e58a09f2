"""The way of encrypted packets to the peer: runs of equal packets in one system call.

It must not know what the packets hold. ``Way`` follows the pair of addresses that carries the
connection; a network that refuses runs gets single packets from then on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Final, Protocol

from mqcam.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioice.ice import CandidatePair

    from mqcam.checks import Checks

SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103
"""linux/udp.h: cut what is sent into packets of one size (GSO). Python has no name for it."""

SEND_BUFFER_BYTES: Final = 1 << 20
CHANNEL_HEADER_BYTES: Final = 4

REFUSALS: Final = frozenset({errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.EOPNOTSUPP})
"""How kernels and drivers without offload refuse a run; nothing of it was sent then."""

_SEGMENT: Final = struct.Struct("=H")
_CHANNEL: Final = struct.Struct("!HH")


class Route(Protocol):
    """One way: ``prefix_bytes`` stand free in front of each packet of a run, for its header."""

    prefix_bytes: int

    def send(self, run: memoryview, stride: int) -> bool:
        """Send a run of packets of ``stride`` bytes, the last at most shorter; False when full."""
        ...

    def close(self) -> None:
        """Give back what the route holds."""
        ...


class Segments:
    """A socket that takes runs, or single packets where the kernel refuses runs.

    ``address`` is None for a connected socket. ``on_refused(error)`` is called once.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: tuple[str, int] | None,
        on_refused: Callable[[OSError], None],
    ) -> None:
        self.takes_runs = True
        self._socket = sock
        self._to = () if address is None else (address,)
        self._address = address
        self._on_refused = on_refused

    def send(self, run: memoryview, stride: int) -> bool:
        """Send a run; False when the socket's buffer is full or the network is gone."""
        try:
            if len(run) <= stride or not self.takes_runs:
                return self._send_singly(run, stride)
            control = [(SOL_UDP, UDP_SEGMENT, _SEGMENT.pack(stride))]
            self._socket.sendmsg([run], control, 0, self._address)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in REFUSALS or not self.takes_runs or len(run) <= stride:
                return False
            return self._go_singly(run, stride, error)
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _go_singly(self, run: memoryview, stride: int, error: OSError) -> bool:
        self.takes_runs = False
        self._on_refused(error)
        try:
            # The same bytes once more: they are encrypted, and must not be a second time.
            return self._send_singly(run, stride)
        except OSError:
            return False

    def _send_singly(self, run: memoryview, stride: int) -> bool:
        for begin in range(0, len(run), stride):
            self._socket.sendmsg([run[begin : begin + stride]], [], 0, self._address)
        return True


class DirectRoute:
    """Straight to the peer, over a copy of the socket that the checks use."""

    prefix_bytes = 0

    def __init__(
        self, sock: socket.socket, address: tuple[str, int], on_refused: Callable[[OSError], None]
    ) -> None:
        self._segments = Segments(sock, address, on_refused)

    def send(self, run: memoryview, stride: int) -> bool:
        """Send a run of packets."""
        return self._segments.send(run, stride)

    def close(self) -> None:
        """Close the copy."""
        self._segments.close()


class ChannelRoute:
    """Through a relay over UDP: each packet behind a channel's header (RFC 8656 section 12.4)."""

    prefix_bytes = CHANNEL_HEADER_BYTES

    def __init__(
        self,
        relay: Relay,
        sock: socket.socket,
        address: tuple[str, int],
        on_refused: Callable[[OSError], None],
    ) -> None:
        self._relay = relay
        self._address = address
        self._segments = Segments(sock, None, on_refused)

    def send(self, run: memoryview, stride: int) -> bool:
        """Send a run; packet by packet while the relay has no channel for the peer."""
        channel = self._relay.channel(self._address)
        if channel is None:
            for begin in range(0, len(run), stride):
                packet = run[begin + CHANNEL_HEADER_BYTES : begin + stride]
                self._relay.sendto(bytes(packet), self._address)
            return True
        for begin in range(0, len(run), stride):
            length = min(stride, len(run) - begin) - CHANNEL_HEADER_BYTES
            _CHANNEL.pack_into(run, begin, channel, length)
        return self._segments.send(run, stride)

    def close(self) -> None:
        """Close the copy of the relay's socket."""
        self._segments.close()


class PacketRoute:
    """Packet by packet through whatever carries the pair: a relay over TCP or TLS."""

    prefix_bytes = 0

    def __init__(self, relay: Relay, address: tuple[str, int]) -> None:
        self._relay = relay
        self._address = address

    def send(self, run: memoryview, stride: int) -> bool:
        """Hand over each packet; False while the relay does not keep up."""
        if self._relay.is_full:
            return False
        for begin in range(0, len(run), stride):
            self._relay.sendto(bytes(run[begin : begin + stride]), self._address)
        return True

    def close(self) -> None:
        """Hold nothing."""


class Way:
    """The route of the moment; it changes when another pair of addresses takes over."""

    def __init__(self, checks: Checks, *, on_refused: Callable[[OSError], None]) -> None:
        self._checks = checks
        self._on_refused = on_refused
        self._pair: CandidatePair | None = None
        self._route: Route | None = None

    def route(self) -> Route | None:
        """Return how to reach the peer now, None when there is no path."""
        pair = self._checks.nominated_pair()
        if pair is not self._pair:
            self.close()
            self._pair = pair
            self._route = None if pair is None else self._open(pair)
        return self._route

    def close(self) -> None:
        """Close the route."""
        if self._route is not None:
            self._route.close()
        self._route = self._pair = None

    def _open(self, pair: CandidatePair) -> Route | None:
        transport = pair.protocol.transport
        address = pair.remote_addr
        if isinstance(transport, Relay):
            sock = transport.datagram_socket()
            if sock is None:
                return PacketRoute(transport, address)
            return ChannelRoute(transport, _copy(sock), address, self._on_refused)
        sock = transport.get_extra_info("socket")
        return None if sock is None else DirectRoute(_copy(sock), address, self._on_refused)


def _copy(sock: socket.socket) -> socket.socket:
    """Return another handle on the same socket, which asyncio's wrapper would not let us use."""
    copy = socket.socket(fileno=os.dup(sock.fileno()))
    copy.setblocking(False)
    with contextlib.suppress(OSError):
        copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return copy
