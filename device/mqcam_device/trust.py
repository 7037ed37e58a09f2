"""Whom this device believes: its own identity, its owner's word, and who may watch.

It must not know sessions: it is asked about names and keys, and tells when an answer changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mqcam.protocol.topics import Namespace
from mqcam.trust.envelope import DeviceEnvelope
from mqcam.trust.keystore import load_identity
from mqcam.trust.obedience import OwnerWord
from mqcam.trust.pins import AuthorizedViewers
from mqcam.trust.rights import ViewerTrust

from mqcam_device.wallclock import believable_second

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mqcam.credentials import Credentials
    from mqcam.protocol.messages import Offer
    from mqcam.protocol.verdict import Denial
    from mqcam.trust.ownerstate import OwnerState

AUTHORIZED_VIEWERS = "{name}.authorized_viewers"
OWNER_STATE = "{name}.owner_state"


class Trust:
    """One device's identity, and its judgement of viewers.

    ``on_owner_state`` is called with each new word of the owner, not with the remembered one.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        folder: Path,
        on_owner_state: Callable[[OwnerState], None],
    ) -> None:
        name, namespace = credentials.name, credentials.namespace
        self.identity = load_identity(credentials, folder=folder, use_keyring=False)
        self.envelope = DeviceEnvelope(self.identity, namespace)
        self.certificate = credentials.certificate or ""
        self.authorized = AuthorizedViewers(folder / AUTHORIZED_VIEWERS.format(name=name))
        self._on_owner_state = on_owner_state
        self._viewers = ViewerTrust(
            namespace=namespace,
            device=name,
            owner=credentials.owner,
            authorized=self.authorized,
            second=believable_second,
        )
        self.owner = OwnerWord(
            topic=Namespace(namespace).owner_state(),
            owner=credentials.owner,
            path=folder / OWNER_STATE.format(name=name),
            on_state=self._obey,
            lowest=credentials.owner_number,
        )
        self._viewers.obey(frozenset(self.owner.state.revoked))

    def authorize(self, viewer: str, key: str, offer: Offer) -> frozenset[str] | Denial:
        """Return what a viewer may do, or why it may nothing."""
        return self._viewers.authorize(viewer, key, offer.grant)

    async def close(self) -> None:
        """Wait until the owner's word is written."""
        await asyncio.to_thread(self.owner.close)

    def _obey(self, state: OwnerState) -> None:
        self._viewers.obey(frozenset(state.revoked))
        self._on_owner_state(state)
