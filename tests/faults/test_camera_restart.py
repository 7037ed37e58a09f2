"""A camera breaks while somebody watches: the session goes on, and the camera says what it does."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from mqcam_device.capture.timings import CaptureTimings
from support.agent import SMALL, RunningAgent
from support.broker import ShippedBroker
from support.faulty_child import Faults
from support.watching import Recorder, viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from mqcam_viewer import Client, Stream
    from mqcam_viewer.units import ReceivedUnit

pytestmark = pytest.mark.alone

KILLED_S = 1.5
RECOVERED_S = 4.0
"""What the project promises: so soon after a kill, and after a stall, comes the next IDR."""

DEADLINE_S = 15.0
HEALTHY_S = CaptureTimings().healthy_s + 0.5


class Watcher:
    """One viewer: when each picture came, and all that the camera said meanwhile."""

    def __init__(self, client: Client, stream: Stream, camera: RunningAgent) -> None:
        self.client = client
        self.stream = stream
        self.camera = camera
        self.unit_at = 0.0
        self.keyframe_at = 0.0
        self.said: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def take(self, received: ReceivedUnit) -> None:
        self.unit_at = time.monotonic()
        if received.unit.keyframe:
            self.keyframe_at = self.unit_at
        self._changed.set()

    def hear(self) -> None:
        status = self.client.known().get(self.camera.name)
        if status is not None:
            said = (status.capture.state, status.capture.text)
            if not self.said or self.said[-1] != said:
                self.said.append(said)
                self._changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def keyframe(self, since: float) -> float:
        """Wait for a keyframe that came after a moment; returns how long after."""
        await self.until(lambda: self.keyframe_at > since)
        return self.keyframe_at - since

    async def healthy(self) -> None:
        """Let pictures come until a fault is the first again."""
        begun_at = self.unit_at
        await self.until(lambda: self.unit_at > begun_at + HEALTHY_S)

    async def session(self) -> str:
        return (await self.stream.report()).session


@asynccontextmanager
async def watching(folder: Path) -> AsyncIterator[tuple[Watcher, RunningAgent, Faults]]:
    """Watch a camera whose source breaks when told to."""
    faults = Faults(folder)
    with (
        ShippedBroker() as broker,
        RunningAgent(broker, settings=SMALL, child=faults.program) as camera,
    ):
        async with viewer(broker) as client, client.watch(camera.name) as stream:
            recorder = Recorder(stream)
            watcher = Watcher(client, stream, camera)
            async with client.follow(watcher.hear):
                with stream.units(watcher.take):
                    await watcher.until(lambda: watcher.keyframe_at > 0)
                    yield watcher, camera, faults
            await recorder.stop()


async def test_a_stalled_camera_is_told_and_comes_back_in_the_same_session(
    tmp_path: Path,
) -> None:
    async with watching(tmp_path) as (watcher, _, faults):
        session = await watcher.session()
        faults.cause("stall")
        await watcher.until(lambda: watcher.said[-1][0] == "stalled")
        assert await watcher.keyframe(watcher.unit_at) < RECOVERED_S
        await watcher.until(lambda: watcher.said[-1] == ("running", ""))
        assert await watcher.session() == session
        assert watcher.stream.reconnects == 0
    assert watcher.said[-2:] == [
        ("stalled", "camera restarting: no picture for 1 s"),
        ("running", ""),
    ]


async def test_a_killed_child_is_told_and_comes_back_in_the_same_session(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watcher, camera, _):
        session = await watcher.session()
        camera.kill_capture()
        assert await watcher.keyframe(time.monotonic()) < KILLED_S
        await watcher.until(lambda: watcher.said[-1] == ("running", ""))
        assert await watcher.session() == session
        assert watcher.stream.reconnects == 0
        assert camera.ask("status")["restarts"] == 1
    why = "camera restarting: the capture child was killed by signal 9"
    assert watcher.said[-2:] == [("stalled", why), ("running", "")]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_child_that_is_killed_twenty_times_is_back_each_time(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watcher, camera, _):
        session = await watcher.session()
        away_s = []
        for _ in range(20):
            await watcher.healthy()
            camera.kill_capture()
            away_s.append(await watcher.keyframe(time.monotonic()))
        assert await watcher.session() == session
        assert watcher.stream.reconnects == 0
    assert max(away_s) < KILLED_S, sorted(away_s)
