"""What a viewer may do at this device: by its grant, by an entry of its own, or nothing.

It must not know sessions or messages: a name, a key and a grant come in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused
from mqcam.protocol.codes import Code
from mqcam.protocol.verdict import Denial
from mqcam.trust.documents import RIGHTS, Grant, read_grant
from mqcam.trust.keys import fingerprint
from mqcam.trust.signers import Signers

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.trust.pins import AuthorizedViewers

GRANTS_MAX = 64
"""Grants whose signature was found good, remembered; a full memory forgets all."""


class ViewerTrust:
    """Judge viewers for one device.

    ``second`` returns the Unix second of now, None where the clock cannot be believed: a grant
    that ends is then refused, because nobody can tell whether it has ended. An entry at the camera
    itself counts before a grant, with its own rights, and whatever an owner revokes.
    """

    def __init__(
        self,
        *,
        namespace: str,
        device: str,
        owner: str | None,
        authorized: AuthorizedViewers,
        second: Callable[[], int | None],
    ) -> None:
        self._device = device
        self._authorized = authorized
        self._second = second
        self._revoked: frozenset[str] = frozenset()
        self._signers = Signers(
            read_grant, namespace=namespace, owner=owner, known=authorized, good_max=GRANTS_MAX
        )

    def obey(self, revoked: frozenset[str]) -> None:
        """Take the serials that the owner has revoked."""
        self._revoked = revoked

    def authorize(self, viewer: str, key: str, grant: str) -> frozenset[str] | Denial:
        """Return the rights of a viewer, or why it has none."""
        if self._authorized.is_shut_out(key):
            return _denied(f"{viewer} was shut out at this camera")
        entries = self._authorized.find(viewer)
        own = next((entry for entry in entries if not entry.is_revoked), None)
        if own is not None and own.key == key:
            return own.rights
        if grant:
            return self._judge(viewer, key, grant)
        if own is not None:
            return _denied(
                f"{viewer} was let in with another key ({fingerprint(own.key)}) than the one it "
                f"has now ({fingerprint(key)}): pair it again"
            )
        return _denied(f"nobody let {viewer} in: ask the camera's owner for a grant, or pair")

    def _judge(self, viewer: str, key: str, text: str) -> frozenset[str] | Denial:
        grant = self._read(text)
        if isinstance(grant, Denial):
            return grant
        rights = frozenset(grant.rights) & frozenset(RIGHTS)
        why = self._objection(grant, viewer, key)
        if not why and not rights:
            why = f"the grant of {viewer} names no right that this camera knows: update the camera"
        return _denied(why) if why else rights

    def _objection(self, grant: Grant, viewer: str, key: str) -> str:
        """Return why a grant does not help this viewer here and now; empty if it does."""
        whose = f"the grant of {viewer}"
        now = None if grant.expires is None else self._second()
        objections = {
            f"the grant that {viewer} shows belongs to {grant.name}": grant.name != viewer,
            f"{whose} is for another key than the one it has": grant.key != key,
            f"{whose} was revoked: ask the owner for a new one": grant.serial in self._revoked,
            f"{whose} does not name the camera {self._device}": not grant.covers(self._device),
            f"{whose} ends one day, and this camera does not know the time: wait until its clock "
            "is set, or ask for a grant without an end": grant.expires is not None and now is None,
            f"{whose} has ended: ask the owner for a new one": now is not None
            and grant.expires is not None
            and now >= grant.expires,
        }
        return next((why for why, is_true in objections.items() if is_true), "")

    def _read(self, text: str) -> Grant | Denial:
        if not self._signers.keys:
            return _denied("this camera has no owner whose grants it knows: pair with it")
        try:
            return self._signers.read(text)
        except DocumentRefused as error:
            return _denied(f"{error}: ask the camera's owner for a new one")


def _denied(text: str) -> Denial:
    return Denial(code=Code.UNAUTHORIZED.value, text=text)
