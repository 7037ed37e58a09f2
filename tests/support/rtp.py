"""Cut encoded pictures into RTP packets, written from RFC 6184 and RFC 4588.

It must not know how mqcam reads them.
"""

from __future__ import annotations

import struct

PAYLOAD_TYPE = 102
RTX_PAYLOAD_TYPE = 103
SSRC = 0x11223344
RTX_SSRC = 0x55667788
SPS = b"\x67\x42\xe0\x1f\xda\x02\x80\xf6\x40"
PPS = b"\x68\xce\x3c\x80"


def idr(content: bytes) -> list[bytes]:
    """Return the NAL units of a keyframe."""
    return [SPS, PPS, b"\x65\x88" + content]


def follower(content: bytes) -> list[bytes]:
    """Return the NAL units of a picture that needs the ones before."""
    return [b"\x41\x9a" + content]


def stream_of(nals: list[bytes]) -> bytes:
    """Return NAL units as a byte stream."""
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in nals)


def payloads(nals: list[bytes], limit: int = 1100) -> list[bytes]:
    """Return the payloads that carry NAL units: small ones together, large ones in pieces."""
    small = [nal for nal in nals if len(nal) < limit // 4]
    cut: list[bytes] = []
    if len(small) > 1:
        cut.append(b"\x78" + b"".join(struct.pack("!H", len(nal)) + nal for nal in small))
    else:
        cut += small
    for nal in nals:
        if len(nal) >= limit // 4:
            cut += fragments(nal, limit)
    return cut


def fragments(nal: bytes, limit: int) -> list[bytes]:
    """Return one NAL unit alone, or in pieces (FU-A)."""
    if len(nal) <= limit:
        return [nal]
    indicator, kind, rest = nal[0] & 0xE0 | 28, nal[0] & 0x1F, nal[1:]
    pieces = [rest[at : at + limit] for at in range(0, len(rest), limit)]
    flags = [0x80, *[0] * (len(pieces) - 2), 0x40]
    return [
        bytes((indicator, flag | kind)) + piece for flag, piece in zip(flags, pieces, strict=True)
    ]


def packet(
    payload: bytes,
    *,
    sequence: int,
    timestamp: int,
    marker: bool = False,
    payload_type: int = PAYLOAD_TYPE,
    ssrc: int = SSRC,
) -> bytes:
    """Return one RTP packet with a header extension, as mqcam's sender writes them."""
    extension = b"\xbe\xde\x00\x01\x10\x30\x00\x00"
    header = struct.pack(
        "!BBHII",
        0x90,
        payload_type | (0x80 if marker else 0),
        sequence % 2**16,
        timestamp % 2**32,
        ssrc,
    )
    return header + extension + payload


def packets(
    pictures: list[list[bytes]],
    *,
    sequence: int = 65_530,
    timestamp: int = 2**32 - 9000,
    limit: int = 1100,
) -> list[bytes]:
    """Return pictures as packets, 30 a second; both counters wrap soon."""
    made: list[bytes] = []
    for number, nals in enumerate(pictures):
        parts = payloads(nals, limit)
        for index, part in enumerate(parts):
            made.append(
                packet(
                    part,
                    sequence=sequence + len(made),
                    timestamp=timestamp + number * 3000,
                    marker=index == len(parts) - 1,
                )
            )
    return made


def retransmission(original: bytes) -> bytes:
    """Return a packet as it is sent again."""
    sequence, timestamp = struct.unpack_from("!HI", original, 2)
    return packet(
        struct.pack("!H", sequence) + original[20:],
        sequence=sequence + 77,
        timestamp=timestamp,
        marker=bool(original[1] & 0x80),
        payload_type=RTX_PAYLOAD_TYPE,
        ssrc=RTX_SSRC,
    )
