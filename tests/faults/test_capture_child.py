"""A capture child whose agent is gone."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from support.agent import SMALL, RunningAgent
from support.broker import ShippedBroker

END_TIMEOUT_S = 5.0


async def test_a_frozen_child_ends_with_its_killed_agent() -> None:
    """It cannot see the end of its socket; the kernel ends it."""
    with ShippedBroker() as broker, RunningAgent(broker, settings=SMALL) as camera:
        await camera.until(lambda status: status["source"] == "running")
        child = camera.capture_pid()
        os.kill(child, signal.SIGSTOP)
        camera.kill()
        async with asyncio.timeout(END_TIMEOUT_S):
            # Another process' end: there is no event to wait for.
            while is_running(child):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    """Tell whether a process is there and is more than a name in the table."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}
