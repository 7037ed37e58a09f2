"""How long a viewer waits: offer to answer, offer to first picture; both from its publish.

The measured viewer is a fresh ``mqcam_viewer.Client`` each time, in this process; the others are
in processes of their own. It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from secrets import SystemRandom
from typing import TYPE_CHECKING
from unittest import mock

from mqcam_device.sources.marker import read_marker
from mqcam_viewer import Client
from mqcam_viewer.session import Session
from support.watching import LOOPBACK, drawn_ms, next_frame

from bench.figures import Figure
from bench.picture import GOP_S
from bench.stage import CAMERA
from bench.stock_viewer import StockViewer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mqcam.ice import IceSettings
    from mqcam.protocol.messages import Answer
    from support.agent import RunningAgent

    from bench.stage import Stage, StockCameraProcess

JOINS_PER_RUN = 4
FIRST_FRAME_MS = 250.0
P50_MS, P90_MS = 60.0, 120.0
NINE_OF_TEN = 0.9
ANSWER_MS = 15.0
WARM_PHASE_S = 0.5

random = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """One viewer's waits in milliseconds; ``watch_ms`` counts from ``Client.watch``."""

    answer_ms: float
    first_frame_ms: float
    watch_ms: float = 0.0


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Let viewers join, ours and stock in turn, each camera at rest while the other is watched."""
    cold: list[Join] = []
    warm: list[Join] = []
    stock: list[Join] = []
    with stage.agent() as agent:
        async with stage.stock_camera() as camera:
            for _ in range(runs):
                cold += await _join_cold(stage, agent)
                warm += await _join_warm(stage, agent)
                stock += await _join_stock(camera)
    stock_ms = tuple(join.first_frame_ms for join in stock)
    both_ms = tuple(join.first_frame_ms for join in cold + warm)
    return [
        Figure(
            name="offer -> first frame, RTT ~0, watched before or not, p50",
            unit="ms",
            ours=both_ms,
            stock=stock_ms,
            limit=P50_MS,
        ),
        Figure(
            name="offer -> first frame, RTT ~0, watched before or not, p90",
            unit="ms",
            ours=both_ms,
            stock=stock_ms,
            share=NINE_OF_TEN,
            limit=P90_MS,
        ),
        Figure(
            name="offer -> first frame, nobody watched before",
            unit="ms",
            ours=tuple(join.first_frame_ms for join in cold),
            stock=stock_ms,
            limit=FIRST_FRAME_MS,
        ),
        Figure(
            name="offer -> first frame, another viewer watches",
            unit="ms",
            ours=tuple(join.first_frame_ms for join in warm),
            stock=stock_ms,
            limit=FIRST_FRAME_MS,
        ),
        Figure(
            name="offer -> answer (stock: over a local socket)",
            unit="ms",
            ours=tuple(join.answer_ms for join in cold + warm),
            stock=tuple(join.answer_ms for join in stock),
            limit=ANSWER_MS,
        ),
        Figure(
            name="watch() -> first frame, with the camera's status",
            unit="ms",
            ours=tuple(join.watch_ms for join in cold + warm),
        ),
    ]


async def _join_cold(stage: Stage, agent: RunningAgent) -> list[Join]:
    joins = []
    for _ in range(JOINS_PER_RUN):
        await agent.until(lambda status: not status["layers"])
        joins.append(await join_ours(stage.credentials))
    await agent.until(lambda status: not status["layers"])
    return joins


async def _join_warm(stage: Stage, agent: RunningAgent) -> list[Join]:
    joins = []
    async with stage.audience() as audience:
        await audience.grow(1)
        for _ in range(JOINS_PER_RUN):
            await agent.until(lambda status: status["viewers"] == 1)
            await asyncio.sleep(WARM_PHASE_S + random.uniform(0, WARM_PHASE_S))
            joins.append(await join_ours(stage.credentials))
    await agent.until(lambda status: not status["layers"])
    return joins


async def _join_stock(camera: StockCameraProcess) -> list[Join]:
    joins = []
    async with camera.playing():
        for _ in range(JOINS_PER_RUN):
            await asyncio.sleep(random.uniform(0, GOP_S))
            joins.append(await join_stock(camera.path))
    return joins


async def join_ours(
    credentials: Path, ice: IceSettings = LOOPBACK, *, camera: str = CAMERA
) -> Join:
    """Watch until the first picture with a client of its own."""
    with answers() as seen:
        async with Client(credentials, ice=ice) as client:
            began_at = time.monotonic()
            async with client.watch(camera) as stream:
                frame = await next_frame(stream)
                drawn_ms(frame)  # fails unless the picture is whole
        session, answered_at = seen[0]
    if session.offered_at is None or len(seen) != 1:
        raise RuntimeError("a second session was needed: this sample would say nothing")
    return Join(
        answer_ms=(answered_at - session.offered_at) * 1000,
        first_frame_ms=(frame.decoded_at - session.offered_at) * 1000,
        watch_ms=(frame.decoded_at - began_at) * 1000,
    )


async def join_stock(path: str, servers: Sequence[dict[str, str]] = ()) -> Join:
    """Watch until the first picture with a stock peer connection of its own."""
    async with StockViewer(path, servers=servers) as viewer:
        picture = await viewer.frame()
        decoded_at = time.monotonic()
    if read_marker(picture) is None:
        raise RuntimeError("the first picture of the stock camera is broken")
    return Join(
        answer_ms=(viewer.answered_at - viewer.offered_at) * 1000,
        first_frame_ms=(decoded_at - viewer.offered_at) * 1000,
        watch_ms=(decoded_at - viewer.began_at) * 1000,
    )


@contextlib.contextmanager
def answers() -> Iterator[list[tuple[Session, float]]]:
    """Note each session and the moment at which ``Client`` hands it the camera's answer.

    ``Session.answered`` is called as soon as the message has been read and checked.
    """
    seen: list[tuple[Session, float]] = []
    answered = Session.answered

    def note(session: Session, answer: Answer) -> None:
        seen.append((session, time.monotonic()))
        answered(session, answer)

    with mock.patch.object(Session, "answered", note):
        yield seen
