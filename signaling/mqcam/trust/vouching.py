"""Whether the key that signed a device's status is the device's: by its owner, or as known.

It must not know messages: a name, a key and a certificate come in.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mqcam.errors import CredentialsError, DocumentRefused
from mqcam.log import fields
from mqcam.protocol.codes import Code
from mqcam.protocol.verdict import Denial
from mqcam.trust.documents import read_certificate
from mqcam.trust.keys import fingerprint

if TYPE_CHECKING:
    from mqcam.trust.documents import Certificate
    from mqcam.trust.pins import KnownDevice, KnownDevices

logger = logging.getLogger(__name__)

UNKNOWN_KEY = "unknown-key"
CHANGED_KEY = "changed-key"
CERTIFICATES_MAX = 1024
"""Certificates whose signature was found good, remembered; a full memory forgets all."""


class DeviceTrust:
    """Judge devices for one viewer, and remember those that were vouched for."""

    def __init__(self, *, namespace: str, owner: str | None, known: KnownDevices) -> None:
        self._namespace = namespace
        self._owner = owner
        self._known = known
        self._revoked: frozenset[str] = frozenset()
        self._good: dict[str, Certificate] = {}

    def obey(self, revoked: frozenset[str]) -> None:
        """Take the serials that the owner has revoked."""
        self._revoked = revoked

    def highest_version(self, device: str) -> int:
        """Return the highest wire version that a device was seen to sign, at least 1."""
        known = self._known.find(device)
        return 1 if known is None else known.version

    def vouch(self, device: str, key: str, certificate: str, version: int) -> Denial | None:
        """Return why ``key`` is not the key of ``device``, or None; remember one that is."""
        known = self._known.find(device)
        vouched = self._certificate(device, key, certificate)
        serial = vouched.serial if vouched is not None else _serial_of(known, key)
        if serial in self._revoked:
            return Denial(
                code=Code.REVOKED.value,
                text=f"the owner has revoked the identity of {device}: it was removed or replaced",
            )
        if vouched is None and (known is None or known.key != key):
            return self._refuse(device, key, known.key if known else None)
        if known is not None and known.key != key:
            logger.warning(
                "the camera has a new identity, vouched for by the owner",
                extra=fields(camera=device, was=fingerprint(known.key), now=fingerprint(key)),
            )
        if known is None or known.key != key or known.version < version:
            self._remember(device, key, version, serial)
        return None

    def _certificate(self, device: str, key: str, text: str) -> Certificate | None:
        if not text:
            return None
        found = self._good.get(text)
        for signer in (*filter(None, (self._owner,)), *self._known.authorities):
            if found is not None:
                break
            try:
                found = read_certificate(text, owner=signer, namespace=self._namespace)
            except DocumentRefused:
                continue
            if len(self._good) >= CERTIFICATES_MAX:
                self._good.clear()
            self._good[text] = found
        return found if found is not None and (found.name, found.key) == (device, key) else None

    def _refuse(self, device: str, key: str, known: str | None) -> Denial:
        if known is None:
            return Denial(
                code=UNKNOWN_KEY,
                text=f"nobody vouches for the key ({fingerprint(key)}) with which {device} signs: "
                "it may be a camera of somebody else, or somebody who poses as it; ask its owner "
                "for a grant, or pair with it",
            )
        return Denial(
            code=CHANGED_KEY,
            text=f"{device} signs with another key ({fingerprint(key)}) than before "
            f"({fingerprint(known)}) and no owner vouches for the new one: somebody may pose as "
            "it. If the camera was set up anew, pair with it again; its line is in "
            f"{self._known.path}",
        )

    def _remember(self, device: str, key: str, version: int, serial: str) -> None:
        try:
            self._known.pin(device, key, version, serial=serial)
        except CredentialsError as error:
            # The picture counts more than the memory: the owner's signature is good today too.
            logger.warning("a camera's key cannot be remembered", extra=fields(reason=str(error)))


def _serial_of(known: KnownDevice | None, key: str) -> str:
    """Return by which certificate a key is known: one that is revoked takes its pin with it."""
    return known.serial if known is not None and known.key == key else ""
