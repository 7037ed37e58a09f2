"""Whom this viewer believes: its own identity, its owner's word, and which cameras are real.

It must not know sessions: it is asked about names and keys, and tells when an answer changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused
from mqcam.protocol.topics import Namespace
from mqcam.trust.documents import read_grant
from mqcam.trust.envelope import ViewerEnvelope
from mqcam.trust.keystore import load_identity
from mqcam.trust.obedience import OwnerWord
from mqcam.trust.pins import KnownDevices
from mqcam.trust.places import KNOWN_DEVICES, OWNER_STATE, state_home, viewer_folder
from mqcam.trust.vouching import DeviceTrust

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.credentials import Credentials
    from mqcam.protocol.messages import Status
    from mqcam.protocol.verdict import Denial
    from mqcam.trust.documents import Grant
    from mqcam.trust.ownerstate import OwnerState


class Trust:
    """One viewer's identity, and its judgement of cameras.

    ``on_owner_state`` is called with each new word of the owner, ``on_new_identity`` with the name
    of a camera that changed its key with his word.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        on_owner_state: Callable[[OwnerState], None],
        on_new_identity: Callable[[str], None] = lambda _camera: None,
    ) -> None:
        namespace = credentials.namespace
        self.identity = load_identity(credentials, folder=state_home(), use_keyring=True)
        folder = viewer_folder(credentials.name, self.identity.public)
        self.envelope = ViewerEnvelope(self.identity, namespace)
        self.grant = credentials.grant or ""
        self._owner_key = credentials.owner
        self._namespace = namespace
        self._on_owner_state = on_owner_state
        self._devices = DeviceTrust(
            namespace=namespace,
            owner=credentials.owner,
            known=KnownDevices(folder / KNOWN_DEVICES),
            on_new_identity=on_new_identity,
        )
        self.owner = OwnerWord(
            topic=Namespace(namespace).owner_state(),
            owner=credentials.owner,
            path=folder / OWNER_STATE,
            on_state=self._obey,
            lowest=credentials.owner_number,
        )
        self._devices.obey(frozenset(self.owner.state.revoked))

    @property
    def granted(self) -> Grant | None:
        """Return what the owner grants this viewer; None where no owner's grant can be read."""
        if not self.grant or self._owner_key is None:
            return None
        try:
            return read_grant(self.grant, owner=self._owner_key, namespace=self._namespace)
        except DocumentRefused:
            return None  # the cameras say what is wrong with it

    def vouch(self, device: str, key: str, status: Status) -> Denial | None:
        """Return why the one who signed a camera's status is not that camera, or None."""
        return self._devices.vouch(device, key, status.certificate, status.v)

    def highest_version(self, device: str, key: str) -> int:
        """Return the highest wire version that a key of a camera was seen to sign."""
        return self._devices.highest_version(device, key)

    async def close(self) -> None:
        """Wait until what was learnt is written."""
        await asyncio.to_thread(self._wait)

    def _wait(self) -> None:
        self._devices.close()
        self.owner.close()

    def _obey(self, state: OwnerState) -> None:
        self._devices.obey(frozenset(state.revoked))
        self._on_owner_state(state)
