"""How old a picture is when it is decoded, by the clock that the pattern draws into it.

Both cameras draw the same marker and both viewers are read in the same way, so one ruler measures
both: the monotonic clock of this machine. It must not know how figures are shown.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from mqcam_device.sources.marker import read_marker
from mqcam_viewer import Client
from support.watching import LOOPBACK, drawn_ms, next_frame

from bench.figures import Figure
from bench.stage import CAMERA
from bench.stock_viewer import StockViewer

if TYPE_CHECKING:
    from pathlib import Path

    from bench.stage import Stage

FRAMES = 150
SKIPPED_FRAMES = 30
TWENTIETHS = 20


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Watch for five seconds, ours and stock in turn, nobody else looking."""
    ours: list[list[float]] = []
    stock: list[list[float]] = []
    with stage.agent() as agent:
        async with stage.stock_camera() as camera:
            for _ in range(runs):
                ours.append(await _watch_ours(stage.credentials))
                await agent.until(lambda status: not status["layers"])
                async with camera.playing():
                    stock.append(await _watch_stock(camera.path))
    return [
        Figure(
            name="capture -> decoded, p50",
            unit="ms",
            ours=tuple(map(statistics.median, ours)),
            stock=tuple(map(statistics.median, stock)),
        ),
        Figure(
            name="capture -> decoded, p95",
            unit="ms",
            ours=tuple(map(_p95, ours)),
            stock=tuple(map(_p95, stock)),
        ),
    ]


async def _watch_ours(credentials: Path) -> list[float]:
    ages_ms = []
    async with Client(credentials, ice=LOOPBACK) as client, client.watch(CAMERA) as stream:
        for _ in range(FRAMES):
            frame = await next_frame(stream)
            ages_ms.append(frame.decoded_at * 1000 - drawn_ms(frame))
    return ages_ms[SKIPPED_FRAMES:]


async def _watch_stock(path: str) -> list[float]:
    ages_ms = []
    async with StockViewer(path) as viewer:
        for _ in range(FRAMES):
            picture = await viewer.frame()
            decoded_ms = time.monotonic() * 1000
            marker = read_marker(picture)
            if marker is None:
                raise RuntimeError("a picture of the stock camera is broken")
            ages_ms.append(decoded_ms - marker.drawn_ms)
    return ages_ms[SKIPPED_FRAMES:]


def _p95(ages_ms: list[float]) -> float:
    return statistics.quantiles(ages_ms, n=TWENTIETHS, method="inclusive")[-1]
