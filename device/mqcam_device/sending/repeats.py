"""Which of the packets that a viewer misses are sent again, and when a keyframe is better.

It must not know packets or sockets: numbers and times in, numbers out.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

SHARE: Final = 0.2
"""Repeats may take this part of the bit rate: without a bound a full line drew 16 of them for
each packet (docs/decisions/sending.md)."""

BURST_S: Final = 0.25
BURST_FLOOR_BYTES: Final = 12_000
"""However low the rate: what a short burst of losses takes."""

AGAIN_S: Final = 0.02
"""The same packet is not sent twice within this or a round trip, whichever is longer."""

REMEMBERED: Final = 2048
KEYFRAME_REST_S: Final = 0.5


@dataclass(slots=True)
class Choice:
    """What to do about a NACK: send these again, and ask for a keyframe if it is a burst."""

    numbers: list[int] = field(default_factory=list)
    is_keyframe_wanted: bool = False


class Repeats:
    """A token bucket of bytes, and when each packet was last repeated."""

    def __init__(self, now: float) -> None:
        self.skipped = 0
        self._tokens_bytes = float(BURST_FLOOR_BYTES)
        self._filled_at = now
        self._repeated_at: OrderedDict[int, float] = OrderedDict()
        self._keyframe_at = float("-inf")

    def choose(
        self,
        lost: Iterable[int],
        *,
        now: float,
        round_trip_s: float,
        bitrate_bps: float,
        packet_bytes: int,
    ) -> Choice:
        """Judge a NACK of packets that are still there; ``packet_bytes`` is what each costs."""
        self._fill(now, bitrate_bps)
        choice = Choice()
        rest_s = max(AGAIN_S, round_trip_s)
        for number in lost:
            if now - self._repeated_at.get(number, float("-inf")) < rest_s:
                self.skipped += 1
            elif self._tokens_bytes >= packet_bytes:
                self._tokens_bytes -= packet_bytes
                self._remember(number, now)
                choice.numbers.append(number)
            else:
                self.skipped += 1
                choice.is_keyframe_wanted = True
        if choice.is_keyframe_wanted:
            choice.is_keyframe_wanted = now - self._keyframe_at >= KEYFRAME_REST_S
            if choice.is_keyframe_wanted:
                self._keyframe_at = now
        return choice

    def _fill(self, now: float, bitrate_bps: float) -> None:
        rate_bytes = bitrate_bps / 8 * SHARE
        most_bytes = max(rate_bytes * BURST_S, BURST_FLOOR_BYTES)
        self._tokens_bytes = min(
            most_bytes, self._tokens_bytes + (now - self._filled_at) * rate_bytes
        )
        self._filled_at = now

    def _remember(self, number: int, now: float) -> None:
        self._repeated_at[number] = now
        self._repeated_at.move_to_end(number)
        while len(self._repeated_at) > REMEMBERED:
            self._repeated_at.popitem(last=False)
