"""Viewers in a process of their own that write down what they see.

Started as ``python -m bench.observer ours CREDENTIALS CAMERA`` or ``... stock SOCKET``. On standard
input ``watch N`` lets N watch in all and is answered when each has seen a picture, after 10 s
anyway; ``write FILE`` writes down what was seen so far, as ``bench.shown`` reads it. The end of the
input ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam_device.sources.marker import read_marker
from mqcam_viewer import Client
from support.watching import EVERY

from bench.programs import standard_input
from bench.shown import SAMPLE_MS
from bench.stock_viewer import StockViewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from av.video.frame import VideoFrame
    from mqcam_viewer import Stream

    Watch = Callable[[contextlib.AsyncExitStack, "Log"], Awaitable[None]]

FIRST_FRAME_S = 10.0


class Log:
    """What one viewer saw and received."""

    def __init__(self) -> None:
        self.shown: list[tuple[int | None, int | None, float, float | None]] = []
        self.received: list[tuple[float, int]] = []
        self.has_seen = asyncio.Event()

    def see(self, picture: VideoFrame, decoded_at: float, age_ms: float | None) -> None:
        """Write down a picture."""
        marker = read_marker(picture)
        number, drawn_ms = marker or (None, None)
        self.shown.append((number, drawn_ms, decoded_at * 1000, age_ms))
        self.has_seen.set()

    async def sample(self, count: Callable[[], Awaitable[int]]) -> None:
        """Write down what was received, again and again until cancelled."""
        while True:
            received = await count()
            self.received.append((time.monotonic() * 1000, received))
            await asyncio.sleep(SAMPLE_MS / 1000)


@contextlib.asynccontextmanager
async def ours(credentials: str, camera: str) -> AsyncIterator[Watch]:
    """Offer viewers that share one connection to the broker."""
    async with Client(credentials) as client:

        async def watch(stack: contextlib.AsyncExitStack, log: Log) -> None:
            stream = await stack.enter_async_context(client.watch(camera, max_waiting=EVERY))
            begin(stack, _read_ours(stream, log))
            begin(stack, log.sample(lambda: _received(stream)))

        yield watch


async def _read_ours(stream: Stream, log: Log) -> None:
    async for frame in stream:
        log.see(frame.picture, frame.decoded_at, frame.latency_ms)


async def _received(stream: Stream) -> int:
    reception = await stream.reception()
    return reception.rtp_bytes if reception is not None else 0


@contextlib.asynccontextmanager
async def stock(path: str) -> AsyncIterator[Watch]:
    """Offer stock viewers."""

    async def watch(stack: contextlib.AsyncExitStack, log: Log) -> None:
        viewer = await stack.enter_async_context(StockViewer(path))
        begin(stack, _read_stock(viewer, log))
        begin(stack, log.sample(viewer.received_bytes))

    yield watch


async def _read_stock(viewer: StockViewer, log: Log) -> None:
    while True:
        picture = await viewer.frame()
        log.see(picture, time.monotonic(), None)


def begin(stack: contextlib.AsyncExitStack, work: Awaitable[None]) -> None:
    """Let something go on until the stack is unwound."""
    task = asyncio.ensure_future(work)

    async def end() -> None:
        task.cancel()
        await asyncio.wait({task})

    stack.push_async_callback(end)


async def first_pictures(logs: Sequence[Log]) -> None:
    """Wait until each has seen a picture, or for so long that not to see one is a result."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_FRAME_S):
            for log in logs:
                await log.has_seen.wait()


def write(file: Path, logs: Sequence[Log]) -> None:
    """Write down what was seen so far."""
    found = [{"shown": log.shown, "received": log.received} for log in logs]
    file.write_text(json.dumps(found))


async def run(kind: str, *where: str) -> None:
    """Watch and write as standard input says, until its end."""
    lines = await standard_input()
    logs: list[Log] = []
    async with (
        ours(*where) if kind == "ours" else stock(*where) as watch,
        contextlib.AsyncExitStack() as stack,
    ):
        while line := (await lines.readline()).decode().strip():
            what, value = line.split(maxsplit=1)
            if what == "watch":
                for _ in range(int(value) - len(logs)):
                    logs.append(Log())
                    await watch(stack, logs[-1])
                await first_pictures(logs)
            else:
                write(Path(value), logs)
            print(line, flush=True)


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # the bench's own lines stand alone
    asyncio.run(run(*sys.argv[1:]))
