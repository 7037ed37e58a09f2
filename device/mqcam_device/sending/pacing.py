"""Keyframes leave in short runs, so that no queue on the way overflows.

It must not know packets, sockets or clocks: what waits is any value, time is an argument.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

PACED_PACKETS: Final = 10
"""Packets of a paced run (docs/decisions/sending.md)."""

STEP_S: Final = 0.001
SPREAD_S: Final = 0.016
"""All that waits has left after this, half a frame interval at 30 frames per second."""


class Pacer(Generic[Item]):
    """Runs in their order, each due a step after the one before.

    Bounded by time: whatever is added, all of it is due ``SPREAD_S`` after the queue was empty.
    """

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._due_at = 0.0
        self._end_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def due_at(self) -> float:
        """When the next run is due; means nothing while none waits."""
        return min(self._due_at, self._end_at)

    def add(self, item: Item, now: float) -> None:
        """Queue a run."""
        if not self._waiting:
            self._due_at = now
            self._end_at = now + SPREAD_S
        self._waiting.append(item)

    def take(self, now: float) -> list[Item]:
        """Return the runs that are due."""
        due: list[Item] = []
        while self._waiting and self.due_at <= now:
            due.append(self._waiting.popleft())
            self._due_at += STEP_S
        return due

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
