"""One timer for all viewers: a timer for each would cost more than what it is for.

It must not know what is called, nor an event loop: clock and timer are arguments.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_device.keyframes import CallLater, Timer

logger = logging.getLogger(__name__)

PULSE_S: Final = 0.1


class Pulse:
    """Call everybody who joined, each ``PULSE_S``, with the time; rest while there is nobody."""

    def __init__(self, *, clock: Callable[[], float], call_later: CallLater) -> None:
        self._clock = clock
        self._call_later = call_later
        self._members: dict[Callable[[float], None], None] = {}
        self._timer: Timer | None = None

    def join(self, member: Callable[[float], None]) -> None:
        """Call this one too, from the next time on."""
        self._members[member] = None
        if self._timer is None:
            self._timer = self._call_later(PULSE_S, self._beat)

    def leave(self, member: Callable[[float], None]) -> None:
        """Call this one no more; whoever never joined may leave too."""
        self._members.pop(member, None)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._timer = self._call_later(PULSE_S, self._beat)
        now = self._clock()
        for member in tuple(self._members):
            # One member's mistake is not the others'.
            try:
                member(now)
            except Exception:
                logger.exception("a member of the pulse failed")
