"""A camera that a trial is made of, without processes: units come as the clock is moved by hand.

It must not know tests.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam_device.media import MAIN, AccessUnit, StreamInfo
from mqcam_device.selftest.figures import Account, Figures, RateStep
from mqcam_device.selftest.load import Load
from mqcam_device.selftest.trial import Trial, Wish, WishBitrate, WishKeyframe
from mqcam_device.selftest.verdict import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

NS = 1_000_000_000
SPS = b"\x00\x00\x00\x01" + bytes.fromhex(
    "6742c01fd9005005bb016a02020280000003008000001e4780c19240"
)
PICTURE = b"\x00\x00\x00\x01\x65" + b"\xff" * 40

STREAM = StreamInfo(
    width=1280,
    height=720,
    fps_min=30.0,
    fps_max=30.0,
    profile_level_id="42c01f",
    can_force_keyframe=True,
    bitrate_range_bps=(100_000, 4_000_000),
    encoder="libx264",
)
FIGURES = Figures(
    first_ms=200.0,
    profile_level_id="42c01f",
    steady_s=3.0,
    fps=30.0,
    bitrate_bps=1_500_000,
    age_p50_ms=12.0,
    age_p95_ms=20.0,
    keyframes_ms=(15.0, 30.0, 20.0),
    steps=(
        RateStep(asked_bps=750_000, reached_bps=760_000),
        RateStep(asked_bps=1_500_000, reached_bps=1_400_000),
    ),
    agent_cores=0.03,
    capture_cores=0.2,
    machine_cores=0.5,
    agent_pss_bytes=50_000_000,
    capture_pss_bytes=60_000_000,
)
ACCOUNT = Account(kind="picamera", camera=None, watchers=0, stream=STREAM, figures=FIGURES)
MACHINE = Machine(cores=4, ciphers=("SRTP_AES128_CM_SHA1_80",))


def account(stream: StreamInfo = STREAM, /, **figures: object) -> Account:
    """Return the account of a good camera, but for these figures."""
    return replace(ACCOUNT, stream=stream, figures=replace(FIGURES, **figures))  # type: ignore[arg-type]


class Rig:
    """A trial, the clock and a camera that obeys after ``delay_s``; `run` moves all three."""

    def __init__(
        self,
        *,
        seconds: float = 10.0,
        stream: StreamInfo = STREAM,
        watchers: int = 0,
        fps: float = 30.0,
        age_s: float = 0.01,
    ) -> None:
        self.now = 1000.0
        self.fps, self.age_s = fps, age_s
        self.watchers = watchers
        self.is_silent = False
        self.answers_keyframes = True
        self.rate_bps = 1_500_000
        self.wishes: list[tuple[float, Wish]] = []
        self.before_tick: Callable[[], None] = lambda: None
        self._next_at = self.now + 0.1
        self._seq = 0
        self._is_keyframe_due = True
        self.trial = Trial(
            stream,
            seconds=seconds,
            bitrate_bps=self.rate_bps,
            watchers=watchers,
            wished_at=self.now,
            now=self.now,
            load=self._load,
        )

    @property
    def rates(self) -> list[int]:
        """The bit rates that were wished for."""
        return [wish.bitrate_bps for _, wish in self.wishes if isinstance(wish, WishBitrate)]

    @property
    def keyframes(self) -> list[float]:
        """The moments at which keyframes were wished for."""
        return [at for at, wish in self.wishes if isinstance(wish, WishKeyframe)]

    def run(self, limit_s: float = 100.0, tick_s: float = 0.005) -> Figures:
        """Let the trial go to its end; returns its figures."""
        end = self.now + limit_s
        while not self.trial.is_over and self.now < end:
            self.now += tick_s
            self.before_tick()
            if self.now >= self._next_at and not self.is_silent:
                self._deliver()
            wish = self.trial.tick(self.now, watchers=self.watchers)
            if wish is not None:
                self._obey(wish)
        return self.trial.figures()

    def lose(self) -> None:
        """Lose a unit between camera and agent."""
        self._seq += 1

    def _deliver(self) -> None:
        data = (SPS if self._is_keyframe_due else b"") + PICTURE
        data += bytes(max(round(self.rate_bps / self.fps / 8) - len(data), 0))
        captured_ns = int((self._next_at - self.age_s) * NS)
        unit = AccessUnit(data, captured_ns, self._is_keyframe_due, self._seq, MAIN)
        self.trial.take(unit, self._next_at)
        self._is_keyframe_due = False
        self._seq += 1
        self._next_at += 1 / self.fps

    def _obey(self, wish: Wish) -> None:
        self.wishes.append((self.now, wish))
        if isinstance(wish, WishBitrate):
            self.rate_bps = wish.bitrate_bps
        elif self.answers_keyframes:
            self._is_keyframe_due = True

    def _load(self, now: float) -> Load:
        return Load(
            at_s=now,
            agent_s=now * 0.1,
            capture_s=now * 0.5,
            busy_s=now * 1.5,
            agent_pss_bytes=1,
            capture_pss_bytes=2,
        )
