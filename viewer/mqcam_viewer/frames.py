"""Decoded pictures on their way to whoever shows them, newest wins.

It must not know where pictures come from, nor what is done with them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

MAX_WAITING = 4
"""Pictures that may wait for a slow reader; older ones are dropped and counted."""


@dataclass(slots=True, kw_only=True)
class Frame:
    """One decoded picture.

    ``picture`` is PyAV's frame as the camera encoded it, and ``rotation`` how many degrees it is
    to be turned clockwise for it to stand upright: 0, 90, 180 or 270. ``upright(frame.picture,
    frame.rotation).to_ndarray(format="bgr24")`` gives OpenCV's array. Times are seconds of this
    process' monotonic clock; ``captured_at`` is None until the clocks of camera and viewer have
    been compared.
    """

    picture: av.VideoFrame
    rtp_timestamp: int
    decoded_at: float
    captured_at: float | None = None
    rotation: int = 0

    @property
    def width(self) -> int:
        """Return the width of the upright picture in pixels."""
        return self.picture.height if self.rotation % 180 else self.picture.width

    @property
    def height(self) -> int:
        """Return the height of the upright picture in pixels."""
        return self.picture.width if self.rotation % 180 else self.picture.height

    @property
    def latency_ms(self) -> float | None:
        """Return capture to decoded in milliseconds, None where clocks were not compared."""
        if self.captured_at is None:
            return None
        return (self.decoded_at - self.captured_at) * 1000


class FrameQueue:
    """Hold at most ``bound`` pictures for one reader; the oldest is dropped for a newer one."""

    def __init__(self, *, bound: int = MAX_WAITING) -> None:
        self._bound = bound
        self._frames: deque[Frame] = deque()
        self._changed = asyncio.Event()
        self._end: Exception | None = None
        self._ended = False
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Add a picture; never waits."""
        if self._ended:
            return
        if len(self._frames) >= self._bound:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame)
        self._changed.set()

    def end(self, error: Exception | None = None) -> None:
        """Say that no more pictures come; a reader that waits gets ``error`` or the plain end."""
        if not self._ended:
            self._ended = True
            self._end = error
            self._changed.set()

    async def get(self) -> Frame:
        """Return the next picture.

        Waits as long as the stream lasts: ``end`` is what bounds the wait. Raises the error of
        ``end``, or ``StopAsyncIteration`` after a plain end.
        """
        while not self._frames:
            if self._ended:
                raise self._end or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._frames.popleft()
