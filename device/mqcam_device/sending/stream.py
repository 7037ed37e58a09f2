"""One viewer's packets: numbered, encrypted where they lie, handed to the route of the moment.

It must not know timers, reports or who decides what is sent.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from mqcam.rtcp import RTP_MASK

from mqcam_device.sending.layout import SEQUENCE_AT, make_layout, send_time
from mqcam_device.sending.ledger import SEQUENCE_MASK, Ledger
from mqcam_device.sending.packetiser import SEQUENCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.route import Route
    from mqcam.sdp import VideoParameters
    from mqcam.srtp import Scratch

    from mqcam_device.sending.layout import Run
    from mqcam_device.sending.ledger import Sent
    from mqcam_device.sending.parcels import Parcel, Parcels

COPIES: Final = 1024
"""Encrypted packets that are kept for a viewer without RTX: a repeat is the same bytes."""

FIRST_SEQUENCE_BITS: Final = 15

COLLISION_TICKS: Final = 90
"""A millisecond: what a second picture of one capture is told apart by."""

_NUMBERS: Final = struct.Struct("!HII")  # sequence, timestamp, SSRC, from SEQUENCE_AT on
_SEQUENCE: Final = struct.Struct("!H")


class Sealing(Protocol):
    """What encrypts runs in scratch memory (mqcam.srtp.Sealer)."""

    tag_bytes: int
    scratch: Scratch

    def seal(self, offsets: Sequence[int], lengths: Sequence[int]) -> None:
        """Encrypt the packets at these places."""
        ...


@dataclass(slots=True)
class Piece:
    """Packets ``begin`` to ``end`` of a run: what leaves together. ``opens`` a picture."""

    parcel: Parcel
    run: Run
    begin: int
    end: int
    timestamp: int
    opens: bool


class Stream:
    """The numbering and the way out of one viewer; nothing here waits or queues.

    ``random_number(bits)`` chooses where sequence numbers begin. ``on_run(first, count, size)``
    hears of packets that leave, by their transport-wide numbers.
    """

    def __init__(
        self,
        video: VideoParameters,
        *,
        sealer: Sealing,
        parcels: Parcels,
        random_number: Callable[[int], int],
        on_run: Callable[[int, int, int], None],
    ) -> None:
        self._video = video
        self._sealer = sealer
        self._parcels = parcels
        self._on_run = on_run
        self._route: Route | None = None
        self._playout_ms = (0, 0)
        self._rotation = 0
        self._layout = make_layout(video, tag_bytes=sealer.tag_bytes)
        self.ledger = Ledger(random_number(FIRST_SEQUENCE_BITS))
        self._repeat_sequence = random_number(FIRST_SEQUENCE_BITS)
        self._transport_sequence = random_number(FIRST_SEQUENCE_BITS)
        self._copies: OrderedDict[int, bytes] | None = (
            OrderedDict() if video.rtx_payload_type is None else None
        )
        self._cut_timestamp: int | None = None
        self.repeated = 0

    def use(self, route: Route) -> None:
        """Send along another route from now on."""
        if route is not self._route:
            self._route = route
            self._lay_out_again()

    def hold_back(self, playout_ms: tuple[int, int]) -> None:
        """Tell the viewer how long it may hold pictures back, in ms, least and most."""
        if playout_ms != self._playout_ms:
            self._playout_ms = playout_ms
            self._lay_out_again()

    def turn(self, rotation: int) -> None:
        """Tell the viewer how far to turn pictures clockwise, in degrees."""
        if rotation != self._rotation:
            self._rotation = rotation
            self._lay_out_again()

    def pieces(self, parcel: Parcel, at_ns: int, limit: int) -> list[Piece]:
        """Cut a picture into pieces of at most ``limit`` packets."""
        timestamp = self._cut_timestamp = self._timestamp(parcel)
        pieces: list[Piece] = []
        for run in parcel.laid_out(self._layout, at_ns):
            for begin in range(0, run.count, limit):
                end = min(begin + limit, run.count)
                pieces.append(Piece(parcel, run, begin, end, timestamp, not pieces))
        return pieces

    def send(self, piece: Piece, *, restamp_ns: int | None = None) -> bool:
        """Give a piece its numbers, encrypt and send it; False when the way is full or gone.

        ``restamp_ns`` is the time of sending where it is not that of laying out.
        """
        route = self._route
        if piece.opens:
            self.ledger.open(
                piece.parcel.number, piece.timestamp, is_keyframe=piece.parcel.is_keyframe
            )
        run, layout, scratch = piece.run, self._layout, self._sealer.scratch
        if route is None or route.prefix_bytes != run.offsets[0]:
            return False  # laid out for a route that is gone
        image = run.image
        if piece.end - piece.begin < run.count:
            image = image[piece.begin * run.stride : piece.end * run.stride]
        size = len(image)
        scratch.view[:size] = image
        count = piece.end - piece.begin
        first = self.ledger.take(count, size - count * layout.overhead_bytes)
        offsets = run.offsets[:count]
        self._number(offsets, first, piece.timestamp, restamp_ns)
        self._tell(count, run.stride)
        self._sealer.seal(offsets, run.lengths[piece.begin : piece.end])
        self._copy(offsets, run.lengths[piece.begin : piece.end], first)
        return route.send(scratch.view[:size], run.stride)

    def send_again(self, sent: Sent, at_ns: int) -> bool:
        """Repeat a packet, on the stream of repeats (RFC 4588) or as the bytes that it was."""
        packet = self._repeat(sent, at_ns)
        if packet is None or self._route is None:
            return False
        prefix, view = self._route.prefix_bytes, self._sealer.scratch.view
        size = prefix + len(packet)
        view[prefix:size] = packet
        if self._copies is None:
            self._sealer.seal([prefix], [len(packet)])
            size += self._sealer.tag_bytes
        self.repeated += 1
        return self._route.send(view[:size], size)

    def _lay_out_again(self) -> None:
        self._layout = make_layout(
            self._video,
            tag_bytes=self._sealer.tag_bytes,
            prefix_bytes=self._route.prefix_bytes if self._route else 0,
            playout_ms=self._playout_ms,
            rotation=self._rotation,
        )

    def _timestamp(self, parcel: Parcel) -> int:
        """Return a picture's timestamp; never that of another picture.

        Both layers show one capture: who changes between them gets the second one a tick later.
        """
        if parcel.timestamp == self._cut_timestamp:
            return (parcel.timestamp + COLLISION_TICKS) & RTP_MASK
        return parcel.timestamp

    def _number(
        self, offsets: Sequence[int], first: int, timestamp: int, restamp_ns: int | None
    ) -> None:
        """Fill in what the layout leaves open."""
        buffer, layout, ssrc = self._sealer.scratch.buffer, self._layout, self._video.local_ssrc
        number, pack = first, _NUMBERS.pack_into
        for offset in offsets:
            pack(buffer, offset + SEQUENCE_AT, number & SEQUENCE_MASK, timestamp, ssrc)
            number += 1
        if layout.transport_sequence_at:
            self._number_transport(offsets)
        if restamp_ns is not None and layout.send_time_at:
            stamp = send_time(restamp_ns).to_bytes(3)
            for offset in offsets:
                place = offset + layout.send_time_at
                buffer[place : place + 3] = stamp

    def _number_transport(self, offsets: Sequence[int]) -> None:
        buffer, at = self._sealer.scratch.buffer, self._layout.transport_sequence_at
        number, pack = self._transport_sequence, _SEQUENCE.pack_into
        for offset in offsets:
            pack(buffer, offset + at, number & SEQUENCE_MASK)
            number += 1

    def _tell(self, count: int, size_bytes: int) -> None:
        """Say what leaves; without transport-wide numbers on the wire only its size counts."""
        self._on_run(self._transport_sequence, count, size_bytes)
        self._transport_sequence += count

    def _copy(self, offsets: Sequence[int], lengths: Sequence[int], first: int) -> None:
        """Keep what may have to be repeated as it is, for a viewer without RTX."""
        if self._copies is None:
            return
        view, tag = self._sealer.scratch.view, self._sealer.tag_bytes
        for index, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
            self._copies[first + index] = bytes(view[offset : offset + length + tag])
        while len(self._copies) > COPIES:
            self._copies.popitem(last=False)

    def _repeat(self, sent: Sent, at_ns: int) -> bytes | None:
        if self._copies is not None:
            return self._copies.get(sent.number)
        parcel = self._parcels.recall(sent.parcel)
        if parcel is None or self._video.rtx_payload_type is None:
            return None
        head = bytearray(
            self._layout.head(
                marker=sent.index == len(parcel.payloads) - 1,
                payload_type=self._video.rtx_payload_type,
                sequence=self._repeat_sequence & SEQUENCE_MASK,
                time=sent.timestamp,
                ssrc=self._video.local_rtx_ssrc or 0,
            )
        )
        self._repeat_sequence += 1
        if self._layout.send_time_at:
            place = self._layout.send_time_at
            head[place : place + 3] = send_time(at_ns).to_bytes(3)
        payload = parcel.payloads[sent.index]
        if self._layout.transport_sequence_at:
            _SEQUENCE.pack_into(
                head,
                self._layout.transport_sequence_at,
                self._transport_sequence & SEQUENCE_MASK,
            )
        self._tell(1, len(head) + SEQUENCE_BYTES + len(payload) + self._layout.tag_bytes)
        return bytes(head) + _SEQUENCE.pack(sent.number & SEQUENCE_MASK) + payload
