"""How long the event loop was not able to do anything else.

It must not know what kept it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STEP_S = 0.001


@dataclass(slots=True)
class Lag:
    """The longest time that a step took beyond its sleep."""

    longest_s: float = 0.0


@contextlib.asynccontextmanager
async def measured_lag() -> AsyncIterator[Lag]:
    """Measure inside the block."""
    lag = Lag()

    async def look() -> None:
        while True:
            began_at = time.thread_time()
            await asyncio.sleep(STEP_S)
            # The thread's own time: others on the same processor are not the loop's fault.
            lag.longest_s = max(lag.longest_s, time.thread_time() - began_at)

    task = asyncio.create_task(look(), name="lag")
    try:
        yield lag
    finally:
        task.cancel()
        await asyncio.wait({task})
