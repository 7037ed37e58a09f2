"""Whether one capture child still does what it should, and what to do when it does not.

It must not know processes, sockets or clocks: it hears what happened and when, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mqcam_device.capture.timings import CaptureTimings
    from mqcam_device.media import LayerInfo, StreamInfo

LEAST_FPS: Final = 0.1
"""A source that announces less is believed to mean this."""

BURST_S: Final = 10.0
RUSH: Final = 2.0
"""So many seconds' worth of pictures may come at once, and on and on so many times the rate."""


class Step(Enum):
    """What to do about a child."""

    PING = "ask it for a sign of life"
    REOPEN = "let it open its camera anew"
    REPLACE = "kill it and start another"
    LEAVE = "wait no longer for one of its layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A step, and why in half a sentence for a person.

    ``layer`` is the one that is silent while others are not: no reason to replace the child.
    """

    step: Step
    why: str = ""
    layer: str = ""


@dataclass(slots=True)
class _Layer:
    """An active layer: since when a picture is due, and when the last one came."""

    since: float
    unit_at: float | None = None


@dataclass(slots=True)
class _Spate:
    """A bucket that pictures fill and time empties."""

    level: float = 0.0
    at: float = 0.0


@dataclass(slots=True)
class Watchdog:
    """Watches one child from its start on; ``check`` when ``due_at`` has come."""

    timings: CaptureTimings
    began_at: float
    _layers: dict[str, _Layer] = field(default_factory=dict)
    _announced: dict[str, LayerInfo] = field(default_factory=dict)
    _can_force_keyframe: bool = True
    _in_vain: set[str] = field(default_factory=set)
    _spate: _Spate = field(default_factory=_Spate)
    _reopened_at: float | None = None
    _back_at: float = 0.0
    _is_slow: bool = False
    _excused_at: float | None = None
    _pinged_at: float | None = None
    _ping_due_at: float = 0.0
    _answer_s: float = 0.0

    def __post_init__(self) -> None:
        self._ping_due_at = self.began_at + self.timings.ping_every_s

    @property
    def has_started(self) -> bool:
        """Tell whether the child has opened its camera once."""
        return bool(self._announced)

    def begin(self, active: Iterable[str]) -> None:
        """Note which layers are active from the start."""
        self._layers = {name: _Layer(since=self.began_at) for name in active}

    def set_active(self, layer: str, active: bool, now: float) -> None:
        """Note that a layer is encoded from now on, or rests."""
        if active:
            self._layers.setdefault(layer, _Layer(since=now))
        else:
            self._layers.pop(layer, None)

    def note_running(self, info: StreamInfo | None, now: float) -> None:
        """Note that the source says it runs, and what it delivers."""
        if info is not None:
            self._announced = {layer.name: layer for layer in info.layers}
            self._can_force_keyframe = info.can_force_keyframe
        self._excused_at = None
        if not self.is_expecting:
            self._reopened_at = None
        elif self._reopened_at is not None and not self._is_slow:
            longest_s = max(self._limit_s(name, is_first=False) for name in self._awaited)
            settled_at = now + max(self.timings.settle_s, longest_s)
            self._back_at = min(self._reopened_at + self.timings.reopen_s, settled_at)
        self._expect_first_units(now)

    def note_excuse(self, now: float) -> None:
        """Note that the source says itself that it stalled, and is at work on it."""
        self._excused_at = now

    def note_unit(self, name: str, now: float) -> bool:
        """Note a picture; False if they come so fast that something must be broken."""
        layer = self._layers.get(name)
        if layer is not None:
            layer.unit_at = now
        self._in_vain.discard(name)
        if self._reopened_at is not None:
            self._reopened_at = None
            for other in self._layers.values():
                other.since = now
        if self._excused_at is not None and now - self._excused_at > self.timings.stall_s:
            self._excused_at = None
        return self._fill(now)

    def note_ping(self, now: float) -> None:
        """Note that the child was asked for a sign of life."""
        if self._pinged_at is None:
            self._pinged_at = now
            is_silent = self._reopened_at is not None
            self._answer_s = self.timings.answer_s if is_silent else self.timings.calm_answer_s

    def note_answer(self, busy_s: float, now: float) -> Verdict | None:
        """Note a sign of life, which says for how long the child's camera has been in one call."""
        self._pinged_at = None
        is_reopening = self._reopened_at is not None
        pause_s = self.timings.answer_s / 4 if is_reopening else self.timings.ping_every_s
        self._ping_due_at = now + pause_s
        if busy_s >= self.timings.hang_s and self.has_started:
            return Verdict(step=Step.REPLACE, why=f"the camera has hung for {busy_s:.0f} s")
        return None

    def note_reopen(self, now: float, layer: str = "") -> None:
        """Note that the child was told to open its camera anew, perhaps for one layer only.

        A source that excused itself is one that takes its time to open.
        """
        self._in_vain |= {layer} - {""}
        self._is_slow = self._excused_at is not None
        self._reopened_at, self._excused_at = now, None
        self._back_at = now + (self.timings.slow_open_s if self._is_slow else self.timings.open_s)
        self._expect_first_units(now)

    def give_up(self, layer: str) -> None:
        """Watch a layer no longer that does not come although others do, until it is woken."""
        self._layers.pop(layer, None)

    @property
    def is_expecting(self) -> bool:
        """Tell whether pictures should come: somebody looks at a layer that there is."""
        return bool(self._awaited)

    @property
    def _awaited(self) -> list[str]:
        return [name for name in self._layers if name in self._announced]

    def due_at(self) -> float:
        """Return when to check next."""
        return min(at for at, _ in self._deadlines())

    def check(self, now: float) -> Verdict | None:
        """Return what to do now; None while all is well."""
        for at, verdict in self._deadlines():
            if now >= at:
                return verdict
        return None

    def _deadlines(self) -> list[tuple[float, Verdict]]:
        """Return what happens when, the gravest first."""
        timings = self.timings
        found = []
        if self._pinged_at is not None:
            why = f"the capture child has not answered for {self._answer_s:g} s"
            found.append((self._pinged_at + self._answer_s, Verdict(step=Step.REPLACE, why=why)))
        if not self.has_started:
            why = f"the capture child did not start within {timings.hello_s:g} s"
            return [*found, (self.began_at + timings.hello_s, Verdict(step=Step.REPLACE, why=why))]
        if self._reopened_at is not None:
            away_s = round(self._back_at - self._reopened_at, 1)
            why = f"the camera did not come back within {away_s:g} s"
            found.append((self._back_at, Verdict(step=Step.REPLACE, why=why)))
        else:
            found += self._silences()
        if self._pinged_at is None:
            found.append((self._ping_due_at, Verdict(step=Step.PING)))
        return found

    def _silences(self) -> list[tuple[float, Verdict]]:
        """Return when each active layer will have been silent for too long."""
        found = []
        for name in self._awaited:
            layer = self._layers[name]
            since = layer.since if layer.unit_at is None else layer.unit_at
            limit_s = self._limit_s(name, is_first=layer.unit_at is None)
            if self._excused_at is not None:
                since, limit_s = max(self._excused_at, layer.since), self.timings.patience_s
            # Layers that fall silent together do so within a frame or two.
            later = since + limit_s / 2
            is_alone = any((other.unit_at or 0.0) > later for other in self._layers.values())
            why = f"no picture for {round(limit_s, 1):g} s"
            step = Step.LEAVE if is_alone and name in self._in_vain else Step.REOPEN
            verdict = Verdict(step=step, why=why, layer=name if is_alone else "")
            found.append((since + limit_s, verdict))
        return found

    def _expect_first_units(self, now: float) -> None:
        for layer in self._layers.values():
            layer.since, layer.unit_at = now, None

    def _limit_s(self, name: str, *, is_first: bool) -> float:
        timings = self.timings
        interval_s = 1 / max(self._announced[name].fps_min, LEAST_FPS)
        limit_s = max(timings.stall_s, timings.stall_frames * interval_s)
        if not is_first:
            return limit_s
        # A passed-through stream begins when its camera makes the next keyframe by itself.
        first_s = timings.first_unit_s if self._can_force_keyframe else timings.patience_s
        return max(limit_s, first_s)

    def _fill(self, now: float) -> bool:
        spate = self._spate
        fps = sum(max(layer.fps_max, LEAST_FPS) for layer in self._announced.values())
        drained = (now - spate.at) * RUSH * fps
        spate.level, spate.at = max(spate.level - drained, 0.0) + 1, now
        return spate.level <= BURST_S * max(fps, 1.0)
