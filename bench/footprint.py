"""What a camera takes: memory with one viewer, and the time from its start to being online.

It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from mqcam_viewer import Client
from support.watching import LOOPBACK, next_frame

from bench import processes
from bench.figures import Figure
from bench.stage import CAMERA

if TYPE_CHECKING:
    from bench.stage import Stage

WATCHED_S = 10.0
RSS_MB = 160.0
PSS_MB = 180.0
"""A Pi Zero 2 W has 512 MB (issue 6)."""


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Start a fresh agent and look after ten seconds with a viewer, the same for stock."""
    start_ms: list[float] = []
    agent_mb: list[float] = []
    child_mb: list[float] = []
    shared_mb: list[float] = []
    stock_mb: list[float] = []
    stock_shared_mb: list[float] = []
    for _ in range(runs):
        began_at = time.monotonic()
        with stage.agent() as agent:
            start_ms.append((time.monotonic() - began_at) * 1000)
            async with (
                Client(stage.credentials, ice=LOOPBACK) as client,
                client.watch(CAMERA) as stream,
            ):
                await next_frame(stream)
                await asyncio.sleep(WATCHED_S)
                child = agent.capture_pid()
                agent_mb.append(processes.rss_mb(agent.pid))
                child_mb.append(processes.rss_mb(child))
                shared_mb.append(sum(map(processes.pss_mb, (agent.pid, child))))
        async with (
            stage.stock_camera() as camera,
            camera.playing(),
            stage.audience(camera) as audience,
        ):
            await audience.grow(1)
            await asyncio.sleep(WATCHED_S)
            stock_mb.append(processes.rss_mb(camera.pid))
            stock_shared_mb.append(processes.pss_mb(camera.pid))
    both_mb = tuple(a + b for a, b in zip(agent_mb, child_mb, strict=True))
    return [
        Figure(
            name="agent and capture child, RSS, one viewer",
            unit="MB",
            ours=both_mb,
            stock=tuple(stock_mb),
            limit=RSS_MB,
        ),
        Figure(name="  of it the agent", unit="MB", ours=tuple(agent_mb)),
        Figure(name="  of it the capture child", unit="MB", ours=tuple(child_mb)),
        Figure(
            name="the same as PSS",
            unit="MB",
            ours=tuple(shared_mb),
            stock=tuple(stock_shared_mb),
            limit=PSS_MB,
        ),
        Figure(name="start of the agent -> online", unit="ms", ours=tuple(start_ms)),
    ]
