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

from mqcam.errors import LocalProtocolError
from mqcam.flights import Flights
from mqcam.private import PrivateName
from mqcam.protocol.bucket import Buckets
from mqcam.srtp import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiortc import RTCCertificate, RTCIceTransport

    from mqcam.srtp import Scratch

logger = logging.getLogger(__name__)

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._handle_rtp_data",
        parameters=("self", "data", "arrival_time_ms"),
        reason="the way of packets that were queued before there were keys",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._handle_rtcp_data",
        parameters=("self", "data"),
        reason="the way of reports that were queued before there were keys",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._send_rtp",
        parameters=("self", "data"),
        reason="the way of our own reports out",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._tx_srtp",
        reason="the keys of outgoing packets, which are encrypted where they lie",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._rx_srtp",
        reason="the keys of incoming packets, which are read in the turn in which they arrive",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._ssl",
        reason="knows which SRTP profile was agreed on",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._do_handshake",
        parameters=("self",),
        reason="the time in which what is sent is a flight of the handshake",
    ),
    PrivateName(
        module="aiortc.rtcdtlstransport",
        path="RTCDtlsTransport._srtp_profiles",
        reason="the ciphers that are offered or taken",
    ),
    PrivateName(
        module="aiortc.rtcicetransport",
        path="RTCIceTransport._send",
        reason="the way of each flight to the peer",
    ),
)


SOURCE_LIMIT: Final = 4
"""Synchronisation sources of one peer: video and its repeats are two."""

REPORTS_PER_S: Final = 200
REPORTS_BURST: Final = 100
"""Reports of one peer that are read: an overloaded browser sends a hundred in a second."""


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
    """A DTLS transport that lets others see authenticated packets, and encrypt their own.

    ``sent`` counts what ``send`` sends: pictures leave by another way (mqcam.route).

    ``heard_at`` is the monotonic time in seconds of the last authenticated packet, 0 before.
    ``rtt_s`` is the round trip as ICE measured it, where it did: set it before ``start``.
    """

    def __init__(self, ice: RTCIceTransport, certificate: RTCCertificate) -> None:
        super().__init__(ice, [certificate])
        self.heard_at = 0.0
        self.rtt_s: float | None = None
        self.received = Traffic()
        self.sent = Traffic()
        self.excessive = 0
        self.unauthentic = 0
        self._sources: set[int] = set()
        self._reporters: set[int] = set()
        self._budget = Buckets(burst=REPORTS_BURST, per_s=REPORTS_PER_S, names_max=1)
        self._flights: Flights | None = None
        self._rtp_listeners: tuple[Callable[[bytes, float], None], ...] = ()
        self._rtcp_listeners: tuple[Callable[[bytes, float], None], ...] = ()

    def add_rtp_listener(self, listener: Callable[[bytes, float], None]) -> None:
        """Call with each authenticated RTP packet and its monotonic arrival in seconds."""
        self._rtp_listeners = (*self._rtp_listeners, listener)

    def add_rtcp_listener(self, listener: Callable[[bytes, float], None]) -> None:
        """Call with each authenticated RTCP compound and its monotonic arrival in seconds."""
        self._rtcp_listeners = (*self._rtcp_listeners, listener)

    async def send(self, packet: bytes) -> bool:
        """Encrypt and send one RTP packet or RTCP compound; False if there is no connection."""
        try:
            await self._send_rtp(packet)
        except (ConnectionError, pylibsrtp.Error):
            return False
        if is_rtcp(packet):
            self.sent.rtcp_packets += 1
            self.sent.rtcp_bytes += len(packet)
        else:
            self.sent.rtp_packets += 1
            self.sent.rtp_bytes += len(packet)
        return True

    def send_now(self, packet: bytes) -> bool:
        """Encrypt and send in this turn of the loop; False if there is no connection.

        Nothing below waits: a socket takes a datagram or drops it, a relay's stream queues it. So
        who reports needs no task.
        """
        sending = self.send(packet)
        try:
            sending.send(None)
        except StopIteration as done:
            return bool(done.value)
        sending.close()
        return False

    def make_sealer(self, scratch: Scratch) -> Sealer:
        """Return what encrypts this connection's packets in ``scratch``.

        Raises LocalProtocolError before the connection stands.
        """
        if self._ssl is None or self._tx_srtp is None:
            raise LocalProtocolError("packets can be encrypted when the connection stands")
        return Sealer(self._tx_srtp, self._ssl.get_selected_srtp_profile(), scratch)

    def note_authenticated(self) -> None:
        """Remember that something came that only the peer can have sent."""
        self.heard_at = time.monotonic()

    def limit_ciphers(self, names: Sequence[bytes]) -> None:
        """Offer or take only these SRTP ciphers, best first; before ``start``.

        Names are OpenSSL's. What libsrtp was built without is left out.
        """
        self._srtp_profiles = [
            profile
            for name in names
            for profile in self._srtp_profiles
            if profile.openssl_profile == name
        ]

    def stop_repeats(self) -> None:
        """Send nothing of the key exchange again: first part of the end, which cannot wait."""
        if self._flights is not None:
            self._flights.stop()

    async def _do_handshake(self) -> None:
        ice = self.transport
        send = ice._send  # noqa: SLF001
        self._flights = Flights(send, rtt_s=self.rtt_s)
        ice._send = self._flights.send  # noqa: SLF001
        try:
            await super()._do_handshake()
        finally:
            ice._send = send  # noqa: SLF001
            if self.encrypted and ice.role == "controlling":
                # The server's is the last flight: whoever sends media has seen it.
                self._flights.finish(lambda: self._has_received)
            else:
                self._flights.stop()

    @property
    def _has_received(self) -> bool:
        return self.received.rtp_packets + self.received.rtcp_packets > 0

    def take(self, datagram: bytes) -> bool:
        """Take a datagram of SRTP in the turn in which it arrived; False before there are keys.

        aiortc would queue it, wake a task, and read the time of day: for a camera with sixteen
        viewers that is most of what their reports cost.
        """
        if self._rx_srtp is None:
            return False
        sources, at = (self._reporters, 4) if is_rtcp(datagram) else (self._sources, 8)
        source = int.from_bytes(datagram[at : at + 4])
        # Before anything is decrypted: libsrtp keeps a stream for each source for ever.
        if source not in sources and len(sources) >= SOURCE_LIMIT:
            self.excessive += 1
            return True
        try:
            if sources is self._reporters:
                self._take_rtcp(self._rx_srtp.unprotect_rtcp(datagram))
            else:
                self._take_rtp(self._rx_srtp.unprotect(datagram))
        except pylibsrtp.Error:
            self.unauthentic += 1
        else:
            sources.add(source)
        return True

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        del arrival_time_ms  # by the time of day, which may be set
        self._take_rtp(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self._take_rtcp(data)

    def _take_rtp(self, data: bytes) -> None:
        self.note_authenticated()
        if not self._is_known_source(data):
            self.excessive += 1
            return
        self.received.rtp_packets += 1
        self.received.rtp_bytes += len(data)
        self._tell(self._rtp_listeners, data)

    def _take_rtcp(self, data: bytes) -> None:
        self.note_authenticated()
        if not self._budget.take("reports", self.heard_at):
            self.excessive += 1
            return
        self.received.rtcp_packets += 1
        self.received.rtcp_bytes += len(data)
        self._tell(self._rtcp_listeners, data)

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
