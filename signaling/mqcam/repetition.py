"""A question to a STUN or TURN server, sent again while its answer is awaited.

It must not know what is asked: whoever asks keeps the one transaction, so that any answer fits.
"""

from __future__ import annotations

import asyncio
import contextlib
from itertools import islice
from typing import TYPE_CHECKING, Final

from mqcam.retransmission import waits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

EARLY_REPEATS: Final = 3
"""After 50, 150 and 350 ms; from 500 ms on aioice repeats by itself (RFC 8489 section 6.2.1)."""


@contextlib.asynccontextmanager
async def repeated(send: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``send`` a few times while the body waits for the answer to what it sent first."""
    repeating = asyncio.create_task(_repeat(send), name="mqcam-ask-again")
    try:
        yield
    finally:
        repeating.cancel()


async def _repeat(send: Callable[[], None]) -> None:
    for wait_s in islice(waits(), EARLY_REPEATS):
        await asyncio.sleep(wait_s)
        send()
