"""Hand what a broker delivers to its receiver; a mistake of ours ends here, and floods no log.

It must not know the link that messages come by, nor what they say.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from mqcam.log import fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.transport import Incoming, Receive

logger = logging.getLogger(__name__)

REPORT_S = 1.0
"""A traceback is some kilobytes, and who finds our mistake may send it as often as he likes."""


class Intake:
    """Give messages to ``receive`` and tell of its errors, at most once in ``REPORT_S``."""

    def __init__(self, receive: Receive, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._receive = receive
        self._clock = clock
        self._told_at = -math.inf
        self._untold = 0

    def take(self, message: Incoming) -> None:
        """Hand a message over; no error of the receiver passes."""
        try:
            self._receive(message)
        except Exception:
            self._untold += 1
            if (now := self._clock()) - self._told_at < REPORT_S:
                return
            extra = fields(topic=message.topic, count=self._untold)
            logger.exception("a message was not handled", extra=extra)
            self._told_at, self._untold = now, 0
