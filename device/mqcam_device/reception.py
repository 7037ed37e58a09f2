"""Who asks to be let in, and the people at the camera who say yes, no, and not any more.

It must not know sockets: requests come from the agent, the people's words from the control socket.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mqcam.errors import ControlError, CredentialsError
from mqcam.log import fields
from mqcam.protocol.topics import is_id
from mqcam.trust.documents import RIGHTS
from mqcam.trust.keys import fingerprint, is_signing_key
from mqcam.trust.pairing import SECRET_BYTES, PairingDesk
from mqcam.uri import Invitation, invitation_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mqcam.credentials import Credentials
    from mqcam.protocol.effects import PairRequested, SessionKey
    from mqcam.trust.pairing import Reply, Visitor
    from mqcam.trust.pins import AuthorizedViewers

    from mqcam_device.control import Handler

logger = logging.getLogger(__name__)

LEASE_S = 15.0
"""A window whose terminal has asked for nothing for so long is closed: nobody is there to say y."""


class Reception:
    """A camera's door: the window for newcomers, and the list of those who were let in.

    ``send`` carries replies out, ``judge`` ends the sessions of viewers without a right, and
    ``sessions`` returns those that run.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        key: str,
        authorized: AuthorizedViewers,
        send: Callable[[Sequence[Reply]], None],
        judge: Callable[[], None],
        sessions: Callable[[], Sequence[SessionKey]],
        random_bytes: Callable[[int], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._key = key
        self._authorized = authorized
        self._send = send
        self._judge = judge
        self._sessions = sessions
        self._random_bytes = random_bytes
        self._clock = clock
        self._desk = PairingDesk(namespace=credentials.namespace, device=credentials.name, key=key)
        self._asked_at = 0.0

    @property
    def verbs(self) -> dict[str, Handler]:
        """Return what the control socket offers of it."""
        return {
            "pair": self._open,
            "pairing": self._show,
            "pair-decide": self._decide,
            "pair-close": self._close,
            "revoke": self._revoke,
        }

    def request(self, requested: PairRequested) -> None:
        """Take what a stranger asks; without a proof of the secret it changes nothing."""
        now = self._clock()
        if self._desk.is_open(now) and now - self._asked_at > LEASE_S:
            self._send(self._desk.close())
        reply = self._desk.request(requested, now)
        if reply is None:
            logger.debug("pairing asked for without the secret of an open window")
            return
        self._send([reply])

    def allowed(self) -> list[dict[str, object]]:
        """Return who was let in, or shut out, at this camera; grants of an owner are not here."""
        return [
            {
                "viewer": entry.name,
                "fingerprint": fingerprint(entry.key),
                "rights": [right for right in RIGHTS if right in entry.rights],
                "revoked": entry.is_revoked,
            }
            for entry in self._authorized.entries()
        ]

    async def _open(self, arguments: Mapping[str, Any]) -> dict[str, object]:
        rights = _rights(arguments.get("rights", ["view"]))
        visitor = arguments.get("name", "")
        if visitor and not (isinstance(visitor, str) and is_id(visitor)):
            raise ControlError("malformed", "a viewer's name has letters, digits, - and _")
        is_shared = arguments.get("share_account") is True
        secret = self._random_bytes(SECRET_BYTES)
        uri = invitation_uri(
            Invitation(
                key=self._key, secret=secret, way=self._way(is_shared=is_shared), visitor=visitor
            )
        )
        now = self._asked_at = self._clock()
        self._send(self._desk.open(secret, rights, now))
        logger.info("pairing open", extra=fields(rights=",".join(rights), account=is_shared))
        return {
            "uri": uri,
            "camera": self._credentials.name,
            "fingerprint": fingerprint(self._key),
            "remaining_s": round(self._desk.remaining_s(now)),
            "account": self._credentials.username is not None,
        }

    async def _show(self, _arguments: Mapping[str, Any]) -> dict[str, object]:
        now = self._asked_at = self._clock()
        return {
            "open": self._desk.is_open(now),
            "remaining_s": round(self._desk.remaining_s(now)),
            "waiting": [self._described(each) for each in self._desk.waiting(now)],
        }

    async def _decide(self, arguments: Mapping[str, Any]) -> dict[str, object]:
        number, is_yes = arguments.get("number"), arguments.get("accept") is True
        waiting = self._desk.waiting(self._clock())
        visitor = next((each for each in waiting if each.number == number), None)
        # Who opened a window in another terminal has other visitors with the same numbers.
        if visitor is None or arguments.get("fingerprint") not in {None, visitor.fingerprint}:
            raise ControlError("not-waiting", "this viewer waits no longer: the time is over")
        if not is_yes:
            self._send(self._desk.decline(visitor.number, self._clock()))
            logger.info("viewer turned away", extra=fields(viewer=visitor.name))
            return {"viewer": visitor.name, "rights": []}
        rights = self._desk.rights
        # Kept before it is said: whoever was told that he may come in can.
        await asyncio.to_thread(self._authorized.add, visitor.name, visitor.key, frozenset(rights))
        now = self._clock()
        if not any(each is visitor for each in self._desk.waiting(now)):
            # A slow disk, and meanwhile the window was closed: one that is open is another's.
            raise ControlError(
                "not-waiting",
                f"the window was closed while {visitor.name} was written down, and it was told so: "
                "it may come in and does not know this camera; pair with it again, or run "
                f"'mqcam-device revoke {visitor.name}'",
            )
        self._send(self._desk.accept(visitor.number, now))
        logger.info("viewer let in", extra=fields(viewer=visitor.name, rights=",".join(rights)))
        return {"viewer": visitor.name, "rights": list(rights)}

    async def _close(self, _arguments: Mapping[str, Any]) -> dict[str, object]:
        self._send(self._desk.close())
        return {}

    async def _revoke(self, arguments: Mapping[str, Any]) -> dict[str, object]:
        name = arguments.get("viewer")
        if not isinstance(name, str) or not is_id(name):
            raise ControlError("malformed", "name the viewer")
        key = arguments.get("key")
        if key is not None and not (isinstance(key, str) and is_signing_key(key)):
            raise ControlError("malformed", "a public key begins with ed25519:")
        entries = self._authorized.find(name)
        watching = [each for each in self._sessions() if each.peer == name]
        keys = {each.key for each in entries} | {each.peer_key for each in watching}
        if key is not None:
            keys.add(key)
        if not keys:
            raise ControlError(
                "unknown-viewer",
                f"no viewer called {name} was let in at this camera or is watching; what an owner "
                f"granted, the owner takes back: mqcam-broker remove {name}; or give its public "
                "key here with --key",
            )
        trouble: CredentialsError | None = None
        for key in keys - {each.key for each in entries if each.is_revoked}:
            try:
                await asyncio.to_thread(self._authorized.revoke, name, key)
            except CredentialsError as error:  # shut out all the same, until a restart
                trouble = error
        self._judge()
        if trouble is not None:
            raise trouble
        logger.info("viewer shut out", extra=fields(viewer=name, sessions=len(watching)))
        return {"viewer": name, "sessions": len(watching)}

    def _way(self, *, is_shared: bool) -> Credentials:
        """Return how a visitor reaches the broker: as the camera, its account only if shared."""
        ours = self._credentials
        return replace(
            ours,
            kind="viewer",
            username=ours.username if is_shared else None,
            password=ours.password if is_shared else None,
            identity=None,
            owner=None,
            certificate=None,
            turn=(),
            turn_secret=None,
        )

    def _described(self, visitor: Visitor) -> dict[str, object]:
        others = [
            fingerprint(each.key)
            for each in self._authorized.find(visitor.name)
            if not each.is_revoked and each.key != visitor.key
        ]
        return {
            "number": visitor.number,
            "viewer": visitor.name,
            "fingerprint": visitor.fingerprint,
            "known_as": next(iter(others), ""),
            "was_shut_out": self._authorized.is_shut_out(visitor.key),
        }


def _rights(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not set(map(str, given)) <= set(RIGHTS):
        raise ControlError("malformed", f"rights are some of {', '.join(RIGHTS)}")
    return tuple(right for right in RIGHTS if right in given)
