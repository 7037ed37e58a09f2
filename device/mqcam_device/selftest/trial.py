"""One trial of a camera: which phases, when one gives way to the next, what is to be wished.

It must not know clocks, processes or sockets: time is an argument, and wishes are returned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mqcam_device.media import MAIN
from mqcam_device.selftest.figures import Figures
from mqcam_device.selftest.phases import (
    KEYFRAME_REST_S,
    STEP_S,
    ForcedKeyframe,
    Opening,
    Steady,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam_device.media import AccessUnit, StreamInfo
    from mqcam_device.selftest.load import Load
    from mqcam_device.selftest.phases import Phase

LONGEST_S: Final = 60.0
SHORTEST_S: Final = 2.0
MOST_KEYFRAMES: Final = 5
KEYFRAMES_WATCHED: Final = 1
"""A viewer's picture is worse for a moment after each."""
FIRST_PICTURE_S: Final = 5.0
_STEADY_S: Final = 1.0
_ONE_KEYFRAME_S: Final = KEYFRAME_REST_S + 0.1
_STEPS: Final = 2
_MS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WishKeyframe:
    """Make the next picture a keyframe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WishBitrate:
    """Aim for a bit rate."""

    bitrate_bps: int


Wish = WishKeyframe | WishBitrate


class Trial:
    """Some seconds of a camera's life. ``load`` reads the counters of the processes.

    A bit rate is touched only while nobody watches: ``watchers`` says how many do. Whoever runs
    the trial sets the former rate again when it is over, however it ends.
    """

    def __init__(
        self,
        stream: StreamInfo,
        *,
        seconds: float,
        bitrate_bps: int,
        watchers: int,
        wished_at: float,
        now: float,
        load: Callable[[float], Load],
    ) -> None:
        self._load = load
        self._opening = Opening(wished_at=wished_at, deadline_s=FIRST_PICTURE_S)
        self._skipped = _why_no_steps(stream, seconds=seconds, watchers=watchers)
        self._steps = () if self._skipped else _steps(stream, bitrate_bps)
        keyframes = _keyframes(stream, seconds=seconds, watchers=watchers)
        self._keyframes = tuple(ForcedKeyframe() for _ in range(keyframes))
        rest_s = seconds - keyframes * _ONE_KEYFRAME_S - len(self._steps) * STEP_S
        self._steady = Steady(max(rest_s, _STEADY_S))
        self._phases: list[Phase] = [
            self._opening,
            self._steady,
            *self._keyframes,
            *self._steps,
        ]
        self._bitrate_bps = bitrate_bps
        self._phases[0].begin(now)

    @property
    def is_over(self) -> bool:
        """Tell whether there is nothing left to do."""
        return not self._phases

    def take(self, unit: AccessUnit, now: float) -> None:
        """Look at a unit; only the main layer's count."""
        if self._phases and unit.layer == MAIN:
            self._phases[0].take(unit, now)

    def tick(self, now: float, *, watchers: int) -> Wish | None:
        """Go on, often: returns what is to be wished of the camera now."""
        if not self._phases:
            return None
        if watchers and isinstance(self._phases[0], Step):
            return self._give_up_steps()
        if self._phases[0].is_over(now):
            return self._advance(now, watchers=watchers)
        phase = self._phases[0]
        if isinstance(phase, ForcedKeyframe) and phase.is_due(now):
            phase.asked_at = now
            return WishKeyframe()
        return None

    def _advance(self, now: float, *, watchers: int) -> Wish | None:
        ended = self._phases.pop(0)
        if ended is self._opening and self._opening.first_s is None:
            self._phases.clear()  # nothing comes: there is nothing to measure
        if ended is self._steady:
            self._steady.loads.append(self._load(now))
        if not self._phases:
            return None
        phase = self._phases[0]
        phase.begin(now)
        if phase is self._steady:
            self._steady.loads.append(self._load(now))
        if not isinstance(phase, Step):
            return None
        return self._give_up_steps() if watchers else WishBitrate(bitrate_bps=phase.asked_bps)

    def _give_up_steps(self) -> Wish:
        """Leave the bit rate alone: somebody has come to watch."""
        self._phases.clear()
        self._skipped = "somebody began to watch"
        return WishBitrate(bitrate_bps=self._bitrate_bps)

    def figures(self) -> Figures:
        """Return what was measured so far."""
        steady, keyframes = self._steady, [each.took_s for each in self._keyframes if each.asked_at]
        ages_ms = sorted(age_s * _MS for age_s in steady.ages_s)
        results = [step.result for step in self._steps]
        figures = Figures(
            first_ms=_ms(self._opening.first_s),
            profile_level_id=self._opening.profile_level_id,
            steady_s=round(steady.span_s, 2),
            fps=None if steady.fps is None else round(steady.fps, 2),
            bitrate_bps=steady.bitrate_bps,
            age_p50_ms=round(_percentile(ages_ms, 0.5), 1) if ages_ms else None,
            age_p95_ms=round(_percentile(ages_ms, 0.95), 1) if ages_ms else None,
            lost=steady.lost,
            keyframes_ms=tuple(round(took_s * _MS, 1) for took_s in keyframes if took_s),
            keyframes_missed=keyframes.count(None),
            steps=tuple(result for result in results if result is not None),
            steps_skipped=self._skipped,
        )
        return _with_usage(figures, steady.loads)


def _with_usage(figures: Figures, loads: Sequence[Load]) -> Figures:
    """Add what processes used between two moments."""
    if len(loads) != 2:  # noqa: PLR2004 - one at the beginning, one at the end
        return figures
    before, after = loads
    seconds = after.at_s - before.at_s

    def cores(earlier_s: float | None, later_s: float | None) -> float | None:
        if earlier_s is None or later_s is None or seconds <= 0:
            return None
        return round(max(later_s - earlier_s, 0.0) / seconds, 3)

    return replace(
        figures,
        agent_cores=cores(before.agent_s, after.agent_s),
        capture_cores=cores(before.capture_s, after.capture_s),
        machine_cores=cores(before.busy_s, after.busy_s),
        agent_pss_bytes=after.agent_pss_bytes,
        capture_pss_bytes=after.capture_pss_bytes,
    )


def _keyframes(stream: StreamInfo, *, seconds: float, watchers: int) -> int:
    if not stream.can_force_keyframe:
        return 0
    if watchers:
        return KEYFRAMES_WATCHED
    return min(MOST_KEYFRAMES, max(int((seconds - _STEADY_S) / 2 / _ONE_KEYFRAME_S), 1))


def _steps(stream: StreamInfo, bitrate_bps: int) -> tuple[Step, ...]:
    """Half the rate, and back: more than now might be more than the picture needs."""
    least_bps, most_bps = stream.bitrate_range_bps or (bitrate_bps, bitrate_bps)
    low_bps = max(bitrate_bps // 2, least_bps)
    return (Step(low_bps), Step(min(bitrate_bps, most_bps)))


def _why_no_steps(stream: StreamInfo, *, seconds: float, watchers: int) -> str:
    if stream.bitrate_range_bps is None:
        return "this camera's bit rate cannot be set"
    if watchers:
        return f"{watchers} {'is' if watchers == 1 else 'are'} watching"
    needed_s = _STEADY_S + MOST_KEYFRAMES * _ONE_KEYFRAME_S + _STEPS * STEP_S
    if seconds < needed_s:
        return f"takes --seconds {math.ceil(needed_s)}"
    return ""


def _percentile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * _MS, 1)
