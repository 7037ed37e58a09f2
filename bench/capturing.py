"""A capture child of its own, without agent and viewers: what reaches the hub is looked at here.

It must not know what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from mqcam_device.capture.process import CaptureProcess
from mqcam_device.media import MAIN

from bench import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mqcam_device.media import AccessUnit, SourceSettings

UNIT_S = 10.0
SLOWEST_FPS = 10.0
CHILD = ("-P", str(ROOT / "bench/wrapped_child.py"))


class Captured:
    """What came from a capture child, and when."""

    def __init__(self, settings: SourceSettings, *options: str) -> None:
        self.units: list[tuple[AccessUnit, int]] = []
        """Each with CLOCK_MONOTONIC in nanoseconds at its arrival where the hub would be."""
        self.process = CaptureProcess(
            settings,
            on_unit=self._take,
            on_state=lambda *_: None,
            program=(*CHILD, *options),
        )
        self._changed = asyncio.Event()

    async def until(self, is_so: Callable[[], bool], timeout_s: float = UNIT_S) -> None:
        """Wait until something holds, looked at after each unit; raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def more(self, count: int) -> list[tuple[AccessUnit, int]]:
        """Wait for so many further units, and return them."""
        before = len(self.units)
        enough = before + count
        await self.until(lambda: len(self.units) >= enough, UNIT_S + count / SLOWEST_FPS)
        return self.units[before:]

    def _take(self, unit: AccessUnit) -> None:
        self.units.append((unit, time.monotonic_ns()))
        self._changed.set()


@contextlib.asynccontextmanager
async def capturing(settings: SourceSettings, *options: str) -> AsyncIterator[Captured]:
    """Run a child that encodes its main layer; ``options`` are those of ``bench.wrapped_child``."""
    captured = Captured(settings, *options)
    task = asyncio.create_task(captured.process.run(), name="capture")
    captured.process.set_active(MAIN, True)
    try:
        await captured.more(1)
        yield captured
    finally:
        await captured.process.stop()
        await task
