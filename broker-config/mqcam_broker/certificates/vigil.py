"""The certificates of a broker that runs for years: looked at when it starts and once a day.

It must not know mosquitto's process: it tells whether that has to be started anew.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqcam.errors import MqcamError

from mqcam_broker.certificates.freshness import stale_listeners
from mqcam_broker.certificates.renewal import renew
from mqcam_broker.mosquitto.process import reload_broker
from mqcam_broker.owner.publication import publish_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_broker.folder.directory import BrokerDirectory

INTERVAL_S = 24 * 3600.0


class Vigil:
    """Renew in time, beside a running broker; ``say`` gets what a person should know."""

    def __init__(
        self,
        directory: BrokerDirectory,
        *,
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory = directory
        self._say = say
        self._monotonic = monotonic
        self._now = now
        self._next_at = monotonic() + INTERVAL_S

    def look(self) -> bool:
        """Renew if a day is over; return True when the broker has to be started anew."""
        if self._monotonic() < self._next_at:
            return False
        self._next_at = self._monotonic() + INTERVAL_S
        if not self.renew():
            return False
        reload_broker(self._directory)
        problem = publish_state(self._directory).problem
        if problem:
            self._say(f"cameras and viewers do not learn of the new authority: {problem}")
        return bool(stale_listeners(self._directory))

    def renew(self) -> bool:
        """Renew what is due and return whether anything changed; never raises."""
        try:
            done = renew(self._directory, now=self._now())
        except (MqcamError, OSError) as error:
            self._say(f"the certificates were not looked after: {error}")
            return False
        if done.is_server_new:
            self._say(f"the broker has a new certificate, until {done.server_end:%Y-%m-%d}")
        if done.problem:
            self._say(f"the owner has to say something new to all, and cannot: {done.problem}")
        return done.is_anything_new
