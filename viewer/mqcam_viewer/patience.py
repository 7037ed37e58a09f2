"""Entering a client at a terminal: a person who waits for the broker is told so.

It must not know verbs: each of them enters its client through here.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mqcam_viewer.client import Client

STILL_S: Final = 2.0
"""A broker that answers at all answers sooner."""


@contextlib.asynccontextmanager
async def reached(
    client: Client, *, to: TextIO | None = None, still_s: float = STILL_S
) -> AsyncIterator[Client]:
    """Enter a client; on a terminal say after ``still_s`` what is being waited for.

    Raises BrokerError as the client does.
    """
    screen = to or sys.stderr
    said = f"mqcam-viewer: still trying to reach the broker at {', '.join(client.brokers)} ..."
    loop = asyncio.get_running_loop()
    waiting = loop.call_later(still_s, print_line, screen, said) if screen.isatty() else None
    try:
        async with client:
            if waiting is not None:
                waiting.cancel()
            yield client
    finally:
        if waiting is not None:
            waiting.cancel()


def print_line(screen: TextIO, text: str) -> None:
    """Write one line at once."""
    screen.write(f"{text}\n")
    screen.flush()
