"""How long a viewer waits for its first picture where the camera is far away, or packets get lost.

From the publish of the offer; the broker is on the camera's host, so that signaling travels the
same line. Stock's offer goes over a local socket, in no time. It must not know how figures are
shown.
"""

from __future__ import annotations

import asyncio
from secrets import SystemRandom
from typing import TYPE_CHECKING

from mqcam.errors import SessionError
from mqcam_viewer import Client
from support.namespaces import Host
from support.watching import next_frame

from bench.figures import Figure
from bench.joins import NINE_OF_TEN, join_stock
from bench.picture import GOP_S
from bench.site import CAMERA, KINDS, Setup, site

if TYPE_CHECKING:
    from pathlib import Path

    from bench.site import Kind, Site
    from bench.stage import Stage

FAR_MS = 50.0
FAR_ROUND_TRIPS = 4.5
LOSSY_MS, LOSS = 40.0, 0.02
LOSSY_LIMIT_MS = 400.0
JOINS: dict[Kind, int] = {"ours": 8, "stock": 4}
LOSSY_JOINS: dict[Kind, int] = {"ours": 20, "stock": 8}
NEVER_MS = 10_000.0
"""What a join that failed counts as."""

random = SystemRandom()


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Join over a long line, and over a lossy one, ours and stock by turns."""
    far = await _join_all(Setup(round_trip_ms=FAR_MS), JOINS, runs)
    lossy = await _join_all(Setup(round_trip_ms=LOSSY_MS, loss=LOSS), LOSSY_JOINS, runs)
    return [
        Figure(
            name=f"offer -> first frame, RTT {FAR_MS:g} ms",
            unit="RTT",
            ours=tuple(wait_ms / FAR_MS for wait_ms in far["ours"]),
            stock=tuple(wait_ms / FAR_MS for wait_ms in far["stock"]),
            limit=FAR_ROUND_TRIPS,
        ),
        Figure(
            name=f"offer -> first frame, RTT {LOSSY_MS:g} ms, {LOSS:.0%} loss each way, p90",
            unit="ms",
            ours=tuple(lossy["ours"]),
            stock=tuple(lossy["stock"]),
            share=NINE_OF_TEN,
            limit=LOSSY_LIMIT_MS,
        ),
    ]


async def _join_all(setup: Setup, joins: dict[Kind, int], runs: int) -> dict[Kind, list[float]]:
    found: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
    async with site(setup) as made:
        with Host(made.star.viewer) as host:
            await _join(made, host, "ours")  # the first one loads the program's parts
            for _ in range(runs):
                for kind in KINDS:
                    found[kind] += [await _join(made, host, kind) for _ in range(joins[kind])]
    return found


async def _join(made: Site, host: Host, kind: Kind) -> float:
    async with made.playing(kind):
        if kind == "ours":
            return await host.run(_join_ours(made.credentials))
        await asyncio.sleep(random.uniform(0, GOP_S))
        joined = await host.run(join_stock(made.stock.path))
    return joined.first_frame_ms


async def _join_ours(credentials: Path) -> float:
    try:
        async with Client(credentials) as client, client.watch(CAMERA) as stream:
            await next_frame(stream)
            report = await stream.report()
    except (SessionError, TimeoutError):
        return NEVER_MS
    return report.first_frame_ms or NEVER_MS
