"""Viewers in a process of their own, so that they cost the measured viewer nothing but the machine.

Started as ``python -m bench.audience ours CREDENTIALS CAMERA`` or ``... stock SOCKET``. A number on
standard input is how many shall watch; it comes back when all of them have seen a picture. The end
of the input ends it. It must not measure anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from mqcam_viewer import Client
from support.watching import LOOPBACK, next_frame

from bench.programs import standard_input
from bench.stock_viewer import StockViewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Watch = Callable[[contextlib.AsyncExitStack], Awaitable[None]]


@contextlib.asynccontextmanager
async def ours(credentials: str, camera: str) -> AsyncIterator[Watch]:
    """Offer viewers that share one connection to the broker."""
    async with Client(credentials, ice=LOOPBACK) as client:

        async def watch(stack: contextlib.AsyncExitStack) -> None:
            await next_frame(await stack.enter_async_context(client.watch(camera)))

        yield watch


@contextlib.asynccontextmanager
async def stock(path: str) -> AsyncIterator[Watch]:
    """Offer stock viewers."""

    async def watch(stack: contextlib.AsyncExitStack) -> None:
        viewer = await stack.enter_async_context(StockViewer(path))
        await viewer.frame()
        # Its queue of pictures has no bound, so that somebody must read them.
        reading = asyncio.create_task(_read(viewer), name="stock pictures")
        stack.push_async_callback(_end, reading)

    yield watch


async def _read(viewer: StockViewer) -> None:
    while True:
        await viewer.frame()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def run(kind: str, *where: str) -> None:
    """Let as many watch as standard input says, until its end."""
    lines = await standard_input()
    offer = ours(*where) if kind == "ours" else stock(*where)
    watching = 0
    async with offer as watch, contextlib.AsyncExitStack() as stack:
        while line := await lines.readline():
            for _ in range(int(line) - watching):
                await watch(stack)
            watching = int(line)
            print(watching, flush=True)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
