"""The time of day, where it can be believed: a Pi without a network starts in the past.

It must not know what the time is for. Linux only; elsewhere no clock is believed.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

TIMEX_BYTES: Final = 256
"""More than struct timex has (adjtimex(2)); all zero, it asks and changes nothing."""
NOT_SYNCHRONISED: Final = 5
POLL_S: Final = 5.0
"""The kernel tells nobody when its clock has become right; asking it costs a microsecond."""


def is_synchronised() -> bool:
    """Tell whether the kernel was told that its clock follows a good one."""
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (AttributeError, OSError):
        return False
    return 0 <= state < NOT_SYNCHRONISED


def believable_second() -> int | None:
    """Return the Unix second of now, None where the clock cannot be believed."""
    return int(time.time()) if is_synchronised() else None


async def changes(
    was_synchronised: bool,
    *,
    ask: Callable[[], bool],
    poll_s: float = POLL_S,
) -> AsyncGenerator[bool]:
    """Yield how the clock is, each time that this has changed; never ends."""
    while True:
        if ask() is not was_synchronised:
            was_synchronised = not was_synchronised
            yield was_synchronised
        await asyncio.sleep(poll_s)
