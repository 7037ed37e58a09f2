"""What a flood of forged offers costs a camera, and whether the one who watches notices.

A real agent with one viewer; the forger is a process of its own. It must not know how figures are
shown.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam_viewer import Client
from support.watching import EVERY, LOOPBACK, Recorder, gaps

from bench import processes
from bench.programs import READY, expect, program, tell
from bench.stage import CAMERA

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from mqcam_viewer import Stream
    from support.agent import RunningAgent

    from bench.stage import Stage

OFFERS_PER_S = 1000
SECONDS = 5.0
REST_S = 4.0
REPORT_S = 1.5
"""The agent tells once a second what it refused."""
SURE = 0.95
"""So much of the flood must have reached the agent, or the sample says nothing."""
PICTURES = 10

_REFUSED = re.compile(r"messages refused.*?\bcount=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """One flood: the agent's processor time in per cent of a core, and what the viewer saw."""

    rest_percent: float
    flooded_percent: float
    sent: int
    sent_per_s: float
    missing: int
    freezes: int

    @property
    def more_percent(self) -> float:
        """Return what the flood costs beyond the viewer."""
        return self.flooded_percent - self.rest_percent


async def floods(stage: Stage, runs: int, *, names: str) -> list[Flood]:
    """Flood a fresh agent so often; ``names`` is ``one`` or ``many``.

    Where others keep the machine so busy that a flood does not arrive, it is begun anew; raises
    RuntimeError when that was so as often as not.
    """
    account = stage.forger()
    found: list[Flood] = []
    for _ in range(2 * runs):
        with stage.agent() as agent:
            async with (
                Client(stage.credentials, ice=LOOPBACK) as client,
                client.watch(CAMERA, max_waiting=EVERY) as stream,
            ):
                flood = await _flood(agent, stream, account, names)
            arrived = sum(map(int, _REFUSED.findall(agent.log)))
        if arrived >= flood.sent * SURE:
            found.append(flood)
        if len(found) == runs:
            return found
    raise RuntimeError(f"the machine is too busy: of {flood.sent} forged offers {arrived} arrived")


async def _flood(agent: RunningAgent, stream: Stream, account: Path, names: str) -> Flood:
    count = int(OFFERS_PER_S * SECONDS)
    arguments = (str(account), CAMERA, str(count), str(OFFERS_PER_S), names)
    recorder = Recorder(stream)
    try:
        async with program("bench.forger", *arguments) as forger:
            await expect(forger, READY)
            await recorder.more(PICTURES)
            rest = await _cpu_percent(agent.pid, asyncio.sleep(REST_S))
            first, freezes = len(recorder.numbers), stream.statistics.freezes
            tell(forger, "flood")
            began_at = time.monotonic()
            flooded = await _cpu_percent(agent.pid, expect(forger, str(count)))
            taken_s = time.monotonic() - began_at
            await recorder.more(PICTURES)
            seen = recorder.numbers[first:]
            await asyncio.sleep(REPORT_S)
    finally:
        await recorder.stop()
    return Flood(
        rest_percent=rest,
        flooded_percent=flooded,
        sent=count,
        sent_per_s=count / taken_s,
        missing=sum(other - one - 1 for one, other in gaps(seen)),
        freezes=stream.statistics.freezes - freezes,
    )


async def _cpu_percent(pid: int, meanwhile: Awaitable[None]) -> float:
    """Return how much of a core a process has while something lasts."""
    began_at, cpu_s = time.monotonic(), processes.cpu_s(pid)
    await meanwhile
    return (processes.cpu_s(pid) - cpu_s) / (time.monotonic() - began_at) * 100
