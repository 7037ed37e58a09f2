"""Encoded pictures in, decoded ones out, in a thread of its own.

It must not know packets, clocks of cameras, or who shows the pictures.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
import av.error
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.depacketiser import VideoUnit

logger = logging.getLogger(__name__)

MAX_UNITS: Final = 24
"""Pictures that may wait, 0.8 s at 30 a second. Past it all up to the next keyframe are dropped."""

MAX_BYTES: Final = 16_000_000
LATE_UNITS: Final = 12
"""A picture behind which so many wait already is late: it is decoded, others need it."""

SHOWN_EVERY_S: Final = 0.1
"""A machine that is always late shows a picture this often all the same."""

STOP_LIMIT_S: Final = 2.0
RTP_TIME_BASE: Final = Fraction(1, 90_000)


@dataclass(slots=True, kw_only=True)
class Decoded:
    """One decoded picture; ``ticks`` is its RTP timestamp beyond 32 bits, times are monotonic.

    ``rotation`` is how far to turn it clockwise, in degrees.
    """

    picture: av.VideoFrame
    rotation: int
    ticks: int
    arrived_at: float
    decoded_at: float


@dataclass(slots=True)
class DecoderCounts:
    """What happened to encoded pictures."""

    decoded: int = 0
    late: int = 0
    """Decoded and not handed on, because newer ones waited."""
    dropped: int = 0
    """Not decoded: there were too many, or one that they need was missing."""
    failed: int = 0

    @property
    def not_shown(self) -> int:
        """Return how many whole pictures came to nothing here."""
        return self.late + self.dropped + self.failed


class Decoder:
    """Decode units in order; ``on_picture`` and ``on_keyframe_wanted`` are called in the loop.

    After an error, and after an overflow, nothing is decoded before the next keyframe: a broken
    picture is never shown.
    """

    def __init__(
        self,
        *,
        on_picture: Callable[[Decoded], None],
        on_keyframe_wanted: Callable[[], None],
    ) -> None:
        self.counts = DecoderCounts()
        self._on_picture = on_picture
        self._on_keyframe_wanted = on_keyframe_wanted
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        # All below belong to the lock of that condition.
        self._units: deque[VideoUnit] = deque()
        self._bytes = 0
        self._needs_keyframe = True
        self._is_stopping = False
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._shown_at = float("-inf")

    @property
    def needs_keyframe(self) -> bool:
        """Tell whether units are dropped until the next keyframe."""
        return self._needs_keyframe

    def start(self) -> None:
        """Begin to decode."""
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()

    def put(self, unit: VideoUnit) -> None:
        """Queue a unit; never waits."""
        with self._changed:
            if self._needs_keyframe and not unit.keyframe:
                self.counts.dropped += 1
                return
            if len(self._units) >= MAX_UNITS or self._bytes + len(unit.data) > MAX_BYTES:
                self._drop_to_keyframe(unit)
                if self._needs_keyframe:
                    self._on_keyframe_wanted()
                    return
            self._needs_keyframe = False
            self._units.append(unit)
            self._bytes += len(unit.data)
            self._changed.notify()

    async def stop(self) -> None:
        """End decoding; takes as long as one picture, may be repeated."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._ended.wait()
            thread.join()  # it has said that it is at its end

    def _drop_to_keyframe(self, unit: VideoUnit) -> None:
        """Drop what waits up to the newest keyframe; all of it, and ``unit``, if there is none."""
        waiting = [*self._units, unit]
        begin = next((at for at in range(len(waiting) - 1, 0, -1) if waiting[at].keyframe), None)
        self.counts.dropped += len(waiting) if begin is None else begin
        # The last one is not among those that wait: whoever called adds it.
        kept = [] if begin is None else waiting[begin:-1]
        self._units = deque(kept)
        self._bytes = sum(len(each.data) for each in kept)
        self._needs_keyframe = begin is None

    # in the thread

    def _run(self) -> None:
        try:
            context = _open()
            while (unit := self._next()) is not None:
                self._decode(context, unit)
        except Exception:
            logger.exception("the decoder failed")
        finally:
            self._tell(self._ended.set)

    def _next(self) -> VideoUnit | None:
        """Wait for a unit, however long; None at the end."""
        with self._changed:
            while not (self._units or self._is_stopping):
                self._changed.wait()
            if self._is_stopping:
                return None
            unit = self._units.popleft()
            self._bytes -= len(unit.data)
            return unit

    def _decode(self, context: VideoCodecContext, unit: VideoUnit) -> None:
        packet = av.Packet(unit.data)
        packet.pts, packet.time_base = unit.ticks, RTP_TIME_BASE
        try:
            pictures = context.decode(packet)
        except av.error.FFmpegError as error:
            logger.debug("a picture cannot be decoded: %s", error)
            self._fail(context)
            return
        if any(picture.is_corrupt for picture in pictures):
            self._fail(context)
            return
        decoded_at = time.monotonic()
        self.counts.decoded += len(pictures)
        for picture in pictures:
            if self._is_late(decoded_at):
                self.counts.late += 1
                continue
            self._shown_at = decoded_at
            self._tell(
                self._on_picture,
                Decoded(
                    picture=picture,
                    rotation=unit.rotation,
                    ticks=unit.ticks if picture.pts is None else picture.pts,
                    arrived_at=unit.arrived_at,
                    decoded_at=decoded_at,
                ),
            )

    def _is_late(self, now: float) -> bool:
        return len(self._units) >= LATE_UNITS and now - self._shown_at < SHOWN_EVERY_S

    def _fail(self, context: VideoCodecContext) -> None:
        """Begin again at the next keyframe."""
        context.flush_buffers()
        with self._changed:
            self.counts.failed += 1
            while self._units and not self._units[0].keyframe:
                self._bytes -= len(self._units.popleft().data)
                self.counts.dropped += 1
            self._needs_keyframe = not self._units
        if self._needs_keyframe:
            self._tell(self._on_keyframe_wanted)

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call back in the loop, unless that is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)


def _open() -> VideoCodecContext:
    """Make a decoder that holds no picture back and starts no threads of its own."""
    context = av.CodecContext.create("h264", "r")
    if not isinstance(context, VideoCodecContext):
        raise TypeError("FFmpeg's H.264 decoder decodes no video")
    context.thread_count = 1
    context.flags |= Flags.low_delay
    return context
