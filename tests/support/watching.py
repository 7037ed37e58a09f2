"""Watch the test pattern and keep what each picture says of itself.

It must not know how pictures came here: it reads the marker that the pattern draws.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

from mqcam.ice import IceSettings
from mqcam_device.sources.marker import Marker, read_marker
from mqcam_viewer import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_viewer import Frame, Stream
    from support.broker import ShippedBroker

LOOPBACK = IceSettings(loopback=True)
FRAME_TIMEOUT_S = 10.0
EVERY = 10_000
"""So many pictures may wait where a test counts them: a busy machine must not drop any here."""


def viewer(broker: ShippedBroker, name: str = "laptop") -> Client:
    """Return a viewer at a broker of the tests, to be entered."""
    return Client(broker.credentials("viewer", name), ice=LOOPBACK)


async def next_frame(stream: Stream) -> Frame:
    """Return the next picture; fails when none comes in time."""
    async with asyncio.timeout(FRAME_TIMEOUT_S):
        return await anext(stream)


async def numbers(stream: Stream, count: int) -> list[int]:
    """Return the numbers that the next ``count`` pictures show."""
    return [number_of(await next_frame(stream)) for _ in range(count)]


def number_of(frame: Frame) -> int:
    """Return the number that the pattern drew into a picture; fails on a broken picture."""
    return _marker(frame).frame


def drawn_ms(frame: Frame) -> int:
    """Return when the pattern drew a picture, in milliseconds of the monotonic clock."""
    return _marker(frame).drawn_ms


def _marker(frame: Frame) -> Marker:
    marker = read_marker(frame.picture)
    assert marker is not None, "the picture is broken: its marker cannot be read"
    return marker


def gaps(frames: list[int]) -> list[tuple[int, int]]:
    """Return the neighbours between which pictures are missing."""
    return [(one, other) for one, other in pairwise(frames) if other != one + 1]


class Recorder:
    """Read a stream in the background and keep the number of each picture."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.numbers: list[int] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(), name="recorder")

    async def until(self, condition: Callable[[list[int]], bool], timeout_s: float) -> None:
        """Wait until the numbers so far fulfil a condition; fails after ``timeout_s``."""
        async with asyncio.timeout(timeout_s):
            while not condition(self.numbers):
                self._changed.clear()
                await self._changed.wait()

    async def more(self, count: int, timeout_s: float = FRAME_TIMEOUT_S) -> None:
        """Wait for so many further pictures."""
        target = len(self.numbers) + count
        await self.until(lambda seen: len(seen) >= target, timeout_s)

    async def stop(self) -> None:
        """Stop reading; fails if reading had failed."""
        self._task.cancel()
        done = await asyncio.gather(self._task, return_exceptions=True)
        for result in done:
            if isinstance(result, Exception):
                raise result

    async def _read(self) -> None:
        async for frame in self.stream:
            self.numbers.append(number_of(frame))
            self._changed.set()
