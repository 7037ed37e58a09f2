"""What a further viewer costs: encoders, and processor time of the agent and its capture child.

Seen from outside: processes and their time from the kernel, layers from the agent's ``status``.
It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import processes
from bench.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.agent import RunningAgent

    from bench.stage import Stage, StockCameraProcess

VIEWERS = (1, 4, 8)
SETTLE_S = 0.5
WINDOW_S = 3.0
ENCODERS = 1.0
CAPTURE = "mqcam_device.capture"
"""Names the capture child in its command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Processor time of sending to viewers, and of drawing and encoding, in seconds."""

    sending: float
    encoding: float


class Costs:
    """Milliseconds of processor time in each second, by the number of viewers."""

    def __init__(self) -> None:
        self.sending: defaultdict[int, list[float]] = defaultdict(list)
        self.encoding: defaultdict[int, list[float]] = defaultdict(list)

    def add(self, viewers: int, spent: Times) -> None:
        """Note what was spent in a second."""
        self.sending[viewers].append(spent.sending * 1000)
        self.encoding[viewers].append(spent.encoding * 1000)


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Let 1, 4 and 8 watch, ours and stock in turn."""
    ours, stock = Costs(), Costs()
    encoders: list[float] = []
    with stage.agent() as agent:
        async with stage.stock_camera() as camera:
            for _ in range(runs):
                encoders.append(await _watch_ours(stage, agent, ours))
                await _watch_stock(stage, camera, stock)
    most = VIEWERS[-1]
    return [
        Figure(
            name=f"encoder instances with {most} viewers",
            unit="",
            ours=tuple(encoders),
            limit=ENCODERS,
        ),
        Figure(
            name=f"CPU of drawing and encoding, {most} viewers to 1",
            unit="x",
            ours=_quotients(ours.encoding[most], ours.encoding[1]),
            stock=_quotients(stock.encoding[most], stock.encoding[1]),
        ),
        *(
            Figure(
                name=f"CPU of sending per viewer, {count} watching",
                unit="ms/s",
                ours=tuple(cost / count for cost in ours.sending[count]),
                stock=tuple(cost / count for cost in stock.sending[count]),
            )
            for count in VIEWERS
        ),
        Figure(
            name=f"CPU of sending, each further viewer up to {most}",
            unit="ms/s",
            ours=_slopes(ours.sending),
            stock=_slopes(stock.sending),
        ),
    ]


async def _watch_ours(stage: Stage, agent: RunningAgent, costs: Costs) -> float:
    """Return how many encoders there are when most watch."""
    child = agent.capture_pid()

    def clocks() -> Times:
        return Times(sending=processes.cpu_s(agent.pid), encoding=processes.cpu_s(child))

    async with stage.audience() as audience:
        for count in VIEWERS:
            await audience.grow(count)
            costs.add(count, await _spent(clocks))
        if agent.ask("status")["viewers"] != VIEWERS[-1]:
            raise RuntimeError("not everybody in the audience is being served")
        encoders = count_encoders(agent)
    await agent.until(lambda status: not status["layers"])
    return encoders


async def _watch_stock(stage: Stage, camera: StockCameraProcess, costs: Costs) -> None:
    async with camera.playing(), stage.audience(camera) as audience:
        await audience.grow(VIEWERS[0])
        thread = await camera.encoder_thread()

        def clocks() -> Times:
            encoding = processes.thread_cpu_s(camera.pid, thread)
            return Times(sending=processes.cpu_s(camera.pid) - encoding, encoding=encoding)

        for count in VIEWERS:
            await audience.grow(count)
            costs.add(count, await _spent(clocks))


def count_encoders(agent: RunningAgent) -> int:
    """Return the encoders that work: one per active layer, at least one per capture child."""
    children = processes.children(agent.pid, running=CAPTURE)
    return max(len(children), len(agent.ask("status")["layers"]))


async def _spent(clocks: Callable[[], Times]) -> Times:
    """Return the processor time that is spent in each second, in seconds."""
    await asyncio.sleep(SETTLE_S)
    began_at, before = time.monotonic(), clocks()
    await asyncio.sleep(WINDOW_S)
    elapsed_s, after = time.monotonic() - began_at, clocks()
    return Times(
        sending=(after.sending - before.sending) / elapsed_s,
        encoding=(after.encoding - before.encoding) / elapsed_s,
    )


def _slopes(costs: dict[int, list[float]]) -> tuple[float, ...]:
    """Return what a viewer adds, whatever is spent without any."""
    few, most = VIEWERS[0], VIEWERS[-1]
    pairs = zip(costs[most], costs[few], strict=True)
    return tuple((many - one) / (most - few) for many, one in pairs)


def _quotients(many: list[float], one: list[float]) -> tuple[float, ...]:
    return tuple(a / b for a, b in zip(many, one, strict=True))
