"""RTP packets of one H.264 stream in, whole encoded pictures out (RFC 6184, RFC 4588).

Packets may come late, twice, in another order or never. A picture that lacks a packet is dropped,
and with it all that follow up to the next one that needs no other. It must not know sockets,
clocks or decoders: packets and times come in as arguments, in seconds of any clock that only goes
forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mqcam.payload import assemble, read_packet

PATIENCE_S: Final = 0.5
"""How long a retransmission may take before a packet counts as lost."""

MAX_WAITING: Final = 1024
"""Packets that may wait behind a missing one, 1.2 MB; past it, the missing one counts as lost."""

MAX_UNIT_BYTES: Final = 8_000_000
"""No picture is larger: what claims to be is garbage."""

MAX_JUMP: Final = 3000
"""A sequence number further away begins a new numbering, if a second packet agrees
(RFC 3550, A.1)."""

MAX_REMEMBERED: Final = 4096

SEQUENCE_BYTES: Final = 2
PACKET_BYTES: Final = 12
"""What a packet without content costs of the above."""


@dataclass(slots=True, kw_only=True)
class VideoUnit:
    """One encoded picture, Annex B. Not frozen, because one is made per frame; never change it.

    ``ticks`` is the RTP timestamp (90 kHz) carried on beyond 32 bits. ``keyframe`` means an IDR
    picture with SPS and PPS in front. ``arrived_at`` is that of the packet that completed it.
    """

    data: bytes
    rtp_timestamp: int
    ticks: int
    keyframe: bool
    arrived_at: float


@dataclass(slots=True)
class Counts:
    """What happened to packets and pictures so far."""

    packets: int = 0
    """Packets of the stream, each once."""
    packets_recovered: int = 0
    """Those of them that came as a retransmission."""
    packets_duplicate: int = 0
    packets_lost: int = 0
    """Packets that never came, or came too late to be of use."""
    malformed: int = 0
    units: int = 0
    """Pictures that were handed on."""
    units_incomplete: int = 0
    """Pictures of which some packets came."""
    units_undecodable: int = 0
    """Whole pictures that need one that was lost."""

    @property
    def units_dropped(self) -> int:
        """Return how many pictures were seen and not handed on."""
        return self.units_incomplete + self.units_undecodable


@dataclass(slots=True)
class _Packet:
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    arrived_at: float


class Depacketiser:
    """Reassemble one stream; give it every packet, and ``tick`` while none comes.

    Packets of other payload types or SSRCs are ignored; an SSRC of None fits any.
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
        self._payload_type = payload_type
        self._rtx_payload_type = rtx_payload_type
        self._ssrc = ssrc
        self._rtx_ssrc = rtx_ssrc
        self._patience_s = patience_s
        self._next: int | None = None  # the sequence number that is due, beyond 16 bits
        self._highest = 0
        self._stray: int | None = None
        self._waiting: dict[int, _Packet] = {}
        self._given_up: set[int] = set()
        self._parts: list[_Packet] = []
        self._parts_bytes = 0
        self._is_open = False  # the next picture can be decoded: all that it needs was handed on
        self._is_begun = False  # a picture was handed on or dropped
        self._last_timestamp: int | None = None
        self._last_ticks = 0
        self._incomplete_timestamp: int | None = None

    @property
    def needs_keyframe(self) -> bool:
        """Tell whether pictures are dropped until the next keyframe."""
        return self._is_begun and not self._is_open

    def receive(self, packet: bytes, arrived_at: float) -> list[VideoUnit]:
        """Take an RTP packet as it came; returns the pictures that are whole by it."""
        read = self._read(packet, arrived_at)
        if read is not None:
            part, is_retransmission = read
            self._keep(part, is_retransmission=is_retransmission)
        return self.tick(arrived_at)

    def tick(self, now: float) -> list[VideoUnit]:
        """Give up on packets that are overdue; returns the pictures that are whole by that."""
        units = self._drain()
        while self._waiting and self._is_overdue(now):
            self._give_up(min(self._waiting))
            units += self._drain()
        return units

    # packets

    def _read(self, packet: bytes, arrived_at: float) -> tuple[_Packet, bool] | None:
        """Return the content and whether it is a retransmission; None of what is not ours."""
        read = read_packet(packet)
        if read is None:
            self.counts.malformed += 1
            return None
        is_rtx = read.payload_type == self._rtx_payload_type
        expected = self._rtx_ssrc if is_rtx else self._ssrc
        if not is_rtx and read.payload_type != self._payload_type:
            return None
        if expected not in (None, read.ssrc):
            return None
        sequence, payload = read.sequence, read.payload
        if is_rtx:
            if len(payload) <= SEQUENCE_BYTES:  # padding, to probe the path with
                return None
            sequence = int.from_bytes(payload[:SEQUENCE_BYTES])
            payload = payload[SEQUENCE_BYTES:]
        return _Packet(sequence, read.timestamp, read.marker, payload, arrived_at), is_rtx

    def _keep(self, packet: _Packet, *, is_retransmission: bool) -> None:
        extended = self._extend(packet.sequence, is_retransmission=is_retransmission)
        if extended is None:
            return
        packet.sequence = extended
        if self._next is None:
            self._next = self._highest = extended
        if extended < self._next and not self._put_back_to(extended):
            self._count_late(extended)
            return
        if extended in self._waiting:
            self.counts.packets_duplicate += 1
            return
        self._highest = max(self._highest, extended)
        self._waiting[extended] = packet
        self.counts.packets += 1
        self.counts.packets_recovered += is_retransmission

    def _extend(self, sequence: int, *, is_retransmission: bool) -> int | None:
        """Return a sequence number beyond 16 bits; None of one that fits nowhere."""
        if self._next is None:
            return None if is_retransmission else sequence + 2**16
        difference = _signed(sequence - self._highest, bits=16)
        if abs(difference) <= MAX_JUMP:
            self._stray = None
            return self._highest + difference
        if is_retransmission:
            return None
        if self._stray is None or sequence != (self._stray + 1) % 2**16:
            self._stray = sequence
            self.counts.malformed += 1
            return None
        self._begin_again(sequence)
        return self._highest

    def _begin_again(self, sequence: int) -> None:
        """Forget the numbering: the sender has begun another one."""
        self._stray = None
        self._drop_parts()
        self._waiting.clear()
        self._given_up.clear()
        self._is_open = False
        self._is_begun = True
        self._highest = self._next = (((self._highest >> 16) + 2) << 16) + sequence

    def _put_back_to(self, extended: int) -> bool:
        """Begin earlier, if the very first packets came in another order."""
        if self._is_begun or extended < self._highest - MAX_WAITING:
            return False
        self._waiting |= {part.sequence: part for part in self._parts}
        self._parts = []
        self._parts_bytes = 0
        self._next = extended
        return True

    def _count_late(self, extended: int) -> None:
        if extended in self._given_up:
            self._given_up.remove(extended)
        else:
            self.counts.packets_duplicate += 1

    def _is_overdue(self, now: float) -> bool:
        if len(self._waiting) > MAX_WAITING:
            return True
        first = self._waiting[min(self._waiting)]
        return now - first.arrived_at >= self._patience_s

    def _give_up(self, resume: int) -> None:
        """Go on at ``resume``: what is missing before it is lost."""
        begin = self._next if self._next is not None else resume
        self.counts.packets_lost += resume - begin
        self._given_up.update(range(max(begin, resume - MAX_REMEMBERED), resume))
        if len(self._given_up) > MAX_REMEMBERED:
            self._given_up = {each for each in self._given_up if each >= resume - MAX_REMEMBERED}
        self._drop_parts()
        self._is_open = False
        self._is_begun = True
        self._next = resume

    # pictures

    def _drain(self) -> list[VideoUnit]:
        """Move what is in order from the packets that wait to pictures."""
        units: list[VideoUnit] = []
        while self._next is not None and self._next in self._waiting:
            packet = self._waiting.pop(self._next)
            self._next += 1
            if self._parts and self._parts[0].timestamp != packet.timestamp:
                self._finish(units)  # a sender that sets no markers
            self._parts.append(packet)
            self._parts_bytes += len(packet.payload) + PACKET_BYTES
            if packet.marker or self._parts_bytes > MAX_UNIT_BYTES:
                self._finish(units)
        return units

    def _finish(self, units: list[VideoUnit]) -> None:
        """Turn the parts into a picture, or drop them."""
        parts = self._parts
        self._is_begun = True
        assembled = None
        if self._parts_bytes <= MAX_UNIT_BYTES:
            assembled = assemble([part.payload for part in parts if part.payload])
        if assembled is None:
            self._drop_parts()
            self._is_open = False
            return
        self._parts = []
        self._parts_bytes = 0
        data, is_keyframe = assembled
        if not data:
            return
        timestamp = parts[0].timestamp
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
            )
        )

    def _drop_parts(self) -> None:
        """Count a picture once, however many pieces of it come."""
        if self._parts:
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
            self._last_ticks += _signed(timestamp - self._last_timestamp, bits=32)
        self._last_timestamp = timestamp
        return self._last_ticks


def _signed(difference: int, *, bits: int) -> int:
    """Read the difference of two counters that wrap."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
