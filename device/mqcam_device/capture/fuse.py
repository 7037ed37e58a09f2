"""The end of a process whose camera library hangs where nothing else can end it.

It must not know what it guards.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

HUNG: Final = 5
"""The exit code of a child whose camera could not be stopped."""


def blow() -> None:
    """End this process at once: a thread that hangs in a driver cannot be joined."""
    os._exit(HUNG)


class Fuse:
    """Ends the process unless its block is left within ``timeout_s``."""

    def __init__(self, timeout_s: float) -> None:
        self._timer = threading.Timer(timeout_s, blow)
        self._timer.name, self._timer.daemon = "fuse", True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
