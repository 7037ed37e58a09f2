"""A recorder between a stream that never waits and a disk that may be slow."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from mqcam.depacketiser import VideoUnit
from mqcam.errors import RecordingFailed, StreamEnded
from mqcam_viewer.recorder import MAX_UNITS, Recorder
from mqcam_viewer.units import ReceivedUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mqcam_viewer.recording import Recording
    from mqcam_viewer.stream import Stream

DEADLINE_S = 5.0


class FakeStream:
    """Hands on what the test says."""

    camera = "garden"
    reconnects = 0
    units_dropped = 0

    def __init__(self) -> None:
        self.listener: Callable[[ReceivedUnit], None] | None = None
        self.is_heard = asyncio.Event()
        self.end: asyncio.Future[StreamEnded] = asyncio.get_running_loop().create_future()

    @contextmanager
    def units(self, listener: Callable[[ReceivedUnit], None], **_wishes: Any) -> Iterator[None]:
        self.listener = listener
        self.is_heard.set()
        yield
        self.listener = None

    async def ended(self) -> StreamEnded:
        return await self.end

    def give(self, *, keyframe: bool) -> None:
        assert self.listener is not None
        unit = VideoUnit(
            data=b"x" * 10, rtp_timestamp=0, ticks=0, keyframe=keyframe, arrived_at=0.0
        )
        self.listener(ReceivedUnit(unit=unit, session=1))


class FakeRecording:
    """Counts what it is given; waits for the test, or fails."""

    files = gaps = gap_ticks = deleted = bytes_written = 0
    seconds = 0.0

    def __init__(self) -> None:
        self.paths: deque[Path] = deque()
        self.added: list[bool] = []
        self.is_closed = False
        self.failure: Exception | None = None
        self.may_write = threading.Event()
        self.may_write.set()

    @property
    def frames(self) -> int:
        return len(self.added)

    def add(self, received: ReceivedUnit) -> None:
        assert self.may_write.wait(DEADLINE_S)
        if self.failure is not None:
            raise self.failure
        self.added.append(received.unit.keyframe)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


class Scene:
    """A recorder that runs, and what surrounds it."""

    def __init__(self) -> None:
        self.stream, self.recording = FakeStream(), FakeRecording()
        self.recorder = Recorder(cast("Stream", self.stream), cast("Recording", self.recording))
        self.running = asyncio.create_task(self.recorder.run())

    async def until_heard(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.stream.is_heard.wait()


async def test_everything_from_the_first_keyframe_on_is_recorded() -> None:
    scene = Scene()
    await scene.until_heard()
    for number in range(10):
        scene.stream.give(keyframe=number % 4 == 3)
    scene.recorder.stop()
    summary = await scene.running

    assert scene.recording.added == [True, False, False, False, True, False, False]
    assert summary.frames == summary.frames_received == 7
    assert scene.recording.is_closed


async def test_a_disk_that_is_too_slow_costs_pictures_up_to_a_keyframe() -> None:
    """They are counted; what waits stays bounded."""
    scene = Scene()
    await scene.until_heard()
    scene.recording.may_write.clear()
    for number in range(2 * MAX_UNITS + 100):
        scene.stream.give(keyframe=number == 0)
    scene.stream.give(keyframe=True)
    scene.recording.may_write.set()
    scene.recorder.stop()
    summary = await scene.running

    assert summary.frames_received == 2 * MAX_UNITS + 101
    assert summary.frames + summary.frames_dropped == summary.frames_received
    assert summary.frames_dropped > MAX_UNITS
    assert scene.recording.added[-1]


async def test_a_recording_that_fails_ends_the_recorder_with_its_reason() -> None:
    scene = Scene()
    scene.recording.failure = RecordingFailed("a.mp4", "cannot be written: the disk is full")
    await scene.until_heard()
    scene.stream.give(keyframe=True)

    with pytest.raises(RecordingFailed, match="disk is full"):
        await scene.running


async def test_a_stream_that_ends_leaves_a_finished_file() -> None:
    scene = Scene()
    await scene.until_heard()
    scene.stream.give(keyframe=True)
    scene.stream.end.set_result(StreamEnded("unauthorized", "you may not look"))

    with pytest.raises(StreamEnded, match="may not look"):
        await scene.running
    assert scene.recording.is_closed
    assert scene.recording.added == [True]


async def test_a_cancelled_recorder_finishes_the_file() -> None:
    scene = Scene()
    await scene.until_heard()
    scene.stream.give(keyframe=True)
    scene.running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await scene.running
    assert scene.recording.is_closed
    assert scene.recording.added == [True]
