"""What a viewer sees of three seconds in which nothing passes.

It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.shown import INF
from bench.site import KINDS, Setup, site

if TYPE_CHECKING:
    from bench.site import Kind, Site
    from bench.stage import Stage

ROUND_TRIP_MS = 40.0
BEFORE_S, BLACK_S, AFTER_S = 3.0, 3.0, 5.0
YOUNG_MS = 250.0
"""An older picture is one of the time before."""
CLEAN_S = 0.4
BROKEN = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From when on all pictures were whole and young again, counted from the line's return."""

    clean_s: float
    broken: float


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Cut the line and give it back, ours and stock by turns."""
    found: dict[Kind, list[Outage]] = {kind: [] for kind in KINDS}
    async with site(Setup(round_trip_ms=ROUND_TRIP_MS)) as made:
        for _ in range(runs):
            for kind in KINDS:
                found[kind].append(await _cut(made, kind))
    name = f"{BLACK_S:g} s black link, 2.5 Mbit/s, RTT {ROUND_TRIP_MS:g} ms"
    return [
        Figure(
            name=f"{name}: clean pictures after its return",
            unit="s",
            ours=tuple(each.clean_s for each in found["ours"]),
            stock=tuple(each.clean_s for each in found["stock"]),
            limit=CLEAN_S,
        ),
        Figure(
            name="  broken pictures shown",
            unit="",
            ours=tuple(each.broken for each in found["ours"]),
            stock=tuple(each.broken for each in found["stock"]),
            limit=BROKEN,
        ),
    ]


async def _cut(made: Site, kind: Kind) -> Outage:
    async with made.observer(kind) as observer:
        await observer.watch(1)
        await asyncio.sleep(BEFORE_S)
        made.star.black(True)
        await asyncio.sleep(BLACK_S)
        made.star.black(False)
        back_ms = time.monotonic() * 1000
        await asyncio.sleep(AFTER_S)
        (watched,) = await observer.watched()
    after = watched.between(back_ms, INF)
    clean_ms = after.settled_ms(oldest_ms=YOUNG_MS)
    return Outage(
        clean_s=AFTER_S if clean_ms is None else (clean_ms - back_ms) / 1000,
        broken=watched.broken(),
    )
