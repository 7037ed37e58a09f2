"""A viewer watches a camera through a real broker: what the product is for."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SessionError
from support.agent import SMALL, RunningAgent
from support.watching import EVERY, drawn_ms, gaps, next_frame, number_of, numbers, viewer

if TYPE_CHECKING:
    from support.broker import ShippedBroker

pytestmark = pytest.mark.alone


async def test_every_picture_arrives_once_and_in_order(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    async with viewer(broker) as client, client.watch(camera.name, max_waiting=EVERY) as stream:
        frames = await numbers(stream, 90)

    assert gaps(frames) == []


async def test_latency_is_measured_on_the_capture_clock(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    """What is computed from reports agrees with the clock that is drawn into the picture."""
    async with viewer(broker) as client, client.watch(camera.name) as stream:
        frames = [await next_frame(stream) for _ in range(60)]

    known = [frame for frame in frames if frame.captured_at is not None]
    assert len(known) >= 30
    errors_ms = sorted(
        abs(frame.captured_at * 1000 - drawn_ms(frame)) for frame in known if frame.captured_at
    )
    assert errors_ms[len(errors_ms) // 2] < 5


async def test_neither_agent_nor_capture_child_loads_numpy_while_a_picture_is_watched(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    """It is installed here, and would be mapped: picamera2's own may not be disturbed (issue 6)."""
    async with viewer(broker) as client, client.watch(camera.name) as stream:
        await numbers(stream, 3)
        maps = [mapped_by(pid) for pid in (camera.pid, camera.capture_pid())]

    assert importlib.util.find_spec("numpy") is not None
    assert ["/av/" in each for each in maps] == [True, True]  # what is loaded does show
    assert ["numpy" in each for each in maps] == [False, False]


def mapped_by(pid: int) -> str:
    """Return what files a process has loaded."""
    return Path(f"/proc/{pid}/maps").read_text()


async def test_eight_viewers_share_one_encoder(broker: ShippedBroker, camera: RunningAgent) -> None:
    """All see the same pictures, made once, by one child."""
    child = camera.capture_pid()
    async with viewer(broker) as client:
        streams = [client.watch(camera.name, max_waiting=EVERY) for _ in range(8)]
        await asyncio.gather(*(stream.__aenter__() for stream in streams))
        try:
            seen = await asyncio.gather(*(numbers(stream, 30) for stream in streams))
            status = camera.ask("status")
        finally:
            await asyncio.gather(*(stream.close() for stream in streams))

    assert status["viewers"] == 8
    assert status["layers"] == {"main": 8}
    assert status["capture_pid"] == child
    assert all(gaps(frames) == [] for frames in seen)
    assert len(set.intersection(*map(set, seen))) > 0


async def test_the_next_viewer_after_the_last_seat_is_told_busy(broker: ShippedBroker) -> None:
    settings = SMALL + "max_viewers: 1\n"
    with RunningAgent(broker, name="small", settings=settings) as camera:
        async with viewer(broker) as client, client.watch(camera.name) as stream:
            await next_frame(stream)
            async with viewer(broker, "other") as second:
                with pytest.raises(SessionError) as refusal:
                    await second.watch(camera.name).__aenter__()
            assert number_of(await next_frame(stream)) > 0

    assert refusal.value.code == "busy"


async def test_a_goodbye_arrives_before_the_media_ends(broker: ShippedBroker) -> None:
    """The camera learns it from the viewer, and refuses nothing that comes too late."""
    with RunningAgent(broker, name="polite", settings=SMALL) as camera:
        async with viewer(broker) as client:
            for _ in range(5):
                async with client.watch(camera.name) as stream:
                    await next_frame(stream)
        await camera.until(lambda status: not status["viewers"])
        camera.stop()  # what was refused is logged now at the latest
        log = camera.log

    assert log.count("code=closed") == 5
    assert "messages refused" not in log


async def test_an_unknown_camera_is_said(broker: ShippedBroker, camera: RunningAgent) -> None:
    async with viewer(broker) as client:
        with pytest.raises(SessionError) as refusal:
            await client.watch(f"{camera.name}s").__aenter__()

    assert refusal.value.code == "unknown-camera"
    assert f"did you mean {camera.name}?" in refusal.value.text


async def test_a_camera_that_was_switched_off_is_offline(broker: ShippedBroker) -> None:
    with RunningAgent(broker, name="away", settings=SMALL):
        pass
    async with viewer(broker) as client:
        with pytest.raises(SessionError) as refusal:
            await client.watch("away").__aenter__()

    assert refusal.value.code == "offline"


async def test_nobody_looks_and_nothing_is_encoded(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    async with viewer(broker) as client, client.watch(camera.name) as stream:
        last = (await numbers(stream, 10))[-1]
    await camera.until(lambda status: not status["layers"])
    # Not a wait for something: a second in which a pattern that went on would draw 30 pictures.
    await asyncio.sleep(1.0)
    async with viewer(broker) as client, client.watch(camera.name) as stream:
        first = (await numbers(stream, 1))[0]

    assert first < last + 20
