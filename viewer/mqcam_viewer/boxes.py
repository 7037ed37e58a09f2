"""The boxes of a fragmented MP4 file with one H.264 track (ISO/IEC 14496-12 and -15).

Pure: values in, bytes out; it must not know files or streams. Times count in 1/90000 s.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.h264 import parse_sps

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMESCALE: Final = 90_000
MAC_EPOCH_S: Final = 2_082_844_800
"""The boxes count seconds from 1904."""

TRACK: Final = 1
SAMPLE_SYNC: Final = 0x0200_0000
SAMPLE_DEPENDS: Final = 0x0101_0000
EXTENDS_BYTES: Final = 20
"""The place for the duration, which is known only at the end: empty until then."""

_MATRIX: Final = struct.Struct("!9i")
_ONE: Final = 0x1_0000
_ONE_OF_30_BITS: Final = 0x4000_0000
_HIGH_PROFILES: Final = frozenset({100, 110, 122, 144})
_LENGTH_OF_LENGTH_4: Final = 0xFF
_ONE_SPS: Final = 0xE1


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a decoder must know before the first picture."""

    sps: bytes
    pps: tuple[bytes, ...]


@dataclass(slots=True)
class Sample:
    """One picture: NAL units with their lengths in front."""

    data: bytes
    ticks: int
    is_sync: bool


@dataclass(frozen=True, slots=True)
class FragmentStart:
    """Where a fragment that begins with a keyframe lies in the file."""

    ticks: int
    offset: int


def header(sets: ParameterSets, *, created_unix_s: int, rotation: int = 0) -> tuple[bytes, int]:
    """Return what a file begins with, and where in it the duration's place is.

    Players turn its pictures clockwise by ``rotation``: 0, 90, 180 or 270 degrees. Raises
    SourceError when the SPS is damaged.
    """
    created = (created_unix_s + MAC_EPOCH_S) & 0xFFFF_FFFF
    size = parse_sps(sets.sps)
    file_type = _box(b"ftyp", b"iso5", struct.pack("!I", 512), b"iso5iso6mp41")
    movie = _full(
        b"mvhd",
        struct.pack("!IIII", created, created, TIMESCALE, 0),
        struct.pack("!IHH8x", 0x10000, 0x100, 0),
        matrix(0, size.width, size.height),
        struct.pack("!24xI", TRACK + 1),
    )
    extends = _box(
        b"mvex",
        _box(b"free", bytes(EXTENDS_BYTES - 8)),
        _full(b"trex", struct.pack("!IIIII", TRACK, 1, 0, 0, SAMPLE_DEPENDS)),
    )
    track = _track(sets, created, size.width, size.height, rotation)
    head = file_type + _box(b"moov", movie, track, extends)
    return head, head.rindex(b"mvex") + 4


def matrix(rotation: int, width: int, height: int) -> bytes:
    """Return how a picture of this size is turned clockwise (ISO/IEC 14496-12 section 6.2.2).

    What is turned lies with its upper left corner at the origin again.
    """
    (a, b, c, d), (x, y) = {
        90: ((0, 1, -1, 0), (height, 0)),
        180: ((-1, 0, 0, -1), (width, height)),
        270: ((0, -1, 1, 0), (0, width)),
    }.get(rotation, ((1, 0, 0, 1), (0, 0)))
    return _MATRIX.pack(
        *(a * _ONE, b * _ONE, 0), *(c * _ONE, d * _ONE, 0), *(x * _ONE, y * _ONE, _ONE_OF_30_BITS)
    )


def duration(ticks: int) -> bytes:
    """Return the box that goes into the duration's place; EXTENDS_BYTES long."""
    return _full(b"mehd", struct.pack("!Q", ticks), version=1)


def fragment(number: int, samples: Sequence[Sample], *, end_ticks: int) -> bytes:
    """Return pictures as one fragment; the last one is shown until ``end_ticks``."""
    ends = [*(sample.ticks for sample in samples[1:]), end_ticks]
    rows = b"".join(
        struct.pack(
            "!III",
            end - sample.ticks,
            len(sample.data),
            SAMPLE_SYNC if sample.is_sync else SAMPLE_DEPENDS,
        )
        for sample, end in zip(samples, ends, strict=True)
    )
    size = 8 + 16 + 8 + 16 + 20 + 20 + len(rows)  # moof, mfhd, traf, tfhd, tfdt, trun
    movie_fragment = _box(
        b"moof",
        _full(b"mfhd", struct.pack("!I", number)),
        _box(
            b"traf",
            _full(b"tfhd", struct.pack("!I", TRACK), flags=0x02_0000),  # offsets from the moof
            _full(b"tfdt", struct.pack("!Q", samples[0].ticks), version=1),
            _full(b"trun", struct.pack("!Ii", len(samples), size + 8), rows, flags=0x701),
        ),
    )
    return movie_fragment + _box(b"mdat", *(sample.data for sample in samples))


def index(starts: Sequence[FragmentStart]) -> bytes:
    """Return the index at the end of a file: where its keyframes are."""
    rows = b"".join(struct.pack("!QQBBB", start.ticks, start.offset, 1, 1, 1) for start in starts)
    entries = _full(b"tfra", struct.pack("!III", TRACK, 0, len(starts)), rows, version=1)
    size = 8 + len(entries) + 16
    return _box(b"mfra", entries, _full(b"mfro", struct.pack("!I", size)))


def _track(sets: ParameterSets, created: int, width: int, height: int, rotation: int) -> bytes:
    header_box = _full(
        b"tkhd",
        struct.pack("!IIIII8x", created, created, TRACK, 0, 0),
        struct.pack("!hhhH", 0, 0, 0, 0),
        matrix(rotation, width, height),
        struct.pack("!II", width << 16, height << 16),
        flags=3,  # enabled, part of the movie
    )
    media_header = _full(b"mdhd", struct.pack("!IIIIHH", created, created, TIMESCALE, 0, 0x55C4, 0))
    handler = _full(b"hdlr", struct.pack("!I4s12x", 0, b"vide"), b"mqcam\x00")
    data = _box(b"dinf", _full(b"dref", struct.pack("!I", 1), _full(b"url ", flags=1)))
    table = _box(
        b"stbl",
        _full(b"stsd", struct.pack("!I", 1), _sample_entry(sets, width, height)),
        _full(b"stts", struct.pack("!I", 0)),
        _full(b"stsc", struct.pack("!I", 0)),
        _full(b"stsz", struct.pack("!II", 0, 0)),
        _full(b"stco", struct.pack("!I", 0)),
    )
    information = _box(b"minf", _full(b"vmhd", bytes(8), flags=1), data, table)
    return _box(b"trak", header_box, _box(b"mdia", media_header, handler, information))


def _sample_entry(sets: ParameterSets, width: int, height: int) -> bytes:
    profile = sets.sps[1:4]
    configuration = bytes((1, *profile, _LENGTH_OF_LENGTH_4, _ONE_SPS)) + _sized(sets.sps)
    configuration += bytes((len(sets.pps),)) + b"".join(map(_sized, sets.pps))
    if profile[0] in _HIGH_PROFILES:
        configuration += b"\xfd\xf8\xf8\x00"  # 4:2:0, 8 bits, as everything in WebRTC
    return _box(
        b"avc1",
        struct.pack("!6xH16xHH", 1, width, height),
        struct.pack("!III", 0x48_0000, 0x48_0000, 0),  # 72 dpi
        struct.pack("!H32sHh", 1, b"", 0x18, -1),
        _box(b"avcC", configuration),
    )


def _sized(nal: bytes) -> bytes:
    return struct.pack("!H", len(nal)) + nal


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack("!I4s", 8 + len(content), kind) + content


def _full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack("!I", version << 24 | flags), *parts)
