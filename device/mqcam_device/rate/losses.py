"""Which losses of a path come from too much being sent, and which are the path's own.

It must not know queues, rates, sockets or clocks: times are arguments, in seconds. Why it decides
so: docs/decisions/rate.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mqcam_device.rate.passage import Sample

EXCESS_SHARE: Final = 0.08
EXCESS_PACKETS: Final = 3
HOLDING_SHARE: Final = 0.03
HOLDING_PACKETS: Final = 2
"""Losses above these shares, plus so many packets as chance makes of few, cut or hold the rate."""

PAUSE_S: Final = 1.2
"""Losses are counted over a second: those before a cut say nothing about it."""

RECENT_S: Final = 3.6
SURVIVING: Final = 0.7
"""A cut to what was delivered ends losses by overload. A share of them that stays for so long is
the path's own."""

HELD_S: Final = 3.0
"""So are losses that do no more than hold the rate for so long."""

OWN_LIMIT: Final = 0.2
"""Through more nobody can watch."""

OWN_SMOOTHING: Final = 0.03


class Losses:
    """Judges the losses of one path; ``share`` are those of the last second, 0 to 1."""

    def __init__(self, *, now: float) -> None:
        self.share = 0.0
        self._own = 0.0
        self._free_at = now
        self._cut: tuple[float, float] | None = None

    def take(self, sample: Sample) -> None:
        """Follow the losses; what the path has of its own may become less at any time."""
        self.share = sample.lost / max(1, sample.lost + sample.received)
        if self.share < self._own:
            self._own += OWN_SMOOTHING * (self.share - self._own)

    def is_excess(self, sample: Sample) -> bool:
        """Tell whether so much is lost that too much is sent."""
        return self._is_more(sample, EXCESS_SHARE, EXCESS_PACKETS)

    def is_holding(self, sample: Sample, now: float) -> bool:
        """Tell whether so much is lost that no more should be sent."""
        if not self._is_more(sample, HOLDING_SHARE, HOLDING_PACKETS):
            self._free_at = now
            return False
        if now - self._free_at > HELD_S:
            self._own = min(self.share, OWN_LIMIT)
            self._free_at = now
        return True

    def is_cut_due(self, now: float, *, is_obeyed: bool) -> bool:
        """Tell whether an excess asks for a cut now.

        ``is_obeyed`` tells that no more is sent than after the last cut: only then is what is
        still lost the path's own.
        """
        if self._cut is not None:
            cut_at, before = self._cut
            if now - cut_at < PAUSE_S:
                return False
            is_survivor = SURVIVING * before <= self.share <= OWN_LIMIT
            if is_obeyed and is_survivor and now - cut_at < RECENT_S:
                self._own = self.share
                return False
        self._cut = (now, self.share)
        return True

    def _is_more(self, sample: Sample, share: float, packets: int) -> bool:
        return sample.lost > (self._own + share) * (sample.lost + sample.received) + packets
