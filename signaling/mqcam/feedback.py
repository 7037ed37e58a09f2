"""What a receiver tells a sender in RTCP: losses, wishes, bit rates and arrivals, read and written.

It must not know sockets, clocks, or what follows from the figures. Reading raises nothing: what
is malformed, or about other streams, is left out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mqcam.arrivals import (
    ARRIVALS_FORMAT,
    STATUS_LIMIT,
    TRANSPORT_FEEDBACK,
    Arrivals,
    claimed_count,
    read_arrivals,
)
from mqcam.rtcp import (
    NTP_MASK,
    PAYLOAD_FEEDBACK,
    PICTURE_LOSS,
    RECEIVER_REPORT,
    RTP_MASK,
    SENDER_REPORT,
    VERSION,
    RtcpPart,
    walk_compound,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOST_LIMIT: Final = 1024
"""Sequence numbers that one compound may ask for again; the rest of them is not read."""

NACK_ITEM_LIMIT: Final = 253
BLOCK_LIMIT: Final = 31
REMB_LIMIT_BPS: Final = 10_000_000_000
"""The format reaches 2**81; what is beyond any network is cut to this."""

_SOURCE_DESCRIPTION: Final = 202
_NACK: Final = 1
_FULL_INTRA_REQUEST: Final = 4
_APPLICATION: Final = 15
_CNAME: Final = 1

_HEADER: Final = struct.Struct("!BBH")
_SOURCES: Final = struct.Struct("!II")
_NACK_ITEM: Final = struct.Struct("!HH")
_FIR_ENTRY: Final = struct.Struct("!II")
_REMB: Final = struct.Struct("!4sI")
_BLOCK: Final = struct.Struct("!IIIIII")
_SENDER_INFO: Final = struct.Struct("!IQIII")
_PADDING: Final = 0x20
_SEQUENCE_MASK: Final = 0xFFFF
_BITMASK_WIDTH: Final = 16
_LOST_MAX: Final = 2**23 - 1


@dataclass(slots=True)
class ReportBlock:
    """What a receiver says of one stream (RFC 3550 section 6.4.1).

    ``fraction_lost`` is 0 to 1 since the report before, ``packets_lost`` counts from the start and
    may be negative, ``highest`` is a sequence number with its wraps, ``jitter`` is in RTP ticks.
    ``last_report`` is the compact NTP time of the sender report that came last, 0 for none, and
    ``delay`` the 1/65536 s since then.
    """

    ssrc: int
    fraction_lost: float
    packets_lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


@dataclass(slots=True)
class Feedback:
    """What one compound says of one stream, in the order in which it is said."""

    lost: list[int] = field(default_factory=list)
    is_keyframe_wanted: bool = False
    remb_bps: int | None = None
    arrivals: list[Arrivals] = field(default_factory=list)
    blocks: list[ReportBlock] = field(default_factory=list)
    claimed: int = 0
    """Statuses that all feedbacks claim to hold, read or not."""


def read_feedback(compound: bytes, *, ssrc: int) -> Feedback:
    """Read what a compound says of the stream ``ssrc`` and of the path below it."""
    feedback = Feedback()
    for part in walk_compound(compound):
        body = _without_padding(compound, part)
        kind = part.kind
        if kind == TRANSPORT_FEEDBACK and part.count == ARRIVALS_FORMAT:
            _read_arrivals(body, feedback)
        elif kind == RECEIVER_REPORT:
            _read_blocks(body, 4, part.count, ssrc, feedback)
        elif kind == TRANSPORT_FEEDBACK and part.count == _NACK:
            _read_nack(body, ssrc, feedback)
        elif kind == PAYLOAD_FEEDBACK:
            _read_payload_feedback(body, part.count, ssrc, feedback)
        elif kind == SENDER_REPORT:
            _read_blocks(body, _SENDER_INFO.size, part.count, ssrc, feedback)
    return feedback


def write_nack(sender_ssrc: int, media_ssrc: int, sequences: Iterable[int]) -> bytes:
    """Write a NACK (RFC 4585 section 6.2.1) of at most 253 items; empty if there is nothing.

    Ascending sequence numbers take the least room: one item for up to 17 neighbours.
    """
    items: list[list[int]] = []
    for sequence in sequences:
        distance = (sequence - items[-1][0]) & _SEQUENCE_MASK if items else _SEQUENCE_MASK
        if 0 < distance <= _BITMASK_WIDTH:
            items[-1][1] |= 1 << distance - 1
        elif distance:
            if len(items) == NACK_ITEM_LIMIT:
                break
            items.append([sequence & _SEQUENCE_MASK, 0])
    if not items:
        return b""
    header = _HEADER.pack(VERSION << 6 | _NACK, TRANSPORT_FEEDBACK, 2 + len(items))
    return (
        header
        + _SOURCES.pack(sender_ssrc, media_ssrc)
        + b"".join(_NACK_ITEM.pack(*item) for item in items)
    )


def write_receiver_report(sender_ssrc: int, blocks: Sequence[ReportBlock]) -> bytes:
    """Write a receiver report of at most 31 blocks (RFC 3550 section 6.4.2)."""
    written = blocks[:BLOCK_LIMIT]
    header = _HEADER.pack(VERSION << 6 | len(written), RECEIVER_REPORT, 1 + 6 * len(written))
    return header + struct.pack("!I", sender_ssrc) + b"".join(map(_write_block, written))


def write_sender_report(
    ssrc: int, *, ntp: int, rtp_timestamp: int, packets: int, octets: int
) -> bytes:
    """Write a sender report without blocks (RFC 3550 section 6.4.1); its counts wrap at 32 bits."""
    return _HEADER.pack(VERSION << 6, SENDER_REPORT, 6) + _SENDER_INFO.pack(
        ssrc, ntp & NTP_MASK, rtp_timestamp & RTP_MASK, packets & RTP_MASK, octets & RTP_MASK
    )


def write_source_description(ssrc: int, cname: str) -> bytes:
    """Name a source (RFC 3550 section 6.5); of ``cname`` at most 255 bytes are said."""
    name = cname.encode()[:0xFF]
    chunk = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)  # one null ends the list, the rest fills the word
    return _HEADER.pack(VERSION << 6 | 1, _SOURCE_DESCRIPTION, len(chunk) // 4) + chunk


def _without_padding(compound: bytes, part: RtcpPart) -> bytes:
    """Return the body of a packet, empty where its padding is malformed."""
    if not compound[part.start] & _PADDING or not part.body:
        return part.body
    padding = part.body[-1]  # counts itself
    return part.body[: -padding or None] if 0 < padding <= len(part.body) else b""


def _read_arrivals(body: bytes, feedback: Feedback) -> None:
    """Read a feedback, if all of them together do not claim too much: reading costs by the claim.

    A run of lost packets takes two bytes, whatever its length.
    """
    feedback.claimed += claimed_count(body)
    if feedback.claimed > STATUS_LIMIT:
        return
    arrivals = read_arrivals(body)
    if arrivals is not None:
        feedback.arrivals.append(arrivals)


def _read_blocks(body: bytes, begin: int, count: int, ssrc: int, feedback: Feedback) -> None:
    end = min(len(body) - _BLOCK.size, begin + (count - 1) * _BLOCK.size)
    for position in range(begin, end + 1, _BLOCK.size):
        about, losses, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, position)
        if about == ssrc and len(feedback.blocks) < BLOCK_LIMIT:
            lost = losses & 0xFFFFFF
            lost = lost - 2**24 if lost > _LOST_MAX else lost
            fraction = (losses >> 24) / 256
            feedback.blocks.append(
                ReportBlock(about, fraction, lost, highest, jitter, last_report, delay)
            )


def _read_nack(body: bytes, ssrc: int, feedback: Feedback) -> None:
    if len(body) < _SOURCES.size or _SOURCES.unpack_from(body)[1] != ssrc:
        return
    lost = feedback.lost
    for position in range(_SOURCES.size, len(body) - 3, _NACK_ITEM.size):
        sequence, bits = _NACK_ITEM.unpack_from(body, position)
        lost.append(sequence)
        while bits:
            sequence = (sequence + 1) & _SEQUENCE_MASK
            if bits & 1:
                lost.append(sequence)
            bits >>= 1
        if len(lost) >= LOST_LIMIT:
            del lost[LOST_LIMIT:]
            return


def _read_payload_feedback(body: bytes, layout: int, ssrc: int, feedback: Feedback) -> None:
    if len(body) < _SOURCES.size:
        return
    if layout == PICTURE_LOSS:
        feedback.is_keyframe_wanted |= _SOURCES.unpack_from(body)[1] == ssrc
    elif layout == _FULL_INTRA_REQUEST:
        entries = range(_SOURCES.size, len(body) - 7, _FIR_ENTRY.size)
        feedback.is_keyframe_wanted |= any(
            _FIR_ENTRY.unpack_from(body, position)[0] == ssrc for position in entries
        )
    elif layout == _APPLICATION and len(body) >= _SOURCES.size + _REMB.size:
        name, rate = _REMB.unpack_from(body, _SOURCES.size)
        if name == b"REMB":
            feedback.remb_bps = min((rate & 0x3FFFF) << (rate >> 18 & 0x3F), REMB_LIMIT_BPS)


def _write_block(block: ReportBlock) -> bytes:
    fraction = min(max(round(block.fraction_lost * 256), 0), 0xFF)
    lost = min(max(block.packets_lost, -_LOST_MAX - 1), _LOST_MAX) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc,
        fraction << 24 | lost,
        block.highest & RTP_MASK,
        block.jitter & RTP_MASK,
        block.last_report & RTP_MASK,
        block.delay & RTP_MASK,
    )
