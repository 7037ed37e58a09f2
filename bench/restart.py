"""How long a viewer is without a picture when the capture child dies, freezes or its camera stalls.

It must not know how figures are shown.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam_viewer import Client
from support.watching import LOOPBACK, drawn_ms, next_frame

from bench.figures import Figure
from bench.stage import CAMERA

if TYPE_CHECKING:
    from mqcam_viewer import Stream
    from support.agent import RunningAgent

    from bench.stage import Stage

BEFORE_FRAMES = 60
"""Two seconds: the agent takes a child's death after that for a new fault."""

KILLED_MS, STALLED_MS = 1500.0, 4000.0
GAP_MS = 100.0
"""A picture drawn that long after the blow is one of the time after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to the capture child, and within what a picture must come again."""

    name: str
    number: signal.Signals
    limit_ms: float


FAULTS = (
    Fault(name="capture child killed", number=signal.SIGKILL, limit_ms=KILLED_MS),
    Fault(name="capture child frozen", number=signal.SIGSTOP, limit_ms=STALLED_MS),
    Fault(name="camera stalls", number=signal.SIGUSR1, limit_ms=STALLED_MS),
)


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Let one viewer watch, and do each in turn to a camera that has recovered."""
    found: dict[str, list[float]] = {fault.name: [] for fault in FAULTS}
    lost = 0
    for _ in range(runs):
        for fault in FAULTS:
            took_ms, is_lost = await _strike(stage, fault)
            found[fault.name].append(took_ms)
            lost += is_lost
    figures = [
        Figure(
            name=f"{fault.name} -> next picture at the viewer",
            unit="ms",
            ours=tuple(found[fault.name]),
            limit=fault.limit_ms,
        )
        for fault in FAULTS
    ]
    return [*figures, Figure(name="  sessions lost", unit="", ours=(float(lost),), limit=0.0)]


async def _strike(stage: Stage, fault: Fault) -> tuple[float, bool]:
    """Return how long it took, and whether the viewer needed another session."""
    with stage.agent(can_stall=True) as agent:
        async with (
            Client(stage.credentials, ice=LOOPBACK) as client,
            client.watch(CAMERA) as stream,
        ):
            for _ in range(BEFORE_FRAMES):
                await next_frame(stream)
            struck_ms = _hurt(agent, fault)
            took_ms = await _recovery_ms(stream, struck_ms)
            return took_ms, stream.reconnects > 0


def _hurt(agent: RunningAgent, fault: Fault) -> float:
    """Strike, and return when, in milliseconds of the monotonic clock."""
    child = agent.capture_pid()
    struck_ms = time.monotonic() * 1000
    os.kill(child, fault.number)
    return struck_ms


async def _recovery_ms(stream: Stream, struck_ms: float) -> float:
    """Wait for the first picture that was drawn after the gap, and return when it was decoded."""
    while True:
        frame = await next_frame(stream)
        if drawn_ms(frame) > struck_ms + GAP_MS:
            return frame.decoded_at * 1000 - struck_ms
