"""A program's tie to its owner: his topic heard, and the broker found where he says it is.

It must not know what else follows from his word: whoever made the `OwnerWord` is called with that.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from mqcam.mqtt import Subscription
from mqcam.whereabouts import PATIENCE_S, Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mqcam.broker import BrokerSettings, BrokerState
    from mqcam.errors import BrokerError
    from mqcam.transport import Incoming
    from mqcam.trust.obedience import OwnerWord
    from mqcam.whereabouts import Timer

logger = logging.getLogger(__name__)

SILENCE_S: Final = 10.0
"""How long after a connection the broker may take to give the owner's state, which it keeps."""
SILENCE: Final = (
    "the broker gives no word of the owner: it may withhold whom he revoked; "
    "he runs 'mqcam-broker publish'"
)


class OwnerLink:
    """Join the owner's word and one broker session.

    ``given``, ``readdress``, ``probe``, ``kept``, ``patience_s`` and ``is_hasty`` are those of
    `Whereabouts`.
    """

    def __init__(
        self,
        owner: OwnerWord,
        given: BrokerSettings,
        *,
        readdress: Callable[[BrokerSettings], None],
        probe: Callable[[BrokerSettings, Callable[[BrokerError | None], None]], None],
        kept: Path | None = None,
        patience_s: float = PATIENCE_S,
        is_hasty: bool = False,
        call_later: Callable[[float, Callable[[], None]], Timer] | None = None,
    ) -> None:
        self.trouble = ""
        """What is wrong with the owner's word at this broker, for a person; empty if nothing is."""
        self._owner = owner
        self._is_heard = False
        self._call_later = call_later or _call_later
        self._timer: Timer | None = None
        self._whereabouts = Whereabouts(
            given,
            remembered=owner.state,
            readdress=readdress,
            probe=probe,
            call_later=self._call_later,
            kept=kept,
            aside=_aside,
            patience_s=patience_s,
            is_hasty=is_hasty,
        )

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return what the session must subscribe to for the owner's sake."""
        return (Subscription(topic=self._owner.topic),) if self._owner.is_wanted else ()

    @property
    def settings(self) -> BrokerSettings:
        """Return where to look for the broker at this moment."""
        return self._whereabouts.settings

    def takes(self, message: Incoming, now: float) -> bool:
        """Obey a message on the owner's topic; False for one that is somebody else's to take."""
        if message.topic != self._owner.topic:
            return False
        before = self._owner.state
        if self._owner.receive(message.payload, now):
            self._is_heard, self.trouble = True, ""
            self._disarm()
        if self._owner.state is not before:
            self._whereabouts.obey(self._owner.state)
        return True

    def note(self, state: BrokerState) -> None:
        """Take how the connection stands."""
        self._whereabouts.note(state)
        if not state.connected:
            self._is_heard = False  # here: what is kept may come before the session is told up
            self._disarm()
        elif self._owner.is_wanted and not self._is_heard and self._timer is None:
            self._timer = self._call_later(SILENCE_S, self._miss)

    def close(self) -> None:
        """Look no further."""
        self._disarm()
        self._whereabouts.close()

    def _miss(self) -> None:
        self._timer = None
        if not self.trouble:
            self.trouble = SILENCE
            logger.warning(SILENCE)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _call_later(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, call)


def _aside(work: Callable[[], None]) -> object:
    return asyncio.get_running_loop().run_in_executor(None, work)
