"""What one RTP packet carries of an H.264 stream: the header, and NAL units in pieces (RFC 6184).

It must not know packets before or after: order and losses are the depacketiser's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from mqcam.h264 import IDR_SLICE, PPS, SEI, SLICE, SPS

STAP_A: Final = 24
FU_A: Final = 28
START_CODE: Final = b"\x00\x00\x00\x01"

_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 2
_HAS_PADDING: Final = 0x20
_HAS_EXTENSION: Final = 0x10
_EXTENSION: Final = struct.Struct("!HH")
_ONE_BYTE_KIND: Final = 0xBEDE
_MARKER: Final = 0x80
_WORD_BYTES: Final = 4
_LENGTH: Final = struct.Struct("!H")
_TYPE_MASK: Final = 0x1F
_FU_START: Final = 0x80
_FU_END: Final = 0x40
_FU_HEADER_BYTES: Final = 2
_QUARTER_TURNS: Final = 0x03


@dataclass(slots=True)
class RtpPacket:
    """The fields of an RTP packet that reassembly needs; ``arrived_at`` is the receiver's.

    ``rotation`` is what the packet says of its picture, where the receiver looked for that.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    arrived_at: float = 0.0
    rotation: int | None = None


def read_packet(packet: bytes, arrived_at: float = 0.0) -> RtpPacket | None:
    """Read an RTP packet (RFC 3550 section 5.1); None if it is damaged."""
    if len(packet) < _HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
    payload = _payload(packet, first)
    if first >> 6 != _VERSION or payload is None:
        return None
    is_marked = second >= _MARKER
    return RtpPacket(second & ~_MARKER, is_marked, sequence, timestamp, ssrc, payload, arrived_at)


def read_extension(packet: bytes, identifier: int) -> bytes | None:
    """Return one element of the header extension (RFC 8285 section 4.2), None if it is absent.

    The packet is one that ``read_packet`` took.
    """
    if not packet[0] & _HAS_EXTENSION:
        return None
    at = _HEADER.size + _WORD_BYTES * (packet[0] & 0x0F)
    kind, words = _EXTENSION.unpack_from(packet, at)
    at += _EXTENSION.size
    end = at + _WORD_BYTES * words
    while kind == _ONE_BYTE_KIND and at < end:
        element = packet[at]
        length = (element & 0x0F) + 1 if element else 0  # a null byte fills up
        if element >> 4 == identifier and at + length < end:
            return packet[at + 1 : at + 1 + length]
        at += 1 + length
    return None


def read_rotation(packet: bytes, identifier: int) -> int | None:
    """Return how far to turn the packet's picture clockwise: 0, 90, 180 or 270 degrees.

    The bits R1 and R0 of 3GPP TS 26.114 section 7.4.5 say it; which camera it is (C) and whether
    it is mirrored (F) is not looked at, as in browsers. None if the packet does not say it. The
    packet is one that ``read_packet`` took.
    """
    orientation = read_extension(packet, identifier)
    return None if orientation is None else (orientation[0] & _QUARTER_TURNS) * 90


def is_keyframe_begin(payload: bytes) -> bool:
    """Tell whether a picture begins here that needs no other: with its parameter sets."""
    kind = payload[0] & _TYPE_MASK if payload else 0
    if kind == STAP_A:
        return any(nal[0] & _TYPE_MASK == SPS for nal in _split(payload) or ())
    return kind == SPS


def is_keyframe_part(payload: bytes) -> bool:
    """Tell whether a packet may well be a piece of a picture that needs no other."""
    kind = payload[0] & _TYPE_MASK if payload else 0
    if kind == FU_A and len(payload) > 1:
        kind = payload[1] & _TYPE_MASK
    return kind in (IDR_SLICE, PPS, SEI)


def assemble(payloads: list[bytes]) -> tuple[bytes, bool] | None:
    """Return a picture's byte stream and whether it stands for itself; None if it is damaged.

    The payloads are all of one picture, in order, none empty. Without a slice among them there is
    no picture: the stream is empty then.
    """
    nals: list[bytes] = []
    fragments: list[bytes] = []
    for payload in payloads:
        kind = payload[0] & _TYPE_MASK
        if kind == FU_A:
            if not _add_fragment(payload, fragments):
                return None
            if payload[1] & _FU_END:
                nals.append(b"".join(fragments))
                fragments.clear()
            continue
        whole = _split(payload) if kind == STAP_A else [payload]
        if fragments or whole is None or not 0 < kind <= STAP_A:
            return None
        nals += whole
    return None if fragments else _join(nals)


def _payload(packet: bytes, first: int) -> bytes | None:
    begin = _HEADER.size + _WORD_BYTES * (first & 0x0F)
    if first & _HAS_EXTENSION:
        if len(packet) < begin + _WORD_BYTES:
            return None
        words: int = _LENGTH.unpack_from(packet, begin + _LENGTH.size)[0]
        begin += _WORD_BYTES * (1 + words)
    end = len(packet)
    if first & _HAS_PADDING:  # its last byte counts it
        if packet[-1] == 0:
            return None
        end -= packet[-1]
    return packet[begin:end] if begin <= end else None


def _add_fragment(payload: bytes, fragments: list[bytes]) -> bool:
    """Add a piece of a NAL unit; False if it does not fit to those before."""
    if len(payload) <= _FU_HEADER_BYTES or bool(payload[1] & _FU_START) == bool(fragments):
        return False
    if not fragments:
        fragments.append(bytes((payload[0] & 0xE0 | payload[1] & _TYPE_MASK,)))
    fragments.append(payload[_FU_HEADER_BYTES:])
    return True


def _split(payload: bytes) -> list[bytes] | None:
    """Return the NAL units of an aggregation packet, None if it is damaged."""
    nals = []
    at = 1
    while at < len(payload):
        if len(payload) < at + _LENGTH.size:
            return None
        begin = at + _LENGTH.size
        at = begin + _LENGTH.unpack_from(payload, at)[0]
        if at > len(payload) or at == begin:
            return None
        nals.append(payload[begin:at])
    return nals


def _join(nals: list[bytes]) -> tuple[bytes, bool]:
    """Return a byte stream, empty without a slice in it, and whether it is a keyframe."""
    kinds = [nal[0] & _TYPE_MASK for nal in nals]
    slices = [index for index, kind in enumerate(kinds) if kind in (SLICE, IDR_SLICE)]
    if not slices:
        return b"", False
    # What stands in front of the first slice shows that no slice before it is missing.
    front = kinds[: slices[0]]
    is_keyframe = kinds[slices[0]] == IDR_SLICE and SPS in front and PPS in front
    return b"".join(START_CODE + nal for nal in nals), is_keyframe
