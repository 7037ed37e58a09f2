"""A camera as a trial uses it, whoever opened it, and one trial of it in real time.

It must not know what is measured, nor where the camera comes from.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Protocol

from mqcam_device.selftest.load import Load, read_load
from mqcam_device.selftest.trial import Trial, WishKeyframe

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_device.media import AccessUnit, StreamInfo
    from mqcam_device.selftest.figures import Figures

TICK_S: Final = 0.005


class Camera(Protocol):
    """A camera that runs, for as long as a trial takes."""

    @property
    def watchers(self) -> int:
        """How many viewers look at it."""
        ...

    @property
    def bitrate_bps(self) -> int:
        """What its main encoder is to aim for when nobody tries it."""
        ...

    @property
    def pids(self) -> tuple[int | None, int | None]:
        """The processes of the agent, if one runs, and of the capture child."""
        ...

    def begin(self, take: Callable[[AccessUnit, float], None]) -> None:
        """Have the main layer encoded; hand its units over in the event loop, and when they came.

        That is a moment of time.monotonic's clock.
        """
        ...

    def request_keyframe(self) -> None:
        """Ask the main layer for a keyframe."""
        ...

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Have the main layer aim for a bit rate."""
        ...

    def end(self) -> None:
        """Let it be as it was before `begin`."""
        ...


async def try_out(
    camera: Camera, stream: StreamInfo, *, seconds: float, wished_at: float | None = None
) -> Figures:
    """Try a camera for about ``seconds`` and leave it as it was.

    ``wished_at`` is when it was asked for, if that was earlier than now, on time.monotonic's clock.
    """

    def load(now: float) -> Load:
        return read_load(*camera.pids, now)

    now = time.monotonic()
    trial = Trial(
        stream,
        seconds=seconds,
        bitrate_bps=camera.bitrate_bps,
        watchers=camera.watchers,
        wished_at=now if wished_at is None else wished_at,
        now=now,
        load=load,
    )
    camera.begin(trial.take)
    try:
        while not trial.is_over:
            wish = trial.tick(time.monotonic(), watchers=camera.watchers)
            if isinstance(wish, WishKeyframe):
                camera.request_keyframe()
            elif wish is not None:
                camera.set_bitrate(wish.bitrate_bps)
            await asyncio.sleep(TICK_S)
    finally:
        camera.end()
    return trial.figures()
