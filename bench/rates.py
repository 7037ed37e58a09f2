"""What viewers see when the line is narrower than the picture: their own, or the camera's uplink.

It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.shown import INF
from bench.site import KINDS, LONG_RUNS, Setup, site

if TYPE_CHECKING:
    from bench.site import Kind, Site
    from bench.stage import Stage

ROUND_TRIP_MS = 40.0

WIDE_BPS, NARROW_BPS, QUEUE_MS = 3_000_000, 800_000, 1000
BEFORE_S, NARROW_S, AFTER_S = 10.0, 10.0, 15.0
GRACE_S = 2.0
LONGEST_QUEUE_MS = 300.0
BACK_BPS, BACK_S = 2_200_000, 9.0
RATE_WINDOW_MS = 1000.0
DRAINED_MS = 300.0
"""The longest queue has left by then."""
SAMPLE_S = 0.05

VIEWERS, UPLINK_BPS, UPLINK_QUEUE_MS = 4, 4_000_000, 500
SHARED_S = 25.0
FREEZE_MS, FREEZES = 500.0, 0.0
UNFAIR_PERCENT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Squeeze:
    """The longest queue from 2 s after the line became narrow, and the time back to full rate."""

    queue_ms: float
    back_s: float
    frozen_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Freezes of all viewers, and how much less the least one got than the one who got most."""

    freezes: float
    unfair_percent: float
    total_mbps: float


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Squeeze one viewer's line, then let four share an uplink, ours and stock by turns."""
    squeezes: dict[Kind, list[Squeeze]] = {kind: [] for kind in KINDS}
    sharings: dict[Kind, list[Sharing]] = {kind: [] for kind in KINDS}
    async with site(Setup(round_trip_ms=ROUND_TRIP_MS)) as made:
        for _ in range(min(runs, LONG_RUNS)):
            for kind in KINDS:
                squeezes[kind].append(await _squeeze(made, kind))
            for kind in KINDS:
                sharings[kind].append(await _share(made, kind))
    name = f"{WIDE_BPS / 1e6:g} -> {NARROW_BPS / 1e6:g} -> {WIDE_BPS / 1e6:g} Mbit/s"
    shared = f"{VIEWERS} viewers on {UPLINK_BPS / 1e6:g} Mbit/s"
    return [
        _row(
            f"{name}: longest queue from {GRACE_S:g} s on",
            "ms",
            squeezes,
            "queue_ms",
            LONGEST_QUEUE_MS,
        ),
        _row(f"  {BACK_BPS / 1e6:g} Mbit/s again after", "s", squeezes, "back_s", BACK_S),
        _row("  time without a picture, gaps > 150 ms", "s", squeezes, "frozen_s", None),
        _row(f"{shared}: freezes > {FREEZE_MS:g} ms", "", sharings, "freezes", FREEZES),
        _row(
            "  the least gets less than the most", "%", sharings, "unfair_percent", UNFAIR_PERCENT
        ),
        _row("  received by all", "Mbit/s", sharings, "total_mbps", None),
    ]


def _row(
    name: str,
    unit: str,
    found: dict[Kind, list[Squeeze]] | dict[Kind, list[Sharing]],
    what: str,
    limit: float | None,
) -> Figure:
    return Figure(
        name=name,
        unit=unit,
        ours=tuple(getattr(each, what) for each in found["ours"]),
        stock=tuple(getattr(each, what) for each in found["stock"]),
        limit=limit,
    )


async def _squeeze(made: Site, kind: Kind) -> Squeeze:
    made.star.narrow_uplink(WIDE_BPS, QUEUE_MS)
    async with made.observer(kind) as observer:
        await observer.watch(1)
        await asyncio.sleep(BEFORE_S)
        made.star.narrow_uplink(NARROW_BPS, QUEUE_MS)
        narrowed_ms = time.monotonic() * 1000
        await asyncio.sleep(GRACE_S)
        queue_ms = await _longest_queue_ms(made, NARROW_S - GRACE_S)
        made.star.narrow_uplink(WIDE_BPS, QUEUE_MS)
        widened_ms = time.monotonic() * 1000
        await asyncio.sleep(AFTER_S)
        ended_ms = time.monotonic() * 1000
        (watched,) = await observer.watched()
    made.star.narrow_uplink(0, 0)
    after = watched.between(widened_ms + DRAINED_MS, INF)  # what waited says nothing
    back_ms = after.reaches_bps(BACK_BPS, window_ms=RATE_WINDOW_MS)
    gaps_ms = watched.gaps_ms(narrowed_ms, ended_ms)
    return Squeeze(
        queue_ms=queue_ms,
        back_s=AFTER_S if back_ms is None else (back_ms - widened_ms) / 1000,
        frozen_s=sum(gap for gap in gaps_ms if gap > 150.0) / 1000,  # noqa: PLR2004 - a freeze
    )


async def _longest_queue_ms(made: Site, seconds: float) -> float:
    """Look at the queue in front of the narrow place for a while."""
    longest_ms = 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        longest_ms = max(longest_ms, made.star.queue_ms())
        await asyncio.sleep(SAMPLE_S)
    return longest_ms


async def _share(made: Site, kind: Kind) -> Sharing:
    made.star.narrow_uplink(UPLINK_BPS, UPLINK_QUEUE_MS)
    async with made.observer(kind) as observer:
        await observer.watch(VIEWERS)
        began_ms = time.monotonic() * 1000
        await asyncio.sleep(SHARED_S)
        ended_ms = time.monotonic() * 1000
        seen = await observer.watched()
    made.star.narrow_uplink(0, 0)
    halfway_ms = (began_ms + ended_ms) / 2
    rates = [each.between(halfway_ms, ended_ms).bitrate_bps() for each in seen]
    return Sharing(
        freezes=sum(each.freezes(FREEZE_MS, began_ms, ended_ms) for each in seen),
        unfair_percent=(max(rates) - min(rates)) / max(rates) * 100 if max(rates) else 100.0,
        total_mbps=sum(rates) / 1e6,
    )
