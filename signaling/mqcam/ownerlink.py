"""A program's tie to its owner: his topic heard, and the broker found where he says it is.

It must not know what else follows from his word: whoever made the `OwnerWord` is called with that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

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
        self._owner = owner
        self._whereabouts = Whereabouts(
            given,
            remembered=owner.state,
            readdress=readdress,
            probe=probe,
            call_later=call_later or _call_later,
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
        self._owner.receive(message.payload, now)
        if self._owner.state is not before:
            self._whereabouts.obey(self._owner.state)
        return True

    def note(self, state: BrokerState) -> None:
        """Take how the connection stands."""
        self._whereabouts.note(state)

    def close(self) -> None:
        """Look no further."""
        self._whereabouts.close()


def _call_later(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, call)


def _aside(work: Callable[[], None]) -> object:
    return asyncio.get_running_loop().run_in_executor(None, work)
