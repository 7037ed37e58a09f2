"""What one viewer was sent: sequence numbers given out, and which packet each of them was.

It must not know keys, sockets or clocks. A number is given out once and never again: two packets
with one number would give the key away (RFC 7714 section 8.4; docs/decisions/sending.md).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Final

ENTRIES: Final = 512
"""Pictures that are remembered: 2.5 s at any frame rate. The oldest go first."""

SEQUENCE_MASK: Final = 0xFFFF


@dataclass(slots=True)
class _Entry:
    first: int
    count: int
    parcel: int
    timestamp: int


@dataclass(slots=True)
class Sent:
    """Where a packet comes from: the ``index``-th payload of a parcel, and its timestamp."""

    number: int
    parcel: int
    index: int
    timestamp: int


class Ledger:
    """Number packets without a hole; ``first`` should be below 2**15, for SRTP's roll-over."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._entries: deque[_Entry] = deque(maxlen=ENTRIES)
        self._keyframe_at = first
        self.packets = 0
        self.octets = 0

    def open(self, parcel: int, timestamp: int, *, is_keyframe: bool) -> None:
        """Begin a picture; what is taken from now on belongs to it."""
        if is_keyframe:
            self._keyframe_at = self._next
        self._entries.append(_Entry(self._next, 0, parcel, timestamp))

    def take(self, count: int, octets: int) -> int:
        """Give out ``count`` numbers in a row; returns the first, beyond 16 bits."""
        first = self._next
        self._next += count
        self._entries[-1].count += count
        self.packets += count
        self.octets += octets
        return first

    def extend(self, sequence: int) -> int:
        """Return the number of which these are the last 16 bits, the latest that was given out."""
        return self._next - 1 - ((self._next - 1 - sequence) & SEQUENCE_MASK)

    def is_before_keyframe(self, number: int) -> bool:
        """Tell whether a packet is older than the last keyframe: nobody needs it any more."""
        return number < self._keyframe_at

    def find(self, number: int) -> Sent | None:
        """Return which packet had a number; None when it was never sent or too long ago."""
        at = bisect_right(self._entries, number, key=_first) - 1
        if at < 0:
            return None
        entry = self._entries[at]
        index = number - entry.first
        if index >= entry.count:
            return None
        return Sent(number, entry.parcel, index, entry.timestamp)


def _first(entry: _Entry) -> int:
    return entry.first
