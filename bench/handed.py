"""What the sender and the way to the decoded picture take: on one host, and over a lossy line.

It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.shown import p50, p99
from bench.site import KINDS, LONG_RUNS, Setup, site

if TYPE_CHECKING:
    from bench.site import Kind, Site
    from bench.stage import Stage

NEAR_S, FAR_S = 15.0, 60.0
SETTLE_MS = 1500.0
P50_MS, P99_MS = 3.0, 10.0
FAR_P50_MS, FAR_P99_MS = 25.0, 90.0
ROUND_TRIP_MS, LOSS = 40.0, 0.02
FREEZE_MS, LONG_FREEZE_MS = 150.0, 200.0
FREEZES, LONG_FREEZES = 1.0, 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What one time of watching was like."""

    p50_ms: float
    p99_ms: float
    freezes: float
    long_freezes: float
    broken: float


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Watch on the camera's host, then over a long and lossy line, ours and stock by turns."""
    near = await _watch(Setup(is_noted=True), NEAR_S, runs, is_near=True)
    figures = _waits("on one host", near, P50_MS, P99_MS)
    far_setup = Setup(is_noted=True, round_trip_ms=ROUND_TRIP_MS, loss=LOSS)
    far = await _watch(far_setup, FAR_S, min(runs, LONG_RUNS), is_near=False)
    name = f"RTT {ROUND_TRIP_MS:g} ms, {LOSS:.0%} loss each way"
    figures += _waits(name, far, FAR_P50_MS, FAR_P99_MS)
    rows = {
        f"  freezes > {FREEZE_MS:g} ms in {FAR_S:g} s": ("freezes", FREEZES),
        f"  freezes > {LONG_FREEZE_MS:g} ms in {FAR_S:g} s": ("long_freezes", LONG_FREEZES),
        "  broken pictures shown": ("broken", 0.0),
    }
    return figures + [
        Figure(
            name=row,
            unit="",
            ours=_values(far["ours"], what),
            stock=_values(far["stock"], what),
            limit=limit,
        )
        for row, (what, limit) in rows.items()
    ]


def _waits(
    name: str, found: dict[Kind, list[Watching]], p50_limit_ms: float, p99_limit_ms: float
) -> list[Figure]:
    rows = {"p50": p50_limit_ms, "p99": p99_limit_ms}
    return [
        Figure(
            name=f"handed to the sender -> decoded, {name}, {row}",
            unit="ms",
            ours=_values(found["ours"], f"{row}_ms"),
            stock=_values(found["stock"], f"{row}_ms"),
            limit=limit,
        )
        for row, limit in rows.items()
    ]


def _values(found: list[Watching], what: str) -> tuple[float, ...]:
    return tuple(getattr(each, what) for each in found)


async def _watch(
    setup: Setup, seconds: float, runs: int, *, is_near: bool
) -> dict[Kind, list[Watching]]:
    found: dict[Kind, list[Watching]] = {kind: [] for kind in KINDS}
    async with site(setup) as made:
        host = made.star.camera if is_near else made.star.viewer
        for _ in range(runs):
            for kind in KINDS:
                found[kind].append(await _watch_once(made, kind, host, seconds))
    return found


async def _watch_once(made: Site, kind: Kind, host: str, seconds: float) -> Watching:
    async with made.observer(kind, host) as observer:
        await observer.watch(1)
        began_ms = time.monotonic() * 1000 + SETTLE_MS
        await asyncio.sleep(SETTLE_MS / 1000 + seconds)
        ended_ms = time.monotonic() * 1000
        watched = (await observer.watched())[0].between(began_ms, ended_ms)
    waits_ms = watched.waits_ms(made.handed(kind))
    return Watching(
        p50_ms=p50(waits_ms),
        p99_ms=p99(waits_ms),
        freezes=watched.freezes(FREEZE_MS, began_ms, ended_ms),
        long_freezes=watched.freezes(LONG_FREEZE_MS, began_ms, ended_ms),
        broken=watched.broken(),
    )
