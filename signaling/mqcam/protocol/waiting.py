"""Candidates that came before the offer of their session: held for a while, for few sessions.

It must not know offers: whoever starts a session takes what waits for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mqcam.protocol.held import Held

if TYPE_CHECKING:
    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.limits import Limits
    from mqcam.protocol.messages import Candidates


class Waiting:
    """Hold candidates per session without one; a full table refuses newcomers."""

    def __init__(self, *, deadlines: Deadlines, limits: Limits) -> None:
        self._wait_s = deadlines.candidate_wait_s
        self._limits = limits
        self._held: dict[SessionKey, tuple[Held, float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def next_deadline(self) -> float:
        """When the oldest expire; infinite if nothing waits."""
        # Equal waits in order of arrival: the first is the oldest.
        return next((until for _, until in self._held.values()), math.inf)

    def add(self, key: SessionKey, message: Candidates, now: float) -> bool:
        """Hold ``message``; False if there is no room."""
        if key not in self._held:
            # By name too: whoever makes a key for every message has one name at an honest broker.
            same_sender = sum(
                known.peer_key == key.peer_key or known.peer == key.peer for known in self._held
            )
            if (
                len(self._held) >= self._limits.waiting_sessions
                or same_sender >= self._limits.waiting_per_key
            ):
                return False
            self._held[key] = (Held(self._limits), now + self._wait_s)
        return self._held[key][0].add(message)

    def take(self, key: SessionKey) -> Held:
        """Return what waits for the session that starts now."""
        found = self._held.pop(key, None)
        return Held(self._limits) if found is None else found[0]

    def expire(self, now: float) -> list[SessionKey]:
        """Forget what waited too long; return whose it was."""
        expired = [key for key, (_, until) in self._held.items() if now >= until]
        for key in expired:
            del self._held[key]
        return expired
