"""The STUN and TURN servers of one session: both of its ends ask the same, and no others.

It must not know files, sessions or the answer: it is told who asks and gets the time of day.
A TURN server with a shared secret wants no account of its own: the name says until when it is
good, the password proves that somebody with the secret made that name
(draft-uberti-behave-turn-rest, which coturn calls ``use-auth-secret``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.servers import IceServer, ServerUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

NO_CLOCK = (
    "the clock of this machine is not synchronised: no relay is used or lent until it is, because "
    "its accounts are made from the time of day (look with timedatectl)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecret:
    """A server that believes whoever holds its secret; accounts are good for ``validity_s``."""

    urls: tuple[str, ...]
    secret: str = field(repr=False)
    validity_s: int

    def mint(self, name: str, *, second: int) -> IceServer:
        """Return the server with an account that is made at Unix second ``second``."""
        username = f"{second + self.validity_s}:{name}"
        proof = hmac.digest(self.secret.encode(), username.encode(), hashlib.sha1)
        credential = base64.b64encode(proof).decode("ascii")
        return IceServer(urls=self.urls, username=username, credential=credential)

    def without_account(self) -> IceServer:
        """Return what can be asked of the server by anybody: its STUN addresses."""
        urls = tuple(url for url in self.urls if not ServerUrl.from_text(url).is_relay)
        return IceServer(urls=urls)


class Lender:
    """Choose the servers of each session; ``second`` is the Unix time, None if not believable."""

    def __init__(
        self,
        servers: Sequence[IceServer | SharedSecret],
        *,
        device: str,
        second: Callable[[], int | None],
    ) -> None:
        self._servers = tuple(servers)
        self._device = device
        self._second = second
        self._needs_clock = any(isinstance(each, SharedSecret) for each in servers)
        self._is_told = False

    @property
    def trouble(self) -> str:
        """Say why less is lent than is configured; empty if all is."""
        return NO_CLOCK if self._needs_clock and self._second() is None else ""

    def lend(self, viewer: str) -> tuple[IceServer, ...]:
        """Return the servers for a session with ``viewer``, accounts made for it included."""
        second = self._second() if self._needs_clock else None
        if self._needs_clock:
            self._tell(is_missing=second is None)
        # No name holds a dot, so that the server's log and quotas tell every pair apart.
        name = f"{self._device}.{viewer}"
        chosen = (_of_session(each, name, second) for each in self._servers)
        return tuple(each for each in chosen if each.urls)

    def _tell(self, *, is_missing: bool) -> None:
        if is_missing and not self._is_told:
            logger.warning(NO_CLOCK)
        self._is_told = is_missing


def _of_session(server: IceServer | SharedSecret, name: str, second: int | None) -> IceServer:
    if isinstance(server, IceServer):
        return server
    return server.without_account() if second is None else server.mint(name, second=second)
