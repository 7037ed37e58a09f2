"""Fifteen viewers and one whose line is too narrow: who notices.

It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.picture import SMALL
from bench.shown import p95
from bench.site import KINDS, LONG_RUNS, Setup, site

if TYPE_CHECKING:
    from bench.site import Kind, Site
    from bench.stage import Stage

OTHERS = 15
ROUND_TRIP_MS = 40.0
SLOW_BPS, SLOW_QUEUE_MS = 300_000, 1000
SETTLE_S, BEFORE_S, GRACE_S, AFTER_S = 6.0, 6.0, 5.0, 15.0
FREEZE_MS, FREEZES = 150.0, 0.0
CHANGE_PERCENT = 10.0
SLOW_FPS, SLOW_AGE_MS = 5.0, 1000.0
NEVER_MS = 60_000.0
"""What stands for the age of pictures that never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowding:
    """What the others noticed, and what the slow one saw."""

    freezes: float
    change_percent: float
    slow_fps: float
    slow_age_ms: float


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Let sixteen watch and one of them become slow, ours and stock by turns."""
    found: dict[Kind, list[Crowding]] = {kind: [] for kind in KINDS}
    async with site(Setup(picture=SMALL, viewers=2, round_trip_ms=ROUND_TRIP_MS)) as made:
        for _ in range(min(runs, LONG_RUNS)):
            for kind in KINDS:
                found[kind].append(await _crowd(made, kind))

    def values(kind: Kind, what: str) -> tuple[float, ...]:
        return tuple(getattr(each, what) for each in found[kind])

    name = f"{OTHERS + 1} viewers, one on {SLOW_BPS // 1000} kbit/s"
    rows = {
        f"{name}: freezes > {FREEZE_MS:g} ms of the others": ("freezes", "", FREEZES, None),
        "  bit rate of the others, change": ("change_percent", "%", CHANGE_PERCENT, None),
        "  pictures per second of the slow one": ("slow_fps", "", None, SLOW_FPS),
        "  capture -> decoded of the slow one, p95": ("slow_age_ms", "ms", SLOW_AGE_MS, None),
    }
    return [
        Figure(
            name=row,
            unit=unit,
            ours=values("ours", what),
            stock=values("stock", what),
            limit=limit,
            floor=floor,
        )
        for row, (what, unit, limit, floor) in rows.items()
    ]


async def _crowd(made: Site, kind: Kind) -> Crowding:
    async with made.observers(kind, made.star.viewers) as (quick, slow):
        await quick.watch(OTHERS)
        await slow.watch(1)
        await asyncio.sleep(SETTLE_S)
        settled_ms = time.monotonic() * 1000
        await asyncio.sleep(BEFORE_S)
        made.star.narrow_viewer(1, SLOW_BPS, SLOW_QUEUE_MS)
        narrowed_ms = time.monotonic() * 1000
        await asyncio.sleep(GRACE_S + AFTER_S)
        ended_ms = time.monotonic() * 1000
        others, (slow_one,) = await quick.watched(), await slow.watched()
    made.star.narrow_viewer(1, 0, 0)
    before = sum(each.between(settled_ms, narrowed_ms).bitrate_bps() for each in others)
    after = sum(each.between(narrowed_ms, ended_ms).bitrate_bps() for each in others)
    late = slow_one.between(narrowed_ms + GRACE_S * 1000, ended_ms)
    ages_ms = late.true_ages_ms()
    return Crowding(
        freezes=sum(each.freezes(FREEZE_MS, narrowed_ms, ended_ms) for each in others),
        change_percent=abs(after - before) / before * 100,
        slow_fps=len(late.shown) / AFTER_S,
        slow_age_ms=p95(ages_ms) if ages_ms else NEVER_MS,
    )
