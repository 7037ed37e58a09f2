"""What a person should see: which cameras there are, how each one stands, which one is chosen.

Pure: events come in, words come out. It must not know Qt, threads or clocks; tests drive it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from mqcam.protocol.messages import OFFLINE

from mqcam_viewer.desktop import words
from mqcam_viewer.desktop.events import (
    BrokerChanged,
    CamerasChanged,
    Connecting,
    EngineFailed,
    Event,
    IdentityChanged,
    Interrupted,
    Measured,
    PictureReady,
    Playing,
    SnapshotFailed,
    SnapshotSaved,
)
from mqcam_viewer.desktop.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam.protocol.messages import Status

STILL_S = 2.0
"""A picture older than this is no longer called live."""

RESTARTING_S = 0.5
"""It is told sooner where the camera itself says that no picture comes."""

RESTARTING_TEXT = "camera restarting: "
"""How a camera's own sentence may begin: the state says it already."""

CAPTURE_TROUBLE = frozenset({"starting", "stalled", "failed"})
"""States of a camera's own capture in which no new picture can come."""


class State(Enum):
    """How one camera stands; the value is its word for a person."""

    ONLINE = "Online"
    CONNECTING = "Connecting"
    LIVE = "Live"
    RESTARTING = "Camera restarting"
    STILL = "Picture stands still"
    RECONNECTING = "Reconnecting"
    OFFLINE = "Offline"
    REFUSED = "Refused"
    UNBELIEVED = "Not believed"


class Tone(Enum):
    """How good that is; the theme has a colour for each."""

    GOOD = "good"
    BUSY = "busy"
    WARNING = "warning"
    BAD = "bad"
    ABSENT = "absent"


TONES = {
    State.ONLINE: Tone.GOOD,
    State.CONNECTING: Tone.BUSY,
    State.LIVE: Tone.GOOD,
    State.RESTARTING: Tone.WARNING,
    State.STILL: Tone.WARNING,
    State.RECONNECTING: Tone.WARNING,
    State.OFFLINE: Tone.ABSENT,
    State.REFUSED: Tone.BAD,
    State.UNBELIEVED: Tone.BAD,
}

WORKING = frozenset({State.CONNECTING, State.RESTARTING, State.STILL, State.RECONNECTING})
"""States that end by themselves: something turns while they last."""

TOLD_BY_DETAIL = frozenset({State.LIVE, State.CONNECTING, State.RECONNECTING, State.OFFLINE})


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """One camera, ready to be shown."""

    name: str
    state: State
    detail: str
    """Why it stands like that, or its figures when it is live; may be empty."""
    statistics: str = ""
    """The one line of figures; empty unless live."""

    @property
    def tone(self) -> Tone:
        """Return how good the state is."""
        return TONES[self.state]

    @property
    def is_working(self) -> bool:
        """Tell whether the state will end by itself."""
        return self.state in WORKING

    @property
    def summary(self) -> str:
        """Return the one line of the list: the state is left out where the detail tells it."""
        if self.state in TOLD_BY_DETAIL:
            return self.detail or self.state.value
        return words.line(self.state.value, self.detail)

    @property
    def accessible(self) -> str:
        """Return all of it as one sentence for a screen reader."""
        return f"{self.name}, {self.state.value}" + (f", {self.detail}" if self.detail else "")


@dataclass(slots=True, kw_only=True)
class _Camera:
    status: Status | None = None
    is_present: bool = False
    seen_at: datetime | None = None
    state: State = State.ONLINE
    """What its session says; only while it is watched."""
    why: str = ""
    has_played: bool = False
    measured: Measured | None = None
    is_news: bool = False
    """What the camera says of itself is newer than what was measured of its pictures."""
    refusal: str = ""
    """Why whoever spoke last in its name is not believed."""


@dataclass(slots=True, kw_only=True)
class Model:
    """Everything that the window shows."""

    cameras: dict[str, _Camera] = field(default_factory=dict)
    chosen: str | None = None
    wished: str | None = None
    """Chosen at the beginning, if it is there."""
    broker: BrokerChanged | None = None
    notice: str = ""
    """What the last errand of the person came to."""
    failure: str = ""
    """Why nothing will change any more."""
    _seen_before: dict[str, datetime] = field(default_factory=dict)

    def apply(self, event: Event, now: datetime) -> None:
        """Take an event that happened at ``now``, in local time."""
        match event:
            case BrokerChanged():
                self.broker = event
            case CamerasChanged(cameras=cameras, refused=refused):
                for name in {*self.cameras, *refused}:
                    self._camera(name).refusal = words.sentence(refused.get(name, ""))
                self._hear(cameras, now)
            case Connecting() | Playing() | Interrupted() | Measured():
                self._apply_to_session(event, now)
            case IdentityChanged(camera=camera):
                self.notice = f"{camera} was replaced: its owner vouches for the new camera"
            case SnapshotSaved(path=path):
                self.notice = f"Saved {path.name} in {path.parent}"
            case SnapshotFailed(text=text):
                self.notice = f"No snapshot: {text}"
            case EngineFailed(text=text):
                self.failure = text
            case PictureReady():
                pass

    def remember(self, memory: Memory) -> None:
        """Begin with what was true when the window was closed."""
        self.wished = memory.chosen
        self._seen_before = dict(memory.seen)

    @property
    def memory(self) -> Memory:
        """Return what is worth knowing next time."""
        seen = {name: each.seen_at for name, each in self.cameras.items() if each.seen_at}
        return Memory(chosen=self.chosen or self.wished, seen={**self._seen_before, **seen})

    def choose(self, name: str | None) -> None:
        """Show another camera, or none; the one before is no longer watched."""
        if name == self.chosen:
            return
        if self.chosen is not None:
            left = self._camera(self.chosen)
            left.state, left.why, left.measured, left.has_played = State.ONLINE, "", None, False
        self.chosen = name
        if name is not None:
            self._say(name, State.CONNECTING)

    def rows(self, containing: str = "") -> list[str]:
        """Return the names of the cameras that contain a text, in an order that stays."""
        wanted = containing.casefold().strip()
        found = [name for name in self.cameras if wanted in name.casefold()]
        return sorted(found, key=lambda name: (name.casefold(), name))

    def view(self, name: str, now: datetime) -> CameraView:
        """Return how a camera stands."""
        camera = self._camera(name)
        state, why = self._state(name)
        if state is State.OFFLINE:
            return CameraView(
                name=name,
                state=state,
                detail=words.last_seen(camera.seen_at or self._seen_before.get(name), now),
            )
        if state is State.ONLINE:
            capture = camera.status.capture if camera.status else None
            mode = ""
            if capture:
                mode = words.video_mode(capture.width, capture.height, capture.fps_max)
            trouble = capture.text if capture and capture.state in CAPTURE_TROUBLE else ""
            return CameraView(name=name, state=state, detail=trouble or mode)
        if state is State.LIVE and camera.measured is not None:
            figures = _figures(camera.measured, camera.status)
            return CameraView(
                name=name,
                state=state,
                detail=words.line(*figures[:3]),
                statistics=words.line(*figures),
            )
        return CameraView(name=name, state=state, detail=why)

    @property
    def census(self) -> str:
        """Return how many cameras are there and how many are not."""
        here = sum(self._is_here(name) for name in self.cameras)
        unbelieved = sum(self._state(name)[0] is State.UNBELIEVED for name in self.cameras)
        away = len(self.cameras) - here - unbelieved
        parts = [f"{here} online"]
        parts += [f"{away} offline"] if away else []
        parts += [f"{unbelieved} not believed"] if unbelieved else []
        return words.line(*parts)

    @property
    def is_live(self) -> bool:
        """Tell whether there is a picture of now."""
        return self.chosen is not None and self._state(self.chosen)[0] is State.LIVE

    @property
    def has_played(self) -> bool:
        """Tell whether the chosen camera has shown a picture since it was chosen."""
        return self.chosen is not None and self._camera(self.chosen).has_played

    def explanation(self) -> tuple[str, str]:
        """Return a headline and a sentence for a window that has no camera to show."""
        if self.failure:
            return "Something went wrong", words.sentence(self.failure)
        if self.broker is None:
            return "Connecting to the broker", ""
        if not self.broker.is_connected:
            return "The broker cannot be reached", words.sentence(self.broker.trouble)
        if not self.cameras:
            return "No camera yet", "It appears here as soon as it connects to the broker"
        doubted = [name for name in self.rows() if self._state(name)[0] is State.UNBELIEVED]
        if doubted and not any(map(self._is_here, self.cameras)):
            name = doubted[0]
            return f"{name}: {State.UNBELIEVED.value.lower()}", self._state(name)[1]
        return "No camera chosen", "Choose one at the side"

    def broker_line(self) -> str:
        """Return how the way to the broker stands."""
        if self.broker is None:
            return "Connecting to the broker"
        if not self.broker.is_connected:
            return "No broker" + (", the video goes on" if self.is_live else "")
        host = self.broker.address.partition("://")[2].rpartition(":")[0]
        return words.line(host, "TLS" if self.broker.is_encrypted else "not encrypted")

    def _apply_to_session(
        self, event: Connecting | Playing | Interrupted | Measured, now: datetime
    ) -> None:
        camera = self._camera(event.camera)
        match event:
            case Connecting():
                self._say(event.camera, State.CONNECTING)
            case Playing():
                self._say(event.camera, State.LIVE)
                camera.has_played, camera.seen_at = True, now
            case Interrupted(text=text, is_final=is_final):
                self._interrupt(event.camera, text, is_final=is_final)
            case Measured(idle_s=idle_s):
                camera.measured, camera.is_news = event, False
                camera.seen_at = now if idle_s < STILL_S else camera.seen_at

    def _hear(self, cameras: Mapping[str, Status | None], now: datetime) -> None:
        for name, status in cameras.items():
            camera = self._camera(name)
            was_present = camera.is_present
            camera.is_present = status is not None and status.state != OFFLINE
            camera.is_news = camera.is_news or status not in {None, camera.status}
            camera.status = status or camera.status
            if camera.is_present or was_present:
                camera.seen_at = now
            elif status is not None and status.since is not None:  # it says so itself
                at = min(status.since, now.timestamp())  # a clock that is ahead, or a year 9999
                camera.seen_at = datetime.fromtimestamp(at).astimezone(now.tzinfo)
        if self.chosen is None:
            self._choose_first()

    def _choose_first(self) -> None:
        """Choose the camera of last time, else the first that is there."""
        here = [name for name in self.rows() if self._is_here(name)]
        self.choose(self.wished if self.wished in here else next(iter(here), None))

    def _interrupt(self, name: str, text: str, *, is_final: bool) -> None:
        if is_final:
            state = State.REFUSED
        elif self._camera(name).has_played:
            state = State.RECONNECTING
        else:
            state = State.CONNECTING
        self._say(name, state, words.sentence(text))

    def _say(self, name: str, state: State, why: str = "") -> None:
        """Note what the session of the watched camera says; one that was left is not heard."""
        if name == self.chosen:
            camera = self._camera(name)
            camera.state, camera.why = state, why
            if state is not State.LIVE:
                camera.measured = None

    def _state(self, name: str) -> tuple[State, str]:
        """Return how a camera stands: what the session says, judged by what the camera says."""
        camera = self._camera(name)
        is_live = name == self.chosen and camera.state is State.LIVE
        if camera.refusal and not (camera.is_present or is_live):
            return State.UNBELIEVED, camera.refusal
        if name != self.chosen:
            return (State.ONLINE if camera.is_present else State.OFFLINE), ""
        if camera.state is State.LIVE:
            return _judge_picture(camera)
        # With the broker away, that a camera was lost is no news of the camera.
        is_away = not camera.is_present and camera.status is not None and self._broker_stands()
        if is_away and camera.state is not State.REFUSED:
            return State.OFFLINE, ""
        return camera.state, camera.why

    def _broker_stands(self) -> bool:
        return self.broker is not None and self.broker.is_connected

    def _is_here(self, name: str) -> bool:
        return self._state(name)[0] not in {State.OFFLINE, State.UNBELIEVED}

    def _camera(self, name: str) -> _Camera:
        return self.cameras.setdefault(name, _Camera())


def _judge_picture(camera: _Camera) -> tuple[State, str]:
    """Return whether pictures that came still come, and what keeps them."""
    idle_s = camera.measured.idle_s if camera.measured else 0.0
    capture = camera.status.capture if camera.status else None
    is_still = camera.is_news or idle_s >= RESTARTING_S
    if is_still and capture and capture.state in CAPTURE_TROUBLE:
        return State.RESTARTING, words.sentence(capture.text.removeprefix(RESTARTING_TEXT))
    if idle_s < STILL_S:
        return State.LIVE, ""
    return State.STILL, f"No new picture for {idle_s:.0f} s"


def _figures(measured: Measured, status: Status | None) -> tuple[str, ...]:
    """Return mode, bit rate, latency, and what only the long line says; empty where unknown."""
    wanted_fps = status.capture.fps_max if status else None
    latency = "" if measured.latency_ms is None else f"{measured.latency_ms:.0f} ms"
    bitrate = "" if measured.bitrate_bps is None else words.rate(measured.bitrate_bps)
    mode = words.video_mode(measured.width, measured.height, wanted_fps or measured.fps)
    return (mode, bitrate, latency, f"{measured.fps:.1f} fps", measured.path)
