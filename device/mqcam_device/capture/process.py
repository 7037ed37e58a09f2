"""Run the capture child and keep it running: spawn, watch, replace.

It must not know sources, encoders or viewers: it carries units one way and wishes the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam_device.media import MAIN, AccessUnit, SourceState, StreamInfo

if TYPE_CHECKING:
    from mqcam_device.media import SourceSettings

OnUnit = Callable[[AccessUnit], None]
OnState = Callable[[SourceState, StreamInfo | None, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureTimings:
    """Every deadline of the supervision, in seconds."""

    hello_s: float = 10.0
    stop_s: float = 2.0
    stall_s: float = 1.0
    stall_frames: float = 10.0
    healthy_s: float = 30.0
    source_retry_s: float = 10.0
    respawn_s: tuple[float, ...] = (0.2, 1.0, 2.0, 5.0, 10.0, 60.0)


class CaptureProcess:
    """The agent's end of the capture child. All calls and callbacks happen in the event loop."""

    def __init__(
        self,
        settings: SourceSettings,
        *,
        on_unit: OnUnit,
        on_state: OnState,
        timings: CaptureTimings = CaptureTimings(),
    ) -> None: ...

    @property
    def pid(self) -> int | None:
        """The running child's process id."""
        raise NotImplementedError

    async def run(self) -> None:
        """Keep a child running until `stop` or cancellation."""
        raise NotImplementedError

    def set_active(self, layer: str, active: bool) -> None:
        """Encode a layer or rest it; the first unit of an activated layer is a keyframe."""
        raise NotImplementedError

    def request_keyframe(self, layer: str = MAIN) -> None:
        """Ask for a keyframe now."""
        raise NotImplementedError

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> None:
        """Aim for a bit rate; remembered for the next child."""
        raise NotImplementedError

    def set_framerate(self, fps: float, layer: str = MAIN) -> None:
        """Cap the frame rate; remembered for the next child."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End the child and `run`, within ``stop_s`` and a little."""
        raise NotImplementedError
