"""What the packets of a viewer look like, and pictures laid out that way for many viewers at once.

It must not know keys, sockets or viewers: who sends fills in what differs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mqcam.sdp import (
    ABS_SEND_TIME_URI,
    MID_URI,
    ORIENTATION_URI,
    PLAYOUT_DELAY_URI,
    TRANSPORT_WIDE_CC_URI,
)

from mqcam_device.sending.packetiser import EXTENSION_BYTES, HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mqcam.sdp import VideoParameters

RUN_PACKETS: Final = 44
"""What one system call takes: at most 64 packets and 65,507 bytes (udp(7), UDP_SEGMENT)."""

PADDING_LIMIT_BYTES: Final = 64
"""More than this is not worth a system call saved; the format allows 255."""

SEQUENCE_AT: Final = 2
EXTENSIONS_AT: Final = HEADER_BYTES
MARKER: Final = 0x80
SEND_TIME_MASK: Final = 0xFF_FFFF
PLAYOUT_STEP_MS: Final = 10
QUARTER_TURN_DEGREES: Final = 90

_FIXED: Final = struct.Struct("!BBHII")
_PROFILE: Final = struct.Struct("!HH")
_ONE_BYTE_PROFILE: Final = 0xBEDE  # RFC 8285 section 4.2
_VERSION: Final = 0x80
_HAS_EXTENSION: Final = 0x10
_HAS_PADDING: Final = 0x20
_ONE_BYTE_ID_LIMIT: Final = 14


def send_time(at_ns: int) -> int:
    """Return the 24 bits of abs-send-time: seconds with 18 bits of fraction."""
    return (at_ns << 18) // 1_000_000_000 & SEND_TIME_MASK


@dataclass(frozen=True, slots=True)
class Layout:
    """What all packets of one viewer have in common; viewers with equal ones share the work.

    ``prefix_bytes`` are left free in front of each packet, for a relay's header, ``tag_bytes``
    behind it, for encryption. Offsets count from the packet's first byte, 0 means absent.
    """

    payload_type: int
    extensions: bytes
    tag_bytes: int
    prefix_bytes: int = 0
    send_time_at: int = 0
    transport_sequence_at: int = 0

    @property
    def overhead_bytes(self) -> int:
        """What a packet holds besides its payload, encryption included."""
        return HEADER_BYTES + len(self.extensions) + self.tag_bytes + self.prefix_bytes

    def head(
        self, *, marker: bool, payload_type: int, sequence: int, time: int, ssrc: int
    ) -> bytes:
        """Write a header of this layout, extensions included."""
        first = _VERSION | (_HAS_EXTENSION if self.extensions else 0)
        second = payload_type | (MARKER if marker else 0)
        return _FIXED.pack(first, second, sequence, time, ssrc) + self.extensions


def make_layout(
    video: VideoParameters,
    *,
    tag_bytes: int,
    prefix_bytes: int = 0,
    playout_ms: tuple[int, int] = (0, 0),
    rotation: int = 0,
) -> Layout:
    """Lay out the packets of a viewer: one form for all of them, which GSO needs.

    ``playout_ms`` is the least and the most that the viewer may hold a picture back, ``rotation``
    how far it turns each clockwise: 0, 90, 180 or 270 degrees (3GPP TS 26.114 section 7.4.5).
    What may be left out for want of room comes last.
    """
    least, most = (each // PLAYOUT_STEP_MS for each in playout_ms)
    wanted: Sequence[tuple[str, bytes]] = (
        (TRANSPORT_WIDE_CC_URI, bytes(2)),
        (ABS_SEND_TIME_URI, bytes(3)),
        (PLAYOUT_DELAY_URI, (least << 12 | most).to_bytes(3)),
        (ORIENTATION_URI, bytes((rotation // QUARTER_TURN_DEGREES,))),
        (MID_URI, video.mid.encode()),
    )
    block, places = _write_extensions(wanted, video.extensions)
    return Layout(
        payload_type=video.payload_type,
        extensions=block,
        tag_bytes=tag_bytes,
        prefix_bytes=prefix_bytes,
        send_time_at=places.get(ABS_SEND_TIME_URI, 0),
        transport_sequence_at=places.get(TRANSPORT_WIDE_CC_URI, 0),
    )


def _write_extensions(
    wanted: Sequence[tuple[str, bytes]], numbers: Mapping[str, int]
) -> tuple[bytes, dict[str, int]]:
    """Return the block and where each value stands in the packet; what has no room is left out."""
    block = b""
    places: dict[str, int] = {}
    room = EXTENSION_BYTES - _PROFILE.size
    for uri, value in wanted:
        number = numbers.get(uri, 0)
        if not 0 < number <= _ONE_BYTE_ID_LIMIT or len(block) + 1 + len(value) > room or not value:
            continue
        places[uri] = EXTENSIONS_AT + _PROFILE.size + len(block) + 1
        block += bytes((number << 4 | len(value) - 1,)) + value
    if not block:
        return b"", {}
    block += bytes(-len(block) % 4)
    return _PROFILE.pack(_ONE_BYTE_PROFILE, len(block) // 4) + block, places


@dataclass(slots=True)
class Run:
    """Packets of one size in a row, the last at most shorter: what one system call can send.

    ``offsets`` are those of the packets within the run, ``lengths`` theirs without the tag.
    """

    image: bytes
    first: int
    stride: int
    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of packets."""
        return len(self.offsets)


def lay_out(payloads: Sequence[bytes], layout: Layout, *, time: int, at_ns: int) -> list[Run]:
    """Lay out a picture's payloads; sequence numbers and SSRC are zero, to be filled in."""
    extensions = bytearray(layout.extensions)
    if layout.send_time_at:
        place = layout.send_time_at - EXTENSIONS_AT
        extensions[place : place + 3] = send_time(at_ns).to_bytes(3)
    heads = _Heads(layout, bytes(extensions), time)
    tag = bytes(layout.tag_bytes)
    runs: list[Run] = []
    last = len(payloads) - 1
    for begin, end in _groups(payloads):
        parts: list[bytes] = []
        full = len(payloads[begin])
        run = Run(b"", begin, heads.size + full + len(tag))
        for index in range(begin, end):
            payload = payloads[index]
            padding = full - len(payload) if index < end - 1 else 0
            run.offsets.append((index - begin) * run.stride + layout.prefix_bytes)
            run.lengths.append(heads.size - layout.prefix_bytes + len(payload) + padding)
            head = heads.write(is_last=index == last, is_padded=padding > 0)
            parts += [head, payload, _pad(padding), tag]
        run.image = b"".join(parts)
        runs.append(run)
    return runs


class _Heads:
    """The four headers that the packets of a picture can have."""

    def __init__(self, layout: Layout, extensions: bytes, time: int) -> None:
        self.size = layout.prefix_bytes + HEADER_BYTES + len(extensions)
        prefix, first = bytes(layout.prefix_bytes), _VERSION | (_HAS_EXTENSION if extensions else 0)
        self._heads = [
            prefix
            + _FIXED.pack(first | padded, layout.payload_type | marker, 0, time, 0)
            + extensions
            for padded in (0, _HAS_PADDING)
            for marker in (0, MARKER)
        ]

    def write(self, *, is_last: bool, is_padded: bool) -> bytes:
        """Return the header of a packet."""
        return self._heads[2 * is_padded + is_last]


def _pad(count: int) -> bytes:
    """Return padding that counts itself in its last byte (RFC 3550 section 5.1)."""
    return bytes(count - 1) + bytes((count,)) if count else b""


def _groups(payloads: Sequence[bytes]) -> list[tuple[int, int]]:
    """Cut a row of payloads into runs: shorter ones are padded, or end a run."""
    groups: list[tuple[int, int]] = []
    begin = 0
    for index in range(1, len(payloads)):
        full, before, here = (len(payloads[each]) for each in (begin, index - 1, index))
        is_full = index - begin >= RUN_PACKETS
        if is_full or here > full or full - before > PADDING_LIMIT_BYTES:
            groups.append((begin, index))
            begin = index
    if payloads:
        groups.append((begin, len(payloads)))
    return groups
