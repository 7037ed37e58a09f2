"""The seam between what makes pictures and what encodes them.

It must not know encoders, layers or viewers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mqcam_device.media import BT601, BT709

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.video.frame import VideoFrame

NS = 1_000_000_000

HD_LINES = 720
UNSPECIFIED = 2
"""The colour matrix of a picture that does not say it (ITU-T H.273, table 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawInfo:
    """The pictures that a raw source delivers: even size, frame rate range."""

    width: int
    height: int
    fps_min: float
    fps_max: float


class RawSource(Protocol):
    """A source of yuv420p pictures, used by one thread; time is CLOCK_MONOTONIC in ns."""

    def open(self) -> RawInfo:
        """Find out what there is; raises SourceError with a sentence for a person."""
        ...

    def begin(self, now_ns: int) -> None:
        """Restart the pace: the next picture is due now."""
        ...

    def due_ns(self, now_ns: int) -> int:
        """Return when the next picture is due; may raise SourceError."""
        ...

    def read(self, captured_ns: int) -> VideoFrame:
        """Return the picture that is due; it may be changed by the next call."""
        ...

    def set_framerate(self, fps: float) -> RawInfo:
        """Cap the frame rate from now on."""
        ...

    def close(self) -> None:
        """Give back what `open` took; idempotent."""
        ...


@runtime_checkable
class LiveRaw(RawSource, Protocol):
    """A raw source whose pictures come when they come, and are older than the moment of `read`."""

    captured_ns: int
    """When the picture was taken that `read` has returned."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call when a picture or a fault has come, from any thread; before `open`."""
        ...


def matrix_of(picture: VideoFrame) -> int:
    """Return the colour matrix that a picture says, or that its height suggests."""
    said = int(picture.colorspace)
    if said != UNSPECIFIED:
        return said
    return BT709 if picture.height >= HD_LINES else BT601
