"""How long this processor takes to encrypt one packet of video, by cipher.

It must not know which cipher is offered to viewers.
"""

from __future__ import annotations

import struct
import time
from typing import Final

from mqcam.ciphers import COUNTER, GCM
from mqcam.srtp import Scratch, lone_sealer

PACKET_BYTES: Final = 1200
PACKETS: Final = 40
"""In one run, as a keyframe sends them."""
RUNS: Final = 10
"""The quickest counts: whatever else this machine does only adds."""

_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 0x80
_TYPE: Final = 96
_SLOT_BYTES: Final = 1300
_US: Final = 1_000_000


def measure_ciphers_us() -> dict[str, float]:
    """Return microseconds per packet, by OpenSSL's name of the cipher; takes some milliseconds."""
    return {name.decode("ascii"): round(_measure_us(name), 2) for name in (GCM, COUNTER)}


def _measure_us(profile: bytes) -> float:
    scratch = Scratch()
    sealer = lone_sealer(profile, scratch)
    offsets = [index * _SLOT_BYTES for index in range(PACKETS)]
    lengths = [PACKET_BYTES] * PACKETS
    best_s = float("inf")
    for run in range(RUNS):
        for index, offset in enumerate(offsets):
            seq = run * PACKETS + index
            _HEADER.pack_into(scratch.buffer, offset, _VERSION, _TYPE, seq, 0, 1)
        began_at = time.perf_counter()
        sealer.seal(offsets, lengths)
        best_s = min(best_s, time.perf_counter() - began_at)
    return best_s / PACKETS * _US
