"""RTP packets of one H.264 stream in, whole encoded pictures out (RFC 6184, RFC 4588).

Packets may come late, twice, in another order or never. A picture that lacks a packet is dropped,
and with it all that follow up to the next one that needs no other. It must not know sockets,
clocks or decoders: packets and times come in as arguments, in seconds of any clock that only goes
forward; which packets to ask for again comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.ordering import PATIENCE_S, Counts, Ordering
from mqcam.payload import assemble, read_packet
from mqcam.wrapping import signed

if TYPE_CHECKING:
    from mqcam.payload import RtpPacket

MAX_UNIT_BYTES: Final = 8_000_000
"""No picture is larger: what claims to be is garbage."""

SEQUENCE_BYTES: Final = 2
PACKET_BYTES: Final = 200
"""What a packet without content costs of the above."""


@dataclass(slots=True, kw_only=True)
class VideoUnit:
    """One encoded picture, Annex B. Not frozen, because one is made per frame; never change it.

    ``ticks`` is the RTP timestamp (90 kHz) carried on beyond 32 bits. ``keyframe`` means an IDR
    picture with SPS and PPS in front. ``arrived_at`` is that of the packet that completed it.
    ``rotation`` is how far to turn the picture clockwise for it to stand upright: 0, 90, 180 or
    270 degrees.
    """

    data: bytes
    rtp_timestamp: int
    ticks: int
    keyframe: bool
    arrived_at: float
    rotation: int = 0


class Depacketiser:
    """Reassemble one stream; give it every packet, and ``tick`` when ``next_at`` has come.

    Packets of other payload types or SSRCs are ignored; an SSRC of None fits any. ``repair`` is
    told the round trip. ``patience_s`` is the least time for which a missing packet is awaited.
    """

    def __init__(
        self,
        *,
        payload_type: int,
        rtx_payload_type: int | None = None,
        ssrc: int | None = None,
        rtx_ssrc: int | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.counts = Counts()
        self._order = Ordering(self.counts, patience_s=patience_s)
        self.repair = self._order.repair
        self._payload_type = payload_type
        self._rtx_payload_type = rtx_payload_type
        self._ssrc = ssrc
        self._rtx_ssrc = rtx_ssrc
        self._parts: list[RtpPacket] = []
        self._parts_bytes = 0
        self._is_open = False  # the next picture can be decoded: all that it needs was handed on
        self._last_timestamp: int | None = None
        self._last_ticks = 0
        self._incomplete_timestamp: int | None = None
        self._rotation = 0

    @property
    def needs_keyframe(self) -> bool:
        """Tell whether pictures are dropped until the next keyframe."""
        return not self._is_open and self._order.is_begun

    @property
    def is_incomplete(self) -> bool:
        """Tell whether a packet is missing, or may be soon."""
        return self._order.is_incomplete

    def receive(self, packet: bytes, arrived_at: float) -> list[VideoUnit]:
        """Take an RTP packet as it came; returns the pictures that are whole by it."""
        read = read_packet(packet, arrived_at)
        if read is None:
            self.counts.malformed += 1
            return []
        return self.take(read)

    def take(self, packet: RtpPacket) -> list[VideoUnit]:
        """Take an RTP packet that was read already, which is changed by that."""
        is_rtx = packet.payload_type == self._rtx_payload_type
        if self._is_ours(packet, is_rtx=is_rtx) and (not is_rtx or _unwrap(packet)):
            if self._order.add(packet, is_retransmission=is_rtx):
                self._break_off()
            return self.tick(packet.arrived_at)
        return []

    def tick(self, now: float) -> list[VideoUnit]:
        """Give up on packets that are overdue; returns the pictures that are whole by that."""
        units: list[VideoUnit] = []
        self._drain(units)
        while self._order.is_waiting:
            begin = self._order.whole_keyframe(is_needed=self.needs_keyframe)
            if begin is not None:
                self._order.skip_to(begin)
            elif self._order.is_overdue(now):
                self._order.give_up()
            else:
                break
            self._break_off()
            self._order.begin()
            self._drain(units)
        return units

    def requests(self, now: float) -> list[int]:
        """Return the 16-bit numbers of packets to ask for now."""
        return self._order.requests(now)

    def next_at(self, now: float) -> float | None:
        """Return when ``tick`` and ``requests`` have something to do, None while nothing comes."""
        return self._order.next_at(now)

    def _is_ours(self, packet: RtpPacket, *, is_rtx: bool) -> bool:
        if is_rtx:
            return self._rtx_ssrc in (None, packet.ssrc)
        return packet.payload_type == self._payload_type and self._ssrc in (None, packet.ssrc)

    def _drain(self, units: list[VideoUnit]) -> None:
        """Move what is in order from the packets that wait to pictures."""
        while (packet := self._order.pop()) is not None:
            if self._parts and self._parts[0].timestamp != packet.timestamp:
                self._order.has_markers = False
                self._finish(units)
            self._parts.append(packet)
            self._parts_bytes += len(packet.payload) + PACKET_BYTES
            if packet.marker or self._parts_bytes > MAX_UNIT_BYTES:
                self._finish(units)

    def _finish(self, units: list[VideoUnit]) -> None:
        """Turn the parts into a picture, or drop them."""
        parts = self._parts
        self._order.begin()
        assembled = None
        if self._parts_bytes <= MAX_UNIT_BYTES:
            assembled = assemble([part.payload for part in parts if part.payload])
        if assembled is None:
            self._break_off()
            return
        self._parts = []
        self._parts_bytes = 0
        data, is_keyframe = assembled
        if not data:
            return
        timestamp = parts[0].timestamp
        if parts[-1].rotation is not None:  # else that of the picture before (TS 26.114, 7.4.5)
            self._rotation = parts[-1].rotation
        if not (self._is_open or is_keyframe):
            self.counts.units_undecodable += timestamp != self._incomplete_timestamp
            return
        self._is_open = True
        self.counts.units += 1
        units.append(
            VideoUnit(
                data=data,
                rtp_timestamp=timestamp,
                ticks=self._ticks(timestamp),
                keyframe=is_keyframe,
                arrived_at=max(part.arrived_at for part in parts),
                rotation=self._rotation,
            )
        )

    def _break_off(self) -> None:
        """Drop the picture that was begun, and all up to the next keyframe.

        It is counted once, however many pieces of it come, and not before the first picture:
        its pieces come again then.
        """
        self._is_open = False
        if self._parts and self._order.is_begun:
            timestamp = self._parts[0].timestamp
            if timestamp != self._incomplete_timestamp:
                self.counts.units_incomplete += 1
                self._incomplete_timestamp = timestamp
        self._parts = []
        self._parts_bytes = 0

    def _ticks(self, timestamp: int) -> int:
        if self._last_timestamp is None:
            self._last_ticks = timestamp
        else:
            self._last_ticks += signed(timestamp - self._last_timestamp, bits=32)
        self._last_timestamp = timestamp
        return self._last_ticks


def _unwrap(packet: RtpPacket) -> bool:
    """Turn a retransmission into what it repeats (RFC 4588 section 4); False of mere padding."""
    if len(packet.payload) <= SEQUENCE_BYTES:
        return False
    packet.sequence = int.from_bytes(packet.payload[:SEQUENCE_BYTES])
    packet.payload = packet.payload[SEQUENCE_BYTES:]
    return True
