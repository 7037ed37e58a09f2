"""Candidates that wait for the SDP to which they belong.

It must not know why they came early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mqcam.protocol.limits import Limits
    from mqcam.protocol.messages import Candidates


class Held:
    """Keep candidate messages of one session in the order of their ``n``; full is full."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._messages: dict[int, Candidates] = {}
        self._candidates = 0

    def add(self, message: Candidates) -> bool:
        """Keep ``message``; False if there is no room. One with a known ``n`` changes nothing."""
        if message.n in self._messages:
            return True
        candidates = self._candidates + len(message.candidates)
        if (
            len(self._messages) >= self._limits.held_messages
            or candidates > self._limits.held_candidates
        ):
            return False
        self._messages[message.n] = message
        self._candidates = candidates
        return True

    def take(self) -> list[Candidates]:
        """Return everything in the order of ``n`` and be empty again."""
        messages = [self._messages[n] for n in sorted(self._messages)]
        self._messages.clear()
        self._candidates = 0
        return messages
