"""What it costs that nobody else sees it: signatures, seals, judgements, and floods of forgeries.

It must not know how anything is measured: the modules named here do.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import TYPE_CHECKING

from bench import ROOT
from bench.figures import Figure
from bench.flood import OFFERS_PER_S, Flood, floods
from bench.meeting import meetings_ms
from bench.sealing import sealing_us

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.stage import Stage

SEALING_US = 500.0
MORE_MS = 2.0
START_MS = 50.0
FLOOD_PERCENT = 25.0
STARTS_PER_RUN = 3
START_TIMEOUT_S = 20.0
FLOODS = {"one": "one account", "many": "many names, by a broker that lies"}


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Measure trust and, where it can be left out, the same without it."""
    figures = [
        Figure(
            name="offer of 3.5 KB: sign, seal, open and verify",
            unit="us",
            ours=sealing_us(runs),
            limit=SEALING_US,
        ),
        *await _meetings(stage, runs),
        *await _starts(stage, runs),
    ]
    for names, described in FLOODS.items():
        figures += _flooded(described, await floods(stage, runs, names=names))
    return figures


async def _meetings(stage: Stage, runs: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="mqcam-bench-") as folder:
        trusted_ms, plain_ms = await meetings_ms(stage.pairs(), Path(folder), runs)
    base = statistics.median(plain_ms)
    return [
        Figure(name="offer -> answer, trusted", unit="ms", ours=tuple(trusted_ms)),
        Figure(name="  the same without trust", unit="ms", ours=tuple(plain_ms)),
        Figure(
            name="  more with trust",
            unit="ms",
            ours=tuple(each - base for each in trusted_ms),
            limit=MORE_MS,
        ),
    ]


async def _starts(stage: Stage, runs: int) -> list[Figure]:
    """Start so often; the first one may have to compile, so it is not counted."""
    (device, _), _ = stage.pairs()
    with tempfile.TemporaryDirectory(prefix="mqcam-bench-") as folder:
        samples = [await _start(device, Path(folder)) for _ in range(runs * STARTS_PER_RUN + 1)][1:]
    loading, making = zip(*samples, strict=True)
    return [
        Figure(
            name="start of the agent: more with trust",
            unit="ms",
            ours=tuple(map(sum, samples)),
            limit=START_MS,
        ),
        Figure(name="  of it loading", unit="ms", ours=loading),
        Figure(name="  of it keys, files, the first status", unit="ms", ours=making),
    ]


async def _start(device: Path, folder: Path) -> tuple[float, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.trust_start", str(device), str(folder)),
        stdout=PIPE,
        cwd=ROOT,
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        said, _ = await process.communicate()
    loading, making = map(float, said.split())
    return loading, making


def _flooded(described: str, found: Sequence[Flood]) -> list[Figure]:
    def line(
        name: str, unit: str, value: Callable[[Flood], float], limit: float | None = None
    ) -> Figure:
        return Figure(name=name, unit=unit, ours=tuple(map(value, found)), limit=limit)

    return [
        line(
            f"{OFFERS_PER_S} forged offers/s, {described}: the agent's CPU",
            "%",
            lambda flood: flood.more_percent,
            FLOOD_PERCENT,
        ),
        line("  the agent's CPU before", "%", lambda flood: flood.rest_percent),
        line("  offers that came, per second", "", lambda flood: flood.sent_per_s),
        line("  freezes at the viewer", "", lambda flood: flood.freezes, 0.0),
        line("  pictures missing at the viewer", "", lambda flood: flood.missing, 0.0),
    ]
