"""The real capture child, the hub and a real decoder: what a viewer sees while it is moved."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import av
from mqcam_device.capture.process import CaptureProcess
from mqcam_device.hub import Hub
from mqcam_device.media import LOW, MAIN, AccessUnit, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 15.0
HD = SourceSettings(width=1280, height=720, bitrate_bps=1_500_000, label="test")


class Screen:
    """An egress that decodes all that it gets."""

    def __init__(self) -> None:
        decoder = av.CodecContext.create("h264", "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.thread_count = 1
        self._decoder = decoder
        self._changed = asyncio.Event()
        self.units: list[AccessUnit] = []
        self.widths: list[int] = []

    def send(self, unit: AccessUnit) -> bool:
        (frame,) = self._decoder.decode(av.Packet(unit.data))
        assert not frame.is_corrupt
        self.units.append(unit)
        self.widths.append(frame.width)
        self._changed.set()
        return True

    async def until_more(self, units: int) -> None:
        count = len(self.units) + units
        await self.until(lambda: len(self.units) >= count)

    async def until_width(self, width: int) -> None:
        await self.until(lambda: self.widths[-1] == width)

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                self._changed.clear()
                await self._changed.wait()


async def test_a_viewer_that_is_moved_down_and_up_misses_no_picture() -> None:
    screen, faults = Screen(), list[Exception]()
    capture = CaptureProcess(
        HD,
        on_unit=lambda unit: hub.publish(unit),  # noqa: PLW0108 - made below
        on_state=lambda *_: None,
    )
    hub = Hub(
        request_keyframe=capture.request_keyframe,
        set_active=capture.set_active,
        clock=time.monotonic,
        call_later=asyncio.get_running_loop().call_later,
        on_fault=lambda _, error: faults.append(error),
    )
    running = asyncio.create_task(capture.run(), name="capture")
    try:
        hub.attach("viewer", screen)
        await screen.until_more(15)
        for layer, width in ((LOW, 640), (MAIN, 1280)):
            hub.move("viewer", layer)
            await screen.until_width(width)
            await screen.until_more(15)
        assert hub.describe() == {MAIN: 1}
    finally:
        hub.detach("viewer")
        await capture.stop()
        await running
    assert faults == []
    assert [width for width, after in pairwise(screen.widths) if width != after] == [1280, 640]
    assert sum(unit.keyframe for unit in screen.units) == 3
    gaps_ms = [(b.captured_ns - a.captured_ns) / 1e6 for a, b in pairwise(screen.units)]
    assert min(gaps_ms) >= 0
    assert max(gaps_ms) < 250
