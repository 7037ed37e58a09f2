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
from mqcam.trust.pins import KnownDevice
from mqcam.trust.scribe import Scribe
from mqcam.trust.signers import Signers

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.trust.documents import Certificate
    from mqcam.trust.pins import KnownDevices

logger = logging.getLogger(__name__)

CERTIFICATES_MAX = 1024
"""Certificates whose signature was found good, remembered; a full memory forgets all."""


class DeviceTrust:
    """Judge devices for one viewer, and remember those that were vouched for.

    What it remembers counts at once and is written beside the event loop: a power cut in between
    costs nothing but the memory, as the owner's signature is there again with the next status.
    ``on_new_identity`` hears once of each device for whose new key the owner vouches.
    """

    def __init__(
        self,
        *,
        namespace: str,
        owner: str | None,
        known: KnownDevices,
        on_new_identity: Callable[[str], None] = lambda _device: None,
    ) -> None:
        self._known = known
        self._on_new_identity = on_new_identity
        self._revoked: frozenset[str] = frozenset()
        self._signers = Signers(
            read_certificate,
            namespace=namespace,
            owner=owner,
            known=known,
            good_max=CERTIFICATES_MAX,
        )
        self._told: set[tuple[str, str]] = set()
        self._trouble = ""
        self._scribe = Scribe(self._save, name="known devices")

    def obey(self, revoked: frozenset[str]) -> None:
        """Take the serials that the owner has revoked."""
        self._revoked = revoked

    def highest_version(self, device: str, key: str) -> int:
        """Return the highest wire version that a key of a device was seen to sign, at least 1."""
        return self._known.highest_version(device, key)

    def vouch(self, device: str, key: str, certificate: str, version: int) -> Denial | None:
        """Return why ``key`` is not the key of ``device``, or None; remember one that is."""
        known = self._known.find(device)
        vouched, flaw = self._read(device, key, certificate)
        serial = vouched.serial if vouched is not None else _serial_of(known, key)
        if serial in self._revoked:
            return Denial(
                code=Code.REVOKED_KEY.value,
                text=f"the owner has revoked the identity of {device}: it was removed or replaced; "
                "a new camera of that name is watched as soon as it is there",
            )
        if vouched is None and (known is None or known.key != key):
            return self._refusal(device, key, known.key if known else None, flaw)
        if known is not None and known.key != key:
            self._tell_change(device, known.key, key)
        highest = max(version, self._known.highest_version(device, key))
        now = KnownDevice(name=device, key=key, version=highest, serial=serial)
        if now != known:
            self._remember(now)
        return None

    def close(self) -> None:
        """Wait until what was remembered is written."""
        self._scribe.close()

    def _read(self, device: str, key: str, text: str) -> tuple[Certificate | None, str]:
        """Return the certificate if it vouches for this name and key, else why it does not."""
        if not text:
            return None, ""
        if not self._signers.keys:
            return None, "this viewer knows no owner whose certificates count"
        try:
            found = self._signers.read(text)
        except DocumentRefused as error:
            return None, error.text
        if (found.name, found.key) == (device, key):
            return found, ""
        return None, f"the certificate that it shows is made for {found.name} or another key"

    def _refusal(self, device: str, key: str, known: str | None, flaw: str) -> Denial:
        because = f" ({flaw})" if flaw else ""
        if known is None:
            return Denial(
                code=Code.UNKNOWN_KEY.value,
                text=f"nobody vouches for the key {fingerprint(key)} with which {device} signs"
                f"{because}: it may be somebody else's camera, or somebody who poses as it; "
                "ask its owner for a grant, or pair with it",
            )
        return Denial(
            code=Code.CHANGED_KEY.value,
            text=f"the camera {device} signs with the key {fingerprint(key)}, was known by "
            f"{fingerprint(known)}, and no owner vouches for the new one{because}: somebody may "
            "pose as it. If it was set up anew, pair with it again, which replaces the key, or its "
            "owner runs 'mqcam-broker add-device --replace'",
        )

    def _tell_change(self, device: str, was: str, now: str) -> None:
        if (device, now) in self._told:  # a broker that replays could fill the log with them
            return
        if len(self._told) >= CERTIFICATES_MAX:
            self._told.clear()
        self._told.add((device, now))
        logger.warning(
            "the camera has a new identity, vouched for by the owner",
            extra=fields(camera=device, was=fingerprint(was), now=fingerprint(now)),
        )
        self._on_new_identity(device)

    def _remember(self, device: KnownDevice) -> None:
        try:
            self._known.notice(device)
        except CredentialsError as error:
            self._tell_trouble(str(error))
        else:
            self._scribe.request()

    def _save(self) -> None:
        try:
            self._known.save()
        except CredentialsError as error:
            self._tell_trouble(str(error))
        else:
            self._trouble = ""

    def _tell_trouble(self, text: str) -> None:
        # The picture counts more than the memory: the owner's signature is good today too.
        if text != self._trouble:
            self._trouble = text
            logger.warning("a camera's key cannot be remembered", extra=fields(reason=text))


def _serial_of(known: KnownDevice | None, key: str) -> str:
    """Return by which certificate a key is known: one that is revoked takes its pin with it."""
    return known.serial if known is not None and known.key == key else ""
