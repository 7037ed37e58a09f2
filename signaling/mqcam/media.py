"""The encrypted transport of one connection: RTP and RTCP in and out, counted and observable.

It must not know what the packets carry, nor who listens to them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pylibsrtp
from aiortc import RTCDtlsTransport

from mqcam.private import PrivateName

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCCertificate, RTCIceTransport

logger = logging.getLogger(__name__)

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._handle_rtp_data",
        parameters=("self", "data", "arrival_time_ms"),
        reason="the only place where authenticated RTP can be seen as it came",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._handle_rtcp_data",
        parameters=("self", "data"),
        reason="the only place where extended reports and transport feedback can be seen",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._send_rtp",
        parameters=("self", "data"),
        reason="everything that the stock sender and receiver send passes here",
    ),
)


SOURCE_LIMIT: Final = 4
"""Synchronisation sources of one peer: video and its repeats are two."""


@dataclass(slots=True)
class Traffic:
    """What passed in one direction; bytes are those before encryption."""

    rtp_packets: int = 0
    rtp_bytes: int = 0
    rtcp_packets: int = 0
    rtcp_bytes: int = 0


def is_rtcp(packet: bytes) -> bool:
    """Tell RTCP from RTP on one port (RFC 5761 section 4)."""
    return len(packet) > 1 and 192 <= packet[1] <= 223  # noqa: PLR2004


class MediaTransport(RTCDtlsTransport):
    """A DTLS transport that lets others see authenticated packets and change outgoing ones.

    ``heard_at`` is the monotonic time in seconds of the last authenticated packet, 0 before.
    """

    def __init__(self, ice: RTCIceTransport, certificate: RTCCertificate) -> None:
        super().__init__(ice, [certificate])
        self.heard_at = 0.0
        self.received = Traffic()
        self.sent = Traffic()
        self.malformed = 0
        self.excessive = 0
        self._sources: set[int] = set()
        self._rtp_listeners: tuple[Callable[[bytes, float], None], ...] = ()
        self._rtcp_listeners: tuple[Callable[[bytes, float], None], ...] = ()
        self._outgoing_tap: Callable[[bytes], bytes | None] | None = None

    def add_rtp_listener(self, listener: Callable[[bytes, float], None]) -> None:
        """Call with each authenticated RTP packet and its monotonic arrival in seconds."""
        self._rtp_listeners = (*self._rtp_listeners, listener)

    def add_rtcp_listener(self, listener: Callable[[bytes, float], None]) -> None:
        """Call with each authenticated RTCP compound and its monotonic arrival in seconds."""
        self._rtcp_listeners = (*self._rtcp_listeners, listener)

    def set_outgoing_tap(self, tap: Callable[[bytes], bytes | None] | None) -> None:
        """Let ``tap`` see each outgoing RTP packet or RTCP compound: it returns what is sent.

        None drops the packet.
        """
        self._outgoing_tap = tap

    async def send(self, packet: bytes) -> bool:
        """Encrypt and send one RTP packet or RTCP compound; False if there is no connection."""
        try:
            await self._send_rtp(packet)
        except (ConnectionError, pylibsrtp.Error):
            return False
        return True

    def note_authenticated(self) -> None:
        """Remember that something came that only the peer can have sent."""
        self.heard_at = time.monotonic()

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        del arrival_time_ms  # by the time of day, which may be set
        self.note_authenticated()
        if not self._is_known_source(data):
            self.excessive += 1
            return
        self.received.rtp_packets += 1
        self.received.rtp_bytes += len(data)
        self._tell(self._rtp_listeners, data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self.note_authenticated()
        self.received.rtcp_packets += 1
        self.received.rtcp_bytes += len(data)
        self._tell(self._rtcp_listeners, data)
        try:
            await super()._handle_rtcp_data(data)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - the stock parser raises anything on what the peer sent
            self.malformed += 1

    async def _send_rtp(self, data: bytes) -> None:
        packet = data if self._outgoing_tap is None else self._outgoing_tap(data)
        if packet is None:
            return
        await super()._send_rtp(packet)
        if is_rtcp(packet):
            self.sent.rtcp_packets += 1
            self.sent.rtcp_bytes += len(packet)
        else:
            self.sent.rtp_packets += 1
            self.sent.rtp_bytes += len(packet)

    def _is_known_source(self, packet: bytes) -> bool:
        source = int.from_bytes(packet[8:12])
        if source not in self._sources and len(self._sources) < SOURCE_LIMIT:
            self._sources.add(source)
        return source in self._sources

    def _tell(self, listeners: tuple[Callable[[bytes, float], None], ...], data: bytes) -> None:
        for listener in listeners:
            # This runs inside the receive loop: a mistake of a listener must not end it.
            try:
                listener(data, self.heard_at)
            except Exception:
                logger.exception("a listener of incoming packets failed")
