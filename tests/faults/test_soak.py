"""Hundreds of viewers come and go while things are killed: the agent stays as large as it was."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.agent import SMALL, RunningAgent
from support.broker import ShippedBroker
from support.sizes import descriptors, resident_kib, threads
from support.watching import next_frame, viewer

if TYPE_CHECKING:
    from mqcam_viewer import Client

pytestmark = pytest.mark.alone

JOINS = 300
AT_ONCE = 4
WARM_UP = 300
KILLED_VIEWERS = 6
KILLED_CHILDREN = 3
SEED = 20
GROWTH_LIMIT_KIB = 6 * 1024
DESCRIPTOR_SLACK = 3
IDLE_TIMEOUT_S = 20.0


async def idle(camera: RunningAgent) -> None:
    """Wait until nobody watches and the capture child runs."""
    async with asyncio.timeout(IDLE_TIMEOUT_S):
        while (status := camera.ask("status"))["viewers"] or status["source"] != "running":  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def join(client: Client, camera: RunningAgent, chance: random.Random) -> None:
    """Watch a few pictures and leave."""
    async with client.watch(camera.name) as stream:
        for _ in range(chance.randrange(1, 6)):
            await next_frame(stream)


def kill_a_viewer(broker: ShippedBroker, camera: RunningAgent, chance: random.Random) -> None:
    """Start a viewer as a program and kill it at any moment of its life."""
    credentials = str(broker.credentials("viewer", "doomed"))
    command = [sys.executable, "-m", "mqcam_viewer.cli", "probe", camera.name, "--loopback"]
    with subprocess.Popen(
        [*command, "--credentials", credentials],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        time.sleep(chance.uniform(0.4, 1.5))
        process.send_signal(signal.SIGKILL)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_hundreds_of_sessions_leave_nothing_behind_in_the_agent() -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same course of events each time
    with ShippedBroker() as broker, RunningAgent(broker, settings=SMALL) as camera:
        broker.credentials("viewer", "doomed")
        async with viewer(broker) as client:
            for _ in range(WARM_UP // AT_ONCE):
                await asyncio.gather(*(join(client, camera, chance) for _ in range(AT_ONCE)))
            await idle(camera)
            memory, files, running = (
                resident_kib(camera.pid),
                descriptors(camera.pid),
                threads(camera.pid),
            )
            rounds = JOINS // AT_ONCE
            killing = set(chance.sample(range(rounds), KILLED_VIEWERS + KILLED_CHILDREN))
            children = set(chance.sample(sorted(killing), KILLED_CHILDREN))
            for number in range(rounds):
                if number in children:
                    await idle(camera)  # a child that is being replaced cannot be killed
                    camera.kill_capture()
                elif number in killing:
                    await asyncio.to_thread(kill_a_viewer, broker, camera, chance)
                await asyncio.gather(*(join(client, camera, chance) for _ in range(AT_ONCE)))
            await idle(camera)
        status = camera.ask("status")
        grown_kib = resident_kib(camera.pid) - memory
        print(f"{JOINS} joins: {grown_kib} KiB more")  # noqa: T201

        assert status["layers"] == {}
        assert grown_kib < GROWTH_LIMIT_KIB
        assert descriptors(camera.pid) <= files + DESCRIPTOR_SLACK
        assert threads(camera.pid) == running
        assert "Traceback" not in camera.log
        assert "never retrieved" not in camera.log
        assert "was destroyed" not in camera.log
