"""Waiting for what another process does, where it sends no event.

It must not know what is waited for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 0.02


def until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    """Return when a condition is true; raise TimeoutError after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s")
        time.sleep(POLL_S)
