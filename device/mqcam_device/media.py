"""What a video source hands over, whoever makes it: a camera, a pattern, a film.

It must not know any third-party library, process or socket: agent and capture child share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAIN = "main"
"""The layer that every source has."""

LOW = "low"
"""The same pictures, smaller and fewer, for viewers whose path carries no more."""

MIN_BITRATE_BPS = 100_000
"""Below this libx264 cannot hold the rate of any useful picture, so nobody asks for less."""

LOW_MAX_BITRATE_BPS = 400_000
"""The low layer needs no more, whatever carries it."""

SourceKind: TypeAlias = Literal["pattern", "film", "picamera", "usb", "rtsp"]
Rotation: TypeAlias = Literal[0, 90, 180, 270]

BT709 = 1
BT601 = 6
"""Colour matrices as H.264 numbers them (ITU-T H.273, table 4)."""


@dataclass(slots=True)
class AccessUnit:
    """One encoded picture, Annex B. Not frozen, because one is made per frame; never change it.

    ``captured_ns`` is CLOCK_MONOTONIC at exposure or drawing. ``keyframe`` means an IDR picture
    with SPS and PPS in front. ``seq`` grows by one per unit of a layer, a hole is a loss before
    this unit. Units of two layers that show one picture have one ``captured_ns``.
    """

    data: bytes
    captured_ns: int
    keyframe: bool
    seq: int
    layer: str = MAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One layer of what a source delivers; ``bitrate_range_bps`` is None where it cannot be set."""

    name: str
    width: int
    height: int
    fps_min: float
    fps_max: float
    bitrate_range_bps: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """What a running source delivers: MAIN, and in ``smaller`` the layers beside it.

    ``rotation`` is what is left for the viewer: how many degrees clockwise the pictures are to be
    turned to stand upright. Sizes are those of the pictures as they are encoded.
    """

    width: int
    height: int
    fps_min: float
    fps_max: float
    profile_level_id: str
    can_force_keyframe: bool
    bitrate_range_bps: tuple[int, int] | None
    encoder: str
    codec: str = "h264"
    rotation: Rotation = 0
    smaller: tuple[LayerInfo, ...] = ()

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """All layers, MAIN first."""
        main = LayerInfo(
            name=MAIN,
            width=self.width,
            height=self.height,
            fps_min=self.fps_min,
            fps_max=self.fps_max,
            bitrate_range_bps=self.bitrate_range_bps,
        )
        return (main, *self.smaller)


ControlValue: TypeAlias = bool | float | str | tuple[float, ...]
"""What a control of a camera can be: a switch, a number, a word, or the numbers of an area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlInfo:
    """One control that a camera has: which values it takes, and the one it was set to.

    A ``number`` lies in ``least`` to ``most``, a ``choice`` is one of ``choices``, a ``switch`` is
    true or false, an ``area`` is left, top, width and height as parts (0 to 1) of the full view.
    ``value`` is None where the camera chooses by itself.
    """

    name: str
    kind: Literal["number", "choice", "switch", "area"]
    value: ControlValue | None = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """What to show and how to encode it.

    ``width`` and ``height`` are both given or both None (a film's own size, 1280x720 otherwise);
    ``fps`` is the pattern's frame rate and the cap of others', ``fps_min`` how far a camera may go
    down to see in the dark. ``label`` is drawn into the pattern. ``bitrate_bps`` is where the
    encoder starts, ``max_bitrate_bps`` its ceiling. ``camera`` is the stable id of one of several
    cameras. ``rotation`` is clockwise. ``controls`` are those that the configuration sets.
    A camera that nobody looks at goes on for ``idle_stop_s``, for ever if that is None.
    """

    kind: SourceKind = "pattern"
    path: str | None = None
    camera: str | None = None
    url: str | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    width: int | None = None
    height: int | None = None
    fps: float = 30.0
    fps_min: float | None = None
    bitrate_bps: int = 1_500_000
    max_bitrate_bps: int = 4_000_000
    label: str = "mqcam"
    rotation: Rotation = 0
    hflip: bool = False
    vflip: bool = False
    idle_stop_s: float | None = None
    input_format: Literal["auto", "h264", "mjpeg", "yuyv422"] = "auto"
    controls: tuple[tuple[str, ControlValue], ...] = ()

    def with_controls(self, controls: Mapping[str, ControlValue]) -> SourceSettings:
        """Return the settings for a source that is made anew after controls were set.

        They stand behind those from before: of two that contradict each other the newer holds.
        """
        kept = (pair for pair in self.controls if pair[0] not in controls)
        return replace(self, controls=(*kept, *controls.items()))


class SourceState(Enum):
    """Where a source stands; FAILED and STALLED come with a sentence."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STALLED = "stalled"
    FAILED = "failed"


if TYPE_CHECKING:
    Sink = Callable[[AccessUnit], None]
    """Takes a unit on the source's thread; must return at once and never raise."""

    StateListener = Callable[[SourceState, StreamInfo | None, str], None]
    """Takes a state, what is delivered and a sentence on the source's thread, as a sink does."""


class VideoSource(Protocol):
    """A source of encoded video. It starts paused: nothing is encoded before `resume`.

    Calls come from one thread, those of `snapshot`, `controls` and `set_controls` from a second one
    beside it, up to the end; the sink is called on the source's own. Each layer is encoded only
    while it is resumed; wishes for a layer that `start` did not announce are ignored.
    """

    def start(self, sink: Sink, on_state: StateListener) -> StreamInfo:
        """Open the source; raises SourceError with a sentence for a person."""
        ...

    def resume(self, layer: str = MAIN) -> None:
        """Capture and encode; the layer's next unit is a keyframe."""
        ...

    def pause(self, layer: str = MAIN) -> None:
        """Stop encoding a layer, and capturing with the last one: nobody looks."""
        ...

    def request_keyframe(self, layer: str = MAIN) -> bool:
        """Make the layer's next picture a keyframe; False where the encoder cannot."""
        ...

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> int:
        """Aim for a bit rate from now on; returns what is applied, 0 for no such layer."""
        ...

    def set_framerate(self, fps: float) -> float:
        """Cap the frame rate of all layers from now on; returns what is applied to MAIN."""
        ...

    def snapshot(self, timeout_s: float) -> bytes:
        """Return the current picture as JPEG; raises SourceError when none comes in time."""
        ...

    def controls(self) -> tuple[ControlInfo, ...]:
        """Return what can be changed while the source runs, with its present values."""
        ...

    def set_controls(self, values: Mapping[str, ControlValue]) -> None:
        """Change controls, all or none; raises SourceError for one that is not advertised."""
        ...

    def stop(self, timeout_s: float) -> bool:
        """End the source; False if it did not end in time and its process must be replaced."""
        ...
