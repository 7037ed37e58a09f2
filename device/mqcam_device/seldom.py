"""Log lines of something that may go wrong every second for a week: the first all, then seldom.

It must not know what goes wrong.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mqcam.log import fields
from mqcam.protocol.bucket import Buckets

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

BURST: Final = 30
PER_S: Final = 1 / 120
_EVENTS: Final = 16


class Seldom:
    """Logs an event ``BURST`` times, and again each two minutes, with how many were left out."""

    def __init__(
        self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._buckets = Buckets(burst=BURST, per_s=PER_S, names_max=_EVENTS)
        self._left_out: dict[str, int] = {}

    def log(self, level: int, event: str, **values: object) -> None:
        """Log an event, one of few, or count it."""
        if not self._buckets.take(event, self._clock()):
            self._left_out[event] = self._left_out.get(event, 0) + 1
            return
        if count := self._left_out.pop(event, 0):
            values["left_out"] = count
        self._logger.log(level, event, extra=fields(**values))
