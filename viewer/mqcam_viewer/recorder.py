"""Record a stream for as long as is wanted, beside whoever looks at it.

It must not know files: a recording writes them, in a thread, because a disk may be slow.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import RecordingFailed, StreamEnded

from mqcam_viewer.boxes import TIMESCALE
from mqcam_viewer.recording import Summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_viewer.recording import Recording
    from mqcam_viewer.stream import Stream
    from mqcam_viewer.units import ReceivedUnit

KEYFRAME_INTERVAL_S: Final = 3.0
"""When a keyframe is asked for, so that one comes at least every 4 s even if a request is lost
(docs/decisions/recording.md)."""

FLUSH_S: Final = 1.0
"""What has waited this long for its successor is written without it."""

MAX_UNITS: Final = 512
MAX_BYTES: Final = 32_000_000
"""What may wait for a slow disk; past it all is dropped up to the next keyframe."""

DISK_S: Final = 20.0
"""How long the disk may take for the rest when the recording is over."""

PROGRESS_S: Final = 1.0


class Recorder:
    """Hand a stream's encoded pictures to a recording, until told to stop.

    ``on_progress`` gets the summary so far each second.
    """

    def __init__(
        self,
        stream: Stream,
        recording: Recording,
        *,
        on_progress: Callable[[Summary], None] | None = None,
    ) -> None:
        self._stream = stream
        self._recording = recording
        self._on_progress = on_progress
        self._waiting: deque[ReceivedUnit] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._needs_keyframe = True
        self._stopped = asyncio.Event()
        self._lost_before = 0
        self.received = 0
        self.dropped = 0

    async def run(self, seconds: float | None = None) -> Summary:
        """Record for so long, for ever if None; a cancelled recording is complete, too.

        Raises RecordingFailed, and StreamEnded when no further try can help; the file is finished
        even then.
        """
        self._lost_before = self._stream.units_dropped
        writing = asyncio.create_task(self._write(), name="recording")
        others: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._stream.ended(), name="end of the stream")
        ]
        if self._on_progress is not None:
            others.append(asyncio.create_task(self._tell_progress(), name="progress"))
        stopped = asyncio.create_task(self._stopped.wait(), name="stop")
        others.append(stopped)
        try:
            with self._stream.units(self._take, keyframe_interval_s=KEYFRAME_INTERVAL_S):
                await asyncio.wait(
                    {writing, *others}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            for task in others:
                task.cancel()
            self._stopped.set()
            self._arrived.set()
            ends = await asyncio.gather(*others, return_exceptions=True)
            # A thread cannot be cancelled: what it holds is written, if the disk answers.
            await asyncio.wait({writing}, timeout=DISK_S)
        if not writing.done():
            raise RecordingFailed(self.summary().path, f"the disk did not answer for {DISK_S:g} s")
        writing.result()
        for end in ends:
            if isinstance(end, StreamEnded):
                raise end
        return self.summary()

    def stop(self) -> None:
        """Let ``run`` finish the file and return."""
        self._stopped.set()

    def summary(self) -> Summary:
        """Return what was recorded so far."""
        recording = self._recording
        paths = tuple(str(path) for path in recording.paths)
        return Summary(
            camera=self._stream.camera,
            path=paths[-1] if paths else "",
            files=recording.files,
            paths=paths,
            seconds=round(recording.seconds, 3),
            bytes=recording.bytes_written,
            frames=recording.frames,
            frames_received=self.received,
            frames_dropped=self.dropped,
            frames_lost=self._stream.units_dropped - self._lost_before,
            gaps=recording.gaps,
            gap_seconds=round(recording.gap_ticks / TIMESCALE, 3),
            reconnects=self._stream.reconnects,
            deleted=recording.deleted,
        )

    def _take(self, received: ReceivedUnit) -> None:
        """Queue a picture; never waits."""
        unit = received.unit
        if self.received == 0 and not unit.keyframe:
            return  # the recording begins with the next keyframe
        self.received += 1
        if unit.keyframe:
            self._needs_keyframe = False
        if self._needs_keyframe:
            self.dropped += 1
            return
        is_full = len(self._waiting) >= MAX_UNITS or self._waiting_bytes >= MAX_BYTES
        if is_full:
            self.dropped += 1 + len(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._needs_keyframe = True
            return
        self._waiting.append(received)
        self._waiting_bytes += len(unit.data)
        self._arrived.set()

    async def _write(self) -> None:
        """Hand on what came, in batches, until told to stop; raises RecordingFailed."""
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._arrived.wait()
            self._arrived.clear()
            batch = self._take_all()
            await asyncio.to_thread(self._add if batch else self._flush, batch)
        await asyncio.to_thread(self._close, self._take_all())

    def _take_all(self) -> list[ReceivedUnit]:
        batch = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return batch

    def _add(self, batch: list[ReceivedUnit]) -> None:
        for received in batch:
            self._recording.add(received)

    def _flush(self, _nothing: list[ReceivedUnit]) -> None:
        self._recording.flush()

    def _close(self, batch: list[ReceivedUnit]) -> None:
        self._add(batch)
        self._recording.close()

    async def _tell_progress(self) -> None:
        while self._on_progress is not None:
            await asyncio.sleep(PROGRESS_S)
            self._on_progress(self.summary())
