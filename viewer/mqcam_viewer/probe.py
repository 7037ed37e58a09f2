"""Watch a camera for a while and report what was measured.

It must not know arguments or exit codes: the command line does.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mqcam_viewer.client import Client
    from mqcam_viewer.frames import Frame
    from mqcam_viewer.statistics import Report

PROGRESS_INTERVAL_S = 1.0


class Probe:
    """Watch ``camera``, keep the last picture, tell the progress each second."""

    def __init__(self, camera: str, *, on_progress: Callable[[Report], None] | None = None) -> None:
        self.camera = camera
        self.last: Frame | None = None
        self.report: Report | None = None
        self._on_progress = on_progress

    async def run(self, client: Client, *, seconds: float | None) -> Report:
        """Watch for ``seconds`` after the connection, for ever if None; return the report.

        Raises SessionError, StreamEnded. The report so far is in ``report`` also when the wait
        is cancelled.
        """
        async with client.watch(self.camera) as stream:
            progress = asyncio.create_task(self._tell_progress(stream.report), name="progress")
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        async for frame in stream:
                            self.last = frame
            finally:
                progress.cancel()
                await asyncio.gather(progress, return_exceptions=True)
                self.report = await stream.report()
        return self.report

    async def _tell_progress(self, report: Callable[[], Awaitable[Report]]) -> None:
        while self._on_progress is not None:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            self._on_progress(await report())
