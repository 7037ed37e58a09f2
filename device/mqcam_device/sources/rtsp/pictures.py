"""RTP packets of a camera, in order as TCP keeps them, put together to pictures.

It must not know sockets, clocks or parameter sets. A picture is whole when its last packet says so:
nothing waits for the next one. That packet's mark is not believed in a camera that also marks
others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mqcam.h264 import IDR_SLICE, SLICE
from mqcam.payload import FU_A, STAP_A, assemble, read_packet

from mqcam_device.sources.feed import MAX_PICTURE_BYTES, EncodedPicture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam.payload import RtpPacket

PACKET_BYTES: Final = 200
"""What a packet without content costs of `MAX_PICTURE_BYTES`."""

_TYPE_MASK: Final = 0x1F
_SEQUENCE_MASK: Final = 0xFFFF


class RtpPictures:
    """Give it each packet of a track."""

    def __init__(self, *, payload_type: int) -> None:
        self._payload_type = payload_type
        self._next: int | None = None
        self._parts: list[RtpPacket] = []
        self._bytes = 0
        self._has_slice = False
        """Tells a picture from parameter sets that come as one: those belong to the next."""
        self._is_lossy = False
        self._has_markers = True
        self._finished_timestamp: int | None = None

    def take(self, packet: bytes, arrived_ns: int) -> Iterator[EncodedPicture]:
        """Yield the pictures that are whole by this packet."""
        read = read_packet(packet)
        if read is None or read.payload_type != self._payload_type or not read.payload:
            return
        if self._next is not None and read.sequence != self._next:
            # The camera left packets out: what it began is debris.
            self._drop()
        self._next = read.sequence + 1 & _SEQUENCE_MASK
        if self._has_slice and self._parts[-1].timestamp != read.timestamp:
            yield from self._finish(arrived_ns)
        is_slice = _is_slice(read.payload)
        if read.timestamp == self._finished_timestamp and is_slice:
            self._has_markers = False
            self._is_lossy = True  # half of this picture has been handed on as a whole one
        self._parts.append(read)
        self._bytes += len(read.payload) + PACKET_BYTES
        self._has_slice = self._has_slice or is_slice
        if self._bytes > MAX_PICTURE_BYTES:
            self._drop()
        elif read.marker and self._has_markers and self._has_slice:
            yield from self._finish(arrived_ns)

    def _finish(self, arrived_ns: int) -> Iterator[EncodedPicture]:
        timestamp = self._parts[-1].timestamp
        assembled = assemble([part.payload for part in self._parts])
        is_lossy = self._is_lossy
        self._begin()
        if assembled is None:
            self._drop()
            return
        self._finished_timestamp = timestamp
        yield EncodedPicture(assembled[0], timestamp, arrived_ns, is_after_loss=is_lossy)

    def _drop(self) -> None:
        self._begin(is_lossy=True)

    def _begin(self, *, is_lossy: bool = False) -> None:
        """Forget the packets of the picture that is over."""
        self._parts, self._bytes, self._has_slice = [], 0, False
        self._is_lossy = is_lossy


def _is_slice(payload: bytes) -> bool:
    kind = payload[0] & _TYPE_MASK
    if kind == FU_A and len(payload) > 1:
        kind = payload[1] & _TYPE_MASK
    elif kind == STAP_A and len(payload) > 3:  # noqa: PLR2004 - what the last of them is decides
        return _last_kind(payload) in (SLICE, IDR_SLICE)
    return kind in (SLICE, IDR_SLICE)


def _last_kind(payload: bytes) -> int:
    at, kind = 1, 0
    while at + 2 < len(payload):
        kind = payload[at + 2] & _TYPE_MASK
        at += 2 + int.from_bytes(payload[at : at + 2], "big")
    return kind
