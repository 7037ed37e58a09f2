"""The bench's own helper processes: ``python -m`` modules that end when their input does.

So they end too when the bench dies. It must not know what they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from typing import TYPE_CHECKING

from bench import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

START_S = 20.0
STOP_S = 5.0
READY = "ready"


@contextlib.asynccontextmanager
async def program(
    module: str, *arguments: str, command: Sequence[str] = ()
) -> AsyncIterator[Process]:
    """Run a module of the bench inside the block; ``command`` goes before it."""
    process = await asyncio.create_subprocess_exec(
        *command, sys.executable, "-m", module, *arguments, stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def tell(process: Process, line: str) -> None:
    """Write a line to a program."""
    if process.stdin is None:
        raise RuntimeError("the program was started without its input")
    process.stdin.write(f"{line}\n".encode())


async def expect(process: Process, line: str, *, timeout_s: float = START_S) -> None:
    """Wait for a line of a program; raises RuntimeError when it says something else or ends."""
    if process.stdout is None:
        raise RuntimeError("the program was started without its output")
    async with asyncio.timeout(timeout_s):
        said = (await process.stdout.readline()).decode().strip()
    if said != line:
        raise RuntimeError(f"a program of the bench said {said!r} instead of {line!r}")


async def standard_input() -> asyncio.StreamReader:
    """Return what such a program is told."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader
