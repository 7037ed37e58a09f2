"""What a trial does to a camera, one thing after the other, and what each of them measures.

It must not know clocks, processes or sockets: time is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from mqcam.errors import SourceError
from mqcam.h264 import SPS, iterate_nals, nal_type, parse_sps

from mqcam_device.selftest.figures import RateStep

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit
    from mqcam_device.selftest.load import Load

KEYFRAME_S: Final = 1.0
"""A keyframe that was asked for and does not come within this is missing."""
KEYFRAME_REST_S: Final = 0.31
"""Between two of them: no multiple of a frame interval, so that each falls elsewhere in one."""
STEP_S: Final = 2.0
"""How long an encoder has to reach a bit rate (issue 6)."""
NS: Final = 1_000_000_000


class Phase(Protocol):
    """One thing that is done. It begins with `begin`, and sees every unit until `is_over`."""

    def begin(self, now: float) -> None:
        """Note the time, in seconds of CLOCK_MONOTONIC."""
        ...

    def take(self, unit: AccessUnit, now: float) -> None:
        """Look at a unit of the main layer."""
        ...

    def is_over(self, now: float) -> bool:
        """Tell whether the next phase may begin."""
        ...


class Opening:
    """Wait for the first picture that was captured after the wish for one."""

    def __init__(self, *, wished_at: float, deadline_s: float) -> None:
        self._wished_at = wished_at
        self._deadline_s = deadline_s
        self._began_at = wished_at
        self.first_s: float | None = None
        self.profile_level_id = ""

    def begin(self, now: float) -> None:
        """Note the time."""
        self._began_at = now

    def take(self, unit: AccessUnit, now: float) -> None:
        """Note the first picture, and what its header says of the profile."""
        if self.first_s is None and unit.captured_ns >= int(self._wished_at * NS):
            self.first_s = now - self._wished_at
        if not self.profile_level_id and unit.keyframe:
            self.profile_level_id = profile_of(unit.data)

    def is_over(self, now: float) -> bool:
        """Tell whether a picture came, or none will."""
        return self.first_s is not None or now - self._began_at >= self._deadline_s


class Steady:
    """Look on undisturbed: how many, how large, how old."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began_at = 0.0
        self._first_captured_ns: int | None = None
        self._last_captured_ns = 0
        self._bytes = 0
        self._next_seq: int | None = None
        self.ages_s: list[float] = []
        self.lost = 0
        self.loads: list[Load] = []

    def begin(self, now: float) -> None:
        """Note the time."""
        self._began_at = now

    def take(self, unit: AccessUnit, now: float) -> None:
        """Count a unit."""
        if self._next_seq is not None:
            self.lost += max(unit.seq - self._next_seq, 0)
        self._next_seq = unit.seq + 1
        self.ages_s.append(now - unit.captured_ns / NS)
        if self._first_captured_ns is None:
            self._first_captured_ns = unit.captured_ns
        else:
            self._bytes += len(unit.data)
        self._last_captured_ns = unit.captured_ns

    def is_over(self, now: float) -> bool:
        """Tell whether the time is up."""
        return now - self._began_at >= self._seconds

    @property
    def span_s(self) -> float:
        """The time between the first and the last picture's capture."""
        return (self._last_captured_ns - (self._first_captured_ns or 0)) / NS

    @property
    def fps(self) -> float | None:
        """Pictures per second; None if there were not two."""
        intervals = len(self.ages_s) - 1
        return intervals / self.span_s if intervals > 0 and self.span_s > 0 else None

    @property
    def bitrate_bps(self) -> int | None:
        """What they took; None if there were not two."""
        return round(self._bytes * 8 / self.span_s) if self.fps else None


class ForcedKeyframe:
    """Rest, ask for a keyframe, and wait until it is there."""

    def __init__(self) -> None:
        self._began_at = 0.0
        self.asked_at: float | None = None
        self.took_s: float | None = None

    def begin(self, now: float) -> None:
        """Note the time."""
        self._began_at = now

    def is_due(self, now: float) -> bool:
        """Tell whether it is to be asked for now."""
        return self.asked_at is None and now - self._began_at >= KEYFRAME_REST_S

    def take(self, unit: AccessUnit, now: float) -> None:
        """Note the keyframe."""
        if self.asked_at is not None and self.took_s is None and unit.keyframe:
            self.took_s = now - self.asked_at

    def is_over(self, now: float) -> bool:
        """Tell whether it came, or will not."""
        if self.asked_at is None:
            return False
        return self.took_s is not None or now - self.asked_at >= KEYFRAME_S


class Step:
    """Ask for a bit rate, and look at the second half of the time that it is given."""

    def __init__(self, asked_bps: int) -> None:
        self.asked_bps = asked_bps
        self._began_at = 0.0
        self._bytes = 0
        self._is_over = False

    def begin(self, now: float) -> None:
        """Note the time: the rate is asked for now."""
        self._began_at = now

    def take(self, unit: AccessUnit, now: float) -> None:
        """Count a unit of the second half."""
        if STEP_S / 2 <= now - self._began_at < STEP_S:
            self._bytes += len(unit.data)

    def is_over(self, now: float) -> bool:
        """Tell whether the time is up."""
        self._is_over = self._is_over or now - self._began_at >= STEP_S
        return self._is_over

    @property
    def result(self) -> RateStep | None:
        """What came of it; None if it was not waited for."""
        if not self._is_over:
            return None
        return RateStep(asked_bps=self.asked_bps, reached_bps=round(self._bytes * 8 / (STEP_S / 2)))


def profile_of(keyframe: bytes) -> str:
    """Return the profile-level-id in a keyframe's header, empty where there is none."""
    for nal in iterate_nals(keyframe):
        if nal_type(nal) == SPS:
            try:
                return parse_sps(nal).profile_level_id
            except SourceError:
                return ""
    return ""
