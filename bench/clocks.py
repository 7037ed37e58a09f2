"""Whether the latency that a viewer computes is true: against the clock drawn into the picture.

It must not know how figures are shown. Stock computes none.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.shown import INF, p95
from bench.site import Setup, site

if TYPE_CHECKING:
    from bench.site import Site
    from bench.stage import Stage

ROUND_TRIP_MS = 40.0
SETTLE_S, WINDOW_S = 2.0, 8.0
ERROR_MS = 5.0


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Watch on the camera's host, then over a long line."""
    near_ms, far_ms = [], []
    async with site(Setup(round_trip_ms=ROUND_TRIP_MS)) as made:
        for _ in range(runs):
            near_ms.append(await _error_ms(made, made.star.camera))
            far_ms.append(await _error_ms(made, made.star.viewer))
    rows = {"same host": near_ms, f"RTT {ROUND_TRIP_MS:g} ms": far_ms}
    return [
        Figure(
            name=f"computed latency against the drawn clock, {where}, p95",
            unit="ms",
            ours=tuple(errors_ms),
            limit=ERROR_MS,
        )
        for where, errors_ms in rows.items()
    ]


async def _error_ms(made: Site, host: str) -> float:
    """Return what 95 of 100 errors stay below; raises RuntimeError if none could be computed."""
    async with made.observer("ours", host) as observer:
        await observer.watch(1)
        began_ms = (time.monotonic() + SETTLE_S) * 1000
        await asyncio.sleep(SETTLE_S + WINDOW_S)
        (watched,) = await observer.watched()
    errors_ms = watched.between(began_ms, INF).errors_ms()
    if not errors_ms:
        raise RuntimeError("the viewer computed no latency")
    return p95(errors_ms)
