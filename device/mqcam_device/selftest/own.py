"""A camera that no agent has: the command opens it itself, in a capture child as the agent would.

It must not know what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from mqcam.errors import MediaError

from mqcam_device.capture.process import CaptureProcess
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.media import MAIN, SourceState
from mqcam_device.selftest.camera import try_out
from mqcam_device.selftest.figures import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_device.media import AccessUnit, SourceSettings, StreamInfo

OPEN_S: Final = CaptureTimings().hello_s + 2.0
"""A child that does not start in its time is told of, and the reason must still be heard."""

EARLY: Final = 8
"""The first units come together with the word that the camera runs; more than these are let go."""


async def try_own(source: SourceSettings, *, seconds: float) -> Account:
    """Open the camera, try it, close it; raises MediaError when it cannot be opened."""
    camera = _Own(source)
    wished_at = time.monotonic()
    try:
        stream = await camera.open()
        figures = await try_out(camera, stream, seconds=seconds, wished_at=wished_at)
    finally:
        await camera.close()
    return Account(
        kind=source.kind, camera=source.camera, watchers=0, stream=stream, figures=figures
    )


class _Own:
    """A capture child of our own."""

    watchers = 0

    def __init__(self, source: SourceSettings) -> None:
        self.bitrate_bps = source.bitrate_bps
        self._take: Callable[[AccessUnit, float], None] | None = None
        self._early: list[tuple[AccessUnit, float]] = []
        self._capture = CaptureProcess(source, on_unit=self._deliver, on_state=self._note)
        self._opened: asyncio.Future[StreamInfo] = asyncio.get_running_loop().create_future()
        self._running: asyncio.Task[None] | None = None

    @property
    def pids(self) -> tuple[int | None, int | None]:
        return None, self._capture.pid

    async def open(self) -> StreamInfo:
        """Start the child, encoding at once; raises MediaError."""
        self._capture.set_active(MAIN, active=True)
        self._running = asyncio.create_task(self._capture.run(), name="capture")
        try:
            return await asyncio.wait_for(self._opened, OPEN_S)
        except TimeoutError as error:
            text = f"the camera did not start within {OPEN_S:g} s"
            raise MediaError(text) from error

    async def close(self) -> None:
        """End the child."""
        await self._capture.stop()
        if self._running is not None:
            await asyncio.wait({self._running})
        if self._opened.done():
            with contextlib.suppress(MediaError, asyncio.CancelledError):
                self._opened.result()

    def begin(self, take: Callable[[AccessUnit, float], None]) -> None:
        self._take = take
        for unit, arrived_at in self._early:
            take(unit, arrived_at)
        self._early.clear()

    def request_keyframe(self) -> None:
        self._capture.request_keyframe(MAIN)

    def set_bitrate(self, bitrate_bps: int) -> None:
        self._capture.set_bitrate(bitrate_bps, MAIN)

    def end(self) -> None:
        self._take = None
        self._capture.set_active(MAIN, active=False)

    def _deliver(self, unit: AccessUnit) -> None:
        now = time.monotonic()
        if self._take is not None:
            self._take(unit, now)
        elif len(self._early) < EARLY:
            self._early.append((unit, now))

    def _note(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        if self._opened.done():
            return
        if state is SourceState.RUNNING and info is not None:
            self._opened.set_result(info)
        elif state is SourceState.FAILED:
            self._opened.set_exception(MediaError(text))
