"""What it costs that pictures come from another process: from the child's sink to the hub.

It must not know how figures are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.capturing import capturing
from bench.figures import Figure, quantile
from bench.picture import ENCODED
from bench.wrapped_child import STAMP

if TYPE_CHECKING:
    from bench.stage import Stage

UNITS = 300
SKIPPED_UNITS = 10
ADDED_MS = 0.5
NINETY_NINE = 0.99


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Take 720p30 for ten seconds, each time from a new child."""
    medians_ms, slow_ms = [], []
    for _ in range(runs):
        async with capturing(ENCODED, STAMP) as captured:
            units = await captured.more(SKIPPED_UNITS + UNITS)
        waits_ms = tuple((at_ns - unit.captured_ns) / 1e6 for unit, at_ns in units[SKIPPED_UNITS:])
        medians_ms.append(quantile(waits_ms, 0.5))
        slow_ms.append(quantile(waits_ms, NINETY_NINE))
    name = "capture child's sink -> hub, 720p30 2 Mbit/s"
    return [
        Figure(name=f"{name}, p50", unit="ms", ours=tuple(medians_ms), limit=ADDED_MS),
        Figure(name=f"{name}, p99", unit="ms", ours=tuple(slow_ms)),
    ]
