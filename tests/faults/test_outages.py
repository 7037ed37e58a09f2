"""What breaks while somebody watches: the broker, the capture child, the agent."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from support.agent import SMALL, RunningAgent
from support.broker import ShippedBroker
from support.watching import EVERY, Recorder, gaps, next_frame, numbers, viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.alone

BROKER_DOWN_S = 10.0


@pytest.fixture
def broker() -> Iterator[ShippedBroker]:
    """Run a broker that the test may stop."""
    with ShippedBroker() as running:
        yield running


@pytest.fixture
def camera(broker: ShippedBroker) -> Iterator[RunningAgent]:
    """Run a camera whose parts the test may kill."""
    with RunningAgent(broker, settings=SMALL) as running:
        yield running


async def test_a_running_video_outlives_its_broker(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    """Not one picture is lost in ten seconds without broker, and new viewers come soon after."""
    broker.credentials("viewer", "late")
    async with viewer(broker) as client, client.watch(camera.name, max_waiting=EVERY) as stream:
        recorder = Recorder(stream)
        await recorder.more(30)
        broker.stop()
        await recorder.more(int(BROKER_DOWN_S * 30), timeout_s=BROKER_DOWN_S * 2)
        broker.start()
        returned_at = time.monotonic()
        async with viewer(broker, "late") as late, late.watch(camera.name) as second:
            await next_frame(second)
            joined_s = time.monotonic() - returned_at
        await recorder.more(30)
        await recorder.stop()
        report = await stream.report()

    assert gaps(recorder.numbers) == []
    assert report.reconnects == 0
    assert joined_s <= 2.0


async def test_a_killed_capture_child_costs_pictures_but_not_the_session(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    async with viewer(broker) as client, client.watch(camera.name, max_waiting=EVERY) as stream:
        before = await numbers(stream, 30)
        child = camera.capture_pid()
        camera.kill_capture()
        # A new child numbers its pictures anew: every one is readable, the first is an IDR.
        after = [(await numbers(stream, 1))[0]]
        while after[-1] >= before[-1]:
            after += await numbers(stream, 1)
        after += await numbers(stream, 30)
        report = await stream.report()

    assert camera.capture_pid() != child
    assert report.reconnects == 0
    assert gaps(after[-30:]) == []


async def test_a_viewer_finds_a_restarted_agent_again(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    async with viewer(broker) as client, client.watch(camera.name) as stream:
        await numbers(stream, 10)
        camera.kill()
        camera.start()
        recorder = Recorder(stream)
        await recorder.until(lambda seen: len(seen) >= 30 and seen[-1] < 300, timeout_s=30)
        await recorder.stop()
        async with asyncio.timeout(5):
            while stream.reconnects == 0:
                await next_frame(stream)

    assert stream.reconnects >= 1


async def test_a_viewer_that_vanishes_is_forgotten(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    """Its seat is free and its encoder rests soon after its connection is closed."""
    async with viewer(broker) as client, client.watch(camera.name) as stream:
        await numbers(stream, 5)
        assert camera.ask("status")["viewers"] == 1
    await camera.until(lambda status: status["viewers"] == 0)

    assert camera.ask("status")["layers"] == {}
