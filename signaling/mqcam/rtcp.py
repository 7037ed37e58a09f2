"""RTCP reports that carry time: sender reports read, RRTR and DLRR (RFC 3611).

It must not know sockets, clocks or libraries: packets and times come in as arguments.
Times ending in ``_ns`` are integers; NTP times are the 64 bits of RFC 3550 section 4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.wrapping import signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
GOODBYE: Final = 203
PAYLOAD_FEEDBACK: Final = 206
PICTURE_LOSS: Final = 1
EXTENDED_REPORT: Final = 207
RRTR_BLOCK: Final = 4
DLRR_BLOCK: Final = 5

SECOND_NS: Final = 1_000_000_000
NTP_UNIX_OFFSET_S: Final = 2_208_988_800  # 1900 to 1970
NTP_MASK: Final = 2**64 - 1
COMPACT_MASK: Final = 2**32 - 1
COMPACT_UNITS: Final = 65_536  # the middle 32 bits of an NTP time count 1/65536 s
RTP_MASK: Final = 2**32 - 1
VERSION: Final = 2
DLRR_ITEM_LIMIT: Final = 31

_HEADER: Final = struct.Struct("!BBH")
_SENDER_INFO: Final = struct.Struct("!IQIII")


@dataclass(slots=True)
class RtcpPart:
    """One packet of a compound: its type, its 5-bit count and the bytes after the first word."""

    kind: int
    count: int
    start: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    """What a sender report says: ``ntp`` and ``rtp_timestamp`` name the same moment."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTime:
    """An RRTR block: the receiver ``ssrc`` sent it at ``ntp`` of its own clock."""

    ssrc: int
    ntp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceDelay:
    """A DLRR item: ``ssrc`` sent ``last_ntp`` (compact) and was kept for ``delay`` 1/65536 s."""

    ssrc: int
    last_ntp: int
    delay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderClock:
    """Ties RTP timestamps to the monotonic capture clock: one pair and the rate."""

    rtp_timestamp: int
    captured_ns: int
    rate_hz: int = 90_000

    def rtp_at(self, at_ns: int) -> int:
        """Return the 32-bit RTP timestamp of a moment of the capture clock."""
        ticks = (at_ns - self.captured_ns) * self.rate_hz // SECOND_NS
        return (self.rtp_timestamp + ticks) & RTP_MASK

    def captured_at(self, rtp_timestamp: int) -> int:
        """Return the capture time in ns of an RTP timestamp within 6.6 hours of the pair."""
        ticks = signed(rtp_timestamp - self.rtp_timestamp, bits=32)
        return self.captured_ns + ticks * SECOND_NS // self.rate_hz


def ntp_from_unix_ns(unix_ns: int) -> int:
    """Convert nanoseconds since 1970 into a 64-bit NTP time."""
    seconds, rest_ns = divmod(unix_ns, SECOND_NS)
    return (((seconds + NTP_UNIX_OFFSET_S) << 32) + (rest_ns << 32) // SECOND_NS) & NTP_MASK


def unix_ns_from_ntp(ntp: int) -> int:
    """Convert a 64-bit NTP time between 1970 and 2036 into nanoseconds since 1970."""
    seconds, fraction = ntp >> 32, ntp & 0xFFFF_FFFF
    # Rounded up, so that a round trip through the 233 ps of NTP gives the same nanosecond.
    return (seconds - NTP_UNIX_OFFSET_S) * SECOND_NS + -(-fraction * SECOND_NS >> 32)


def compact_ntp(ntp: int) -> int:
    """Return the middle 32 bits, as reports quote them: they wrap every 18.2 hours."""
    return (ntp >> 16) & COMPACT_MASK


def walk_compound(compound: bytes) -> Iterator[RtcpPart]:
    """Yield the packets of a compound up to the first malformed one."""
    position = 0
    while position + _HEADER.size <= len(compound):
        first, kind, words = _HEADER.unpack_from(compound, position)
        end = position + 4 + words * 4
        if first >> 6 != VERSION or end > len(compound):
            return
        yield RtcpPart(kind, first & 0x1F, position, compound[position + 4 : end])
        position = end


def read_sender_report(compound: bytes) -> SenderReport | None:
    """Return the first sender report of a compound."""
    for part in walk_compound(compound):
        if part.kind == SENDER_REPORT and len(part.body) >= _SENDER_INFO.size:
            ssrc, ntp, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(part.body)
            return SenderReport(
                ssrc=ssrc, ntp=ntp, rtp_timestamp=rtp_timestamp, packets=packets, octets=octets
            )
    return None


def read_goodbyes(compound: bytes) -> list[int]:
    """Return the sources that a compound says have ended (RFC 3550 section 6.6)."""
    return [
        int.from_bytes(part.body[at : at + 4])
        for part in walk_compound(compound)
        if part.kind == GOODBYE
        for at in range(0, min(4 * part.count, len(part.body)), 4)
    ]


def write_picture_loss(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Write a picture loss indication, which asks for a keyframe (RFC 4585 section 6.3.1)."""
    header = _HEADER.pack(VERSION << 6 | PICTURE_LOSS, PAYLOAD_FEEDBACK, 2)
    return header + struct.pack("!II", sender_ssrc, media_ssrc)


def write_reference_time(reference: ReferenceTime) -> bytes:
    """Write an extended report with an RRTR block (RFC 3611 section 4.4)."""
    block = struct.pack("!BBHQ", RRTR_BLOCK, 0, 2, reference.ntp & NTP_MASK)
    return _extended_report(reference.ssrc, block)


def write_reference_delays(sender_ssrc: int, delays: Sequence[ReferenceDelay]) -> bytes:
    """Write an extended report with a DLRR block of at most 31 items (RFC 3611 section 4.5)."""
    items = delays[:DLRR_ITEM_LIMIT]
    block = struct.pack("!BBH", DLRR_BLOCK, 0, 3 * len(items)) + b"".join(
        struct.pack("!III", each.ssrc, each.last_ntp, each.delay & COMPACT_MASK) for each in items
    )
    return _extended_report(sender_ssrc, block)


def read_reference_times(compound: bytes) -> list[ReferenceTime]:
    """Return the RRTR blocks of a compound."""
    return [
        ReferenceTime(ssrc=ssrc, ntp=int.from_bytes(body))
        for ssrc, kind, body in _extended_blocks(compound)
        if kind == RRTR_BLOCK and len(body) == 8  # noqa: PLR2004
    ]


def read_reference_delays(compound: bytes) -> list[ReferenceDelay]:
    """Return the items of the DLRR blocks of a compound."""
    return [
        ReferenceDelay(ssrc=ssrc, last_ntp=last_ntp, delay=delay)
        for _, kind, body in _extended_blocks(compound)
        if kind == DLRR_BLOCK and len(body) % 12 == 0
        for ssrc, last_ntp, delay in struct.iter_unpack("!III", body)
    ]


def answer_reference_time(
    reference: ReferenceTime, *, arrived_ns: int, now_ns: int
) -> ReferenceDelay:
    """Make the DLRR item that tells a receiver how long its RRTR was kept here."""
    delay = max(0, now_ns - arrived_ns) * COMPACT_UNITS // SECOND_NS
    return ReferenceDelay(
        ssrc=reference.ssrc, last_ntp=compact_ntp(reference.ntp), delay=min(delay, COMPACT_MASK)
    )


def round_trip_ns(delay: ReferenceDelay, *, now_ntp: int) -> int | None:
    """Return the round trip that a DLRR item shows, None where it shows nothing.

    ``now_ntp`` is on the clock that wrote the RRTR. The unit of the fields is 15 us, so a round
    trip on one machine may come out a little below zero: it is then zero.
    """
    if delay.last_ntp == 0:
        return None
    elapsed = signed(compact_ntp(now_ntp) - delay.last_ntp, bits=32)
    units = signed((elapsed & COMPACT_MASK) - delay.delay, bits=32)
    if units < -2 or units >= 60 * COMPACT_UNITS:  # noqa: PLR2004
        return None
    return max(0, units) * SECOND_NS // COMPACT_UNITS


def _extended_report(ssrc: int, blocks: bytes) -> bytes:
    words = 1 + len(blocks) // 4
    return _HEADER.pack(VERSION << 6, EXTENDED_REPORT, words) + struct.pack("!I", ssrc) + blocks


def _extended_blocks(compound: bytes) -> Iterator[tuple[int, int, bytes]]:
    for part in walk_compound(compound):
        if part.kind != EXTENDED_REPORT or len(part.body) < 4:  # noqa: PLR2004
            continue
        ssrc = int.from_bytes(part.body[:4])
        position = 4
        while position + 4 <= len(part.body):
            kind, _, words = _HEADER.unpack_from(part.body, position)
            end = position + 4 + words * 4
            if end > len(part.body):
                break
            yield ssrc, kind, part.body[position + 4 : end]
            position = end
