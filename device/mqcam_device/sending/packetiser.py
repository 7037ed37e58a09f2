"""Cut an encoded picture into RTP payloads, once for all viewers (RFC 6184).

It must not know packets, viewers or sockets.
"""

from __future__ import annotations

import struct
from typing import Final

from mqcam.h264 import IDR_SLICE, SLICE, iterate_nals, nal_type

PACKET_BYTES: Final = 1200
"""A whole encrypted packet: with a relay's and IPv6's headers it fits the smallest path (1280)."""

HEADER_BYTES: Final = 12
EXTENSION_BYTES: Final = 20
TAG_BYTES: Final = 16
SEQUENCE_BYTES: Final = 2
"""What a repeat holds in front of its payload (RFC 4588 section 4)."""

PAYLOAD_BYTES: Final = PACKET_BYTES - HEADER_BYTES - EXTENSION_BYTES - SEQUENCE_BYTES - TAG_BYTES

STAP_A: Final = 24
FU_A: Final = 28
AUD: Final = 9
_TYPE: Final = 0x1F
_IMPORTANCE: Final = 0x60
_START: Final = 0x80
_END: Final = 0x40
_FRAGMENT_HEADER_BYTES: Final = 2
_LENGTH: Final = struct.Struct("!H")


def packetise(unit: bytes, limit_bytes: int = PAYLOAD_BYTES) -> tuple[bytes, ...]:
    """Return the payloads of one access unit (Annex B), none longer than ``limit_bytes``.

    What stands in front of the slices shares a packet (STAP-A); slices that are too long become
    fragments (FU-A) of one size, the last of each at most shorter: such packets can be sent by one
    system call.
    """
    nals = [nal for nal in iterate_nals(unit) if nal_type(nal) != AUD]  # the marker bit says it
    step = _common_step([len(nal) - 1 for nal in nals if len(nal) > limit_bytes], limit_bytes)
    payloads: list[bytes] = []
    small: list[bytes] = []
    for nal in nals:
        is_slice = nal_type(nal) in (SLICE, IDR_SLICE)
        if is_slice or not _fits(small, nal, limit_bytes):
            _flush(small, payloads)
        if len(nal) > limit_bytes:
            _fragment(nal, step, payloads)
        elif is_slice:
            payloads.append(nal)
        else:
            small.append(nal)
    _flush(small, payloads)
    return tuple(payloads)


def _common_step(bodies: list[int], limit_bytes: int) -> int:
    """Choose how much of a slice a fragment holds, so that little is missing from any last one.

    ``bodies`` are the lengths of all long slices. What is missing is padded where another slice
    follows: a picture of several slices can then be sent as one of a single slice is.
    """
    longest = limit_bytes - _FRAGMENT_HEADER_BYTES
    steps = [-(-body // (-(-body // longest) + more)) for body in bodies for more in (0, 1)]

    def cost(step: int) -> tuple[int, int]:
        """Return the number of packets, and the padding: the last slice ends the run without."""
        return sum(-(-body // step) for body in bodies), sum(-body % step for body in bodies[:-1])

    return min(steps, key=cost, default=longest)


def _fits(small: list[bytes], nal: bytes, limit_bytes: int) -> bool:
    taken = 1 + sum(len(each) + _LENGTH.size for each in small)
    return taken + len(nal) + _LENGTH.size <= limit_bytes


def _flush(small: list[bytes], payloads: list[bytes]) -> None:
    """Move what waits into one packet."""
    if len(small) == 1:
        payloads.append(small[0])
    elif small:
        importance = max(each[0] & _IMPORTANCE for each in small)
        parts = [bytes((importance | STAP_A,))]
        for each in small:
            parts += [_LENGTH.pack(len(each)), each]
        payloads.append(b"".join(parts))
    small.clear()


def _fragment(nal: bytes, step: int, payloads: list[bytes]) -> None:
    """Cut a NAL unit into pieces of one size, the last at most shorter."""
    indicator = nal[0] & _IMPORTANCE | FU_A
    kind = nal[0] & _TYPE
    for begin in range(1, len(nal), step):
        end = begin + step
        flags = (_START if begin == 1 else 0) | (_END if end >= len(nal) else 0)
        payloads.append(bytes((indicator, flags | kind)) + nal[begin:end])
