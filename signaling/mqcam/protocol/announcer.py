"""A device's own status: what it says, when it says it again, and who else wrote there.

It must not know sessions or nonces' lives: the device hands in the nonce of the moment.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.protocol.codec import encode
from mqcam.protocol.effects import Send
from mqcam.protocol.messages import Gone, Status

if TYPE_CHECKING:
    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.envelope import Envelope


class Announcer:
    """Publish one device's status: when it changes, on a timer, and over a foreign one."""

    def __init__(
        self, *, topic: str, status: Status, envelope: Envelope, deadlines: Deadlines
    ) -> None:
        self._topic = topic
        self._status = status
        self._envelope = envelope
        self._deadlines = deadlines
        self._refresh_at = math.inf
        self._repair_at = math.inf
        self._quiet_until = -math.inf

    @property
    def status(self) -> Status:
        """The status as it was last said, or will be said first."""
        return self._status

    @property
    def next_deadline(self) -> float:
        """When the status is due again; infinite before it was said first."""
        return min(self._refresh_at, self._repair_at)

    def change(self, status: Status) -> bool:
        """Take a new status; tell whether it says something new."""
        changed = status != self._status
        self._status = status
        return changed

    def say(self, now: float) -> Send:
        """Return the status to publish, with a new number, and start the timer again."""
        self._refresh_at = now + self._deadlines.status_refresh_s
        self._repair_at = math.inf
        return self.birth()

    def birth(self) -> Send:
        """Return the status to publish when a connection to the broker begins."""
        self._status = replace(self._status, n=self._status.n + 1)
        payload = self._envelope.seal(self._topic, encode(self._status), None)
        return self._send(payload)

    def will(self) -> Send:
        """Return what the broker publishes when it loses us."""
        return self._send(encode(Gone()))

    def is_foreign(self, status: Status) -> bool:
        """Tell whether another program, or this one before its restart, wrote ``status``."""
        return status.boot != self._status.boot

    def repair(self, now: float) -> Send | None:
        """Return the status to publish over a foreign one, or None if that must wait."""
        if now < self._quiet_until:
            self._repair_at = self._quiet_until
            return None
        self._quiet_until = now + self._deadlines.status_repair_s
        return self.say(now)

    def tick(self, now: float) -> Send | None:
        """Return the status if it is due."""
        if now >= self._repair_at:
            return self.repair(now)
        return self.say(now) if now >= self._refresh_at else None

    def _send(self, payload: bytes) -> Send:
        ttl_s = self._deadlines.status_ttl_s
        return Send(topic=self._topic, payload=payload, retain=True, ttl_s=ttl_s)
