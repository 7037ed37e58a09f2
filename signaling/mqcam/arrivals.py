"""Which packets arrived when: transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-01).

It must not know sockets, clocks, or what follows from the figures. Sequence numbers are the 16
bits of the header extension; times are microseconds on the receiver's clock, in steps of 250.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TRANSPORT_FEEDBACK: Final = 205
ARRIVALS_FORMAT: Final = 15
STATUS_LIMIT: Final = 4096
"""Statuses that one feedback may have; one that claims more is not read."""

PACKET_STATUS_LIMIT: Final = 480
"""Statuses that are written into one feedback: at most 1120 bytes, whatever they say."""

TICK_US: Final = 250
REFERENCE_US: Final = 64_000
REFERENCE_PERIOD_US: Final = 2**24 * REFERENCE_US
"""After so long (12.4 days) the times of a receiver begin again."""

_HEADER: Final = struct.Struct("!BBHIIHHI")
_FIELDS: Final = struct.Struct("!HHI")
_FIELDS_AT: Final = 8  # behind the two SSRCs
_CHUNK: Final = struct.Struct("!H")
_LARGE_DELTA: Final = struct.Struct("!h")
_SEQUENCE_MASK: Final = 0xFFFF
_LOST: Final = 0
_SMALL: Final = 1
_LARGE: Final = 2
_VECTOR: Final = 0x8000
_TWO_BITS: Final = 0x4000
_RUN_MASK: Final = 0x1FFF
_LARGEST_TICKS: Final = 2**15 - 1
_ONE_BIT_SHIFTS: Final = tuple(range(13, -1, -1))
_TWO_BIT_SHIFTS: Final = tuple(range(12, -1, -2))


@dataclass(slots=True)
class Arrivals:
    """What one feedback says of ``count`` packets from the sequence number ``base`` on.

    ``arrivals`` pairs each sequence number with its arrival in us, None for a lost packet. The
    receiver numbers its feedbacks with ``feedback_count``, 8 bits: a hole is a lost feedback.
    """

    base: int
    count: int
    reference_us: int
    feedback_count: int
    arrivals: list[tuple[int, int | None]]
    is_whole: bool = False
    """All of them arrived, one after the other: most feedbacks are so."""


def claimed_count(body: bytes) -> int:
    """Return how many packets a feedback says that it is about, 1 if it is too short to say."""
    if len(body) < _FIELDS_AT + _FIELDS.size:
        return 1
    count: int = _FIELDS.unpack_from(body, _FIELDS_AT)[1]
    return max(1, count)


def read_arrivals(body: bytes) -> Arrivals | None:
    """Read a feedback from the bytes after its first word; None if it is malformed."""
    if len(body) < _FIELDS_AT + _FIELDS.size:
        return None
    base, count, clock = _FIELDS.unpack_from(body, _FIELDS_AT)
    symbols: list[int] = []
    position = _FIELDS_AT + _FIELDS.size
    if not 0 < count <= STATUS_LIMIT:
        return None
    while len(symbols) < count:
        if position + _CHUNK.size > len(body):
            return None
        symbols += _read_chunk(_CHUNK.unpack_from(body, position)[0])
        position += _CHUNK.size
    reference = clock >> 8
    reference_us = (reference - 2**24 if reference >= 2**23 else reference) * REFERENCE_US
    deltas, symbols = body[position:], symbols[:count]
    if symbols.count(_SMALL) == count <= len(deltas):
        whole = _read_small_deltas(deltas, count, base, reference_us)
        return Arrivals(base, count, reference_us, clock & 0xFF, whole, is_whole=True)
    arrivals = _read_deltas(deltas, symbols, base, reference_us)
    if arrivals is None:
        return None
    return Arrivals(base, count, reference_us, clock & 0xFF, arrivals)


def write_arrivals(
    sender_ssrc: int,
    media_ssrc: int,
    feedback_count: int,
    arrivals: Sequence[tuple[int, int | None]],
) -> list[bytes]:
    """Write what arrived as one feedback, or as several that continue ``feedback_count``.

    The sequence numbers in ``arrivals`` follow each other without a hole. A new feedback begins
    where a time is more than 8 s from the one before, or after 480 packets.
    """
    return [
        _write_one(sender_ssrc, media_ssrc, feedback_count + index, part)
        for index, part in enumerate(_split(arrivals))
    ]


def _read_chunk(chunk: int) -> list[int]:
    """Return the symbols of a chunk, up to 8191."""
    if not chunk & _VECTOR:
        return [chunk >> 13] * min(chunk & _RUN_MASK, STATUS_LIMIT)
    if chunk & _TWO_BITS:
        return [chunk >> shift & 3 for shift in _TWO_BIT_SHIFTS]
    return [chunk >> shift & 1 for shift in _ONE_BIT_SHIFTS]


def _read_small_deltas(
    deltas: bytes, count: int, base: int, at_us: int
) -> list[tuple[int, int | None]]:
    """Read what every calm path says, as fast as it can be: none lost, none much later."""
    sequences = (sequence & _SEQUENCE_MASK for sequence in range(base, base + count))
    ticks = accumulate(deltas[:count])
    return [
        (sequence, at_us + tick * TICK_US) for sequence, tick in zip(sequences, ticks, strict=True)
    ]


def _read_deltas(
    deltas: bytes, symbols: list[int], base: int, at_us: int
) -> list[tuple[int, int | None]] | None:
    arrivals: list[tuple[int, int | None]] = []
    position = 0
    for sequence, symbol in enumerate(symbols, base):
        if symbol == _LOST:
            arrivals.append((sequence & _SEQUENCE_MASK, None))
            continue
        # A delta is as many bytes as its symbol says; 3 is reserved.
        if symbol > _LARGE or position + symbol > len(deltas):
            return None
        ticks = (
            deltas[position] if symbol == _SMALL else _LARGE_DELTA.unpack_from(deltas, position)[0]
        )
        position += symbol
        at_us += ticks * TICK_US
        arrivals.append((sequence & _SEQUENCE_MASK, at_us))
    return arrivals


def _split(
    arrivals: Sequence[tuple[int, int | None]],
) -> Iterator[Sequence[tuple[int, int | None]]]:
    begin = 0
    last_us: int | None = None
    for index, (_, at_us) in enumerate(arrivals):
        is_far = at_us is not None and last_us is not None and _is_far(at_us, last_us)
        if is_far or index - begin == PACKET_STATUS_LIMIT:
            yield arrivals[begin:index]
            begin, last_us = index, None
        if at_us is not None:
            last_us = at_us
    if begin < len(arrivals):
        yield arrivals[begin:]


def _is_far(at_us: int, last_us: int) -> bool:
    return abs(at_us // TICK_US - last_us // TICK_US) > _LARGEST_TICKS


def _write_one(
    sender_ssrc: int,
    media_ssrc: int,
    feedback_count: int,
    arrivals: Sequence[tuple[int, int | None]],
) -> bytes:
    times = [at_us // TICK_US for _, at_us in arrivals if at_us is not None]
    reference = times[0] * TICK_US // REFERENCE_US if times else 0
    ticks = [later - earlier for earlier, later in pairwise((reference * 256, *times))]
    each = iter(ticks)
    symbols = [_LOST if at_us is None else _symbol(next(each)) for _, at_us in arrivals]
    content = _write_chunks(symbols) + b"".join(map(_write_delta, ticks))
    content += bytes(-len(content) % 4)
    header = _HEADER.pack(
        2 << 6 | ARRIVALS_FORMAT,
        TRANSPORT_FEEDBACK,
        (_HEADER.size + len(content)) // 4 - 1,
        sender_ssrc,
        media_ssrc,
        arrivals[0][0] & _SEQUENCE_MASK,
        len(arrivals),
        (reference & 0xFFFFFF) << 8 | feedback_count & 0xFF,
    )
    return header + content


def _symbol(ticks: int) -> int:
    return _SMALL if 0 <= ticks <= 0xFF else _LARGE  # noqa: PLR2004


def _write_delta(ticks: int) -> bytes:
    return bytes((ticks,)) if _symbol(ticks) == _SMALL else _LARGE_DELTA.pack(ticks)


def _write_chunks(symbols: list[int]) -> bytes:
    chunks = bytearray()
    position = 0
    while position < len(symbols):
        run = _run_length(symbols, position)
        is_rest = position + run == len(symbols)
        if is_rest or run >= len(_ONE_BIT_SHIFTS):
            chunk, width = symbols[position] << 13 | run, run
        elif _LARGE not in symbols[position : position + len(_ONE_BIT_SHIFTS)]:
            chunk, width = _vector(symbols, position, _ONE_BIT_SHIFTS), len(_ONE_BIT_SHIFTS)
        else:
            chunk, width = _vector(symbols, position, _TWO_BIT_SHIFTS), len(_TWO_BIT_SHIFTS)
            chunk |= _TWO_BITS
        chunks += _CHUNK.pack(chunk)
        position += width
    return bytes(chunks)


def _vector(symbols: list[int], position: int, shifts: tuple[int, ...]) -> int:
    shifted = zip(symbols[position : position + len(shifts)], shifts, strict=False)
    return _VECTOR | sum(symbol << shift for symbol, shift in shifted)


def _run_length(symbols: list[int], position: int) -> int:
    end = position
    while end < len(symbols) and symbols[end] == symbols[position]:
        end += 1
    return end - position
