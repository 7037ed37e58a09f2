"""Whether the broker lets this viewer in, as it said last.

It must not know sessions: a video that runs needs no broker, one that stopped is not coming back
from a broker that refuses us.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from mqcam.errors import AccountRefused, SessionError

if TYPE_CHECKING:
    from mqcam.broker import BrokerState

ACCOUNT_REFUSED: Final = "account-refused"
"""The end of a stream whose viewer has no account any more; never on the wire."""

NOT_LET_IN: Final = "it does not let this viewer in: ask its owner for a new file"
SHUT_OUT: Final = "the broker does not let this viewer in any more: ask its owner"


class Standing:
    """Remember a refusal of our account until the broker lets us in again."""

    def __init__(self) -> None:
        self._let_in = asyncio.Event()
        self._refused = asyncio.Event()
        self._let_in.set()

    def note(self, state: BrokerState) -> None:
        """Take how the connection stands; an outage in between says nothing about the account."""
        if state.connected:
            self._refused.clear()
            self._let_in.set()
        elif isinstance(state.error, AccountRefused):
            self._let_in.clear()
            self._refused.set()

    @property
    def refusal(self) -> SessionError | None:
        """Return that we are refused, in words for a guest; None as long as we are not."""
        return SessionError(ACCOUNT_REFUSED, SHUT_OUT) if self._refused.is_set() else None

    async def until_refused(self) -> SessionError:
        """Wait, however long, until the broker refuses our account."""
        await self._refused.wait()
        return SessionError(ACCOUNT_REFUSED, SHUT_OUT)

    async def until_let_in(self) -> None:
        """Wait, however long, while the broker refuses our account."""
        await self._let_in.wait()


def for_guest(error: AccountRefused) -> AccountRefused:
    """Return the refusal in words for somebody who cannot look at the broker."""
    return AccountRefused(NOT_LET_IN, address=error.address)
