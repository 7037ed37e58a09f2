"""What a video source hands over, whoever makes it: a camera, a pattern, a film.

It must not know any third-party library, process or socket: agent and capture child share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MAIN = "main"
"""The layer that every source has."""

LOW = "low"
"""The same pictures, smaller and fewer, for viewers whose path carries no more."""

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
    """What a running source delivers: MAIN, and in ``smaller`` the layers beside it."""

    width: int
    height: int
    fps_min: float
    fps_max: float
    profile_level_id: str
    can_force_keyframe: bool
    bitrate_range_bps: tuple[int, int] | None
    encoder: str
    codec: str = "h264"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """What to show and how to encode it.

    ``width`` and ``height`` are both given or both None (a film's own size, 1280x720 otherwise);
    ``fps`` is the pattern's frame rate and the cap of a film's. ``label`` is drawn into the
    pattern. ``bitrate_bps`` is where the encoder starts, ``max_bitrate_bps`` its ceiling.
    """

    kind: Literal["pattern", "film"] = "pattern"
    path: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float = 30.0
    bitrate_bps: int = 1_500_000
    max_bitrate_bps: int = 4_000_000
    label: str = "mqcam"


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
    """A source of encoded video. It starts paused: nothing is captured or encoded before `resume`.

    Calls come from one thread, the sink is called on the source's own. Each layer is encoded only
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

    def stop(self, timeout_s: float) -> bool:
        """End the source; False if it did not end in time and its process must be replaced."""
        ...
