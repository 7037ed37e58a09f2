"""What the owner decided for one broker and may edit: broker.yaml in its directory.

It must not know mosquitto's own configuration, which stands in mosquitto.conf.
"""
# No ``from __future__ import annotations``: mqcam.config reads these annotations at run time.

import json
from collections.abc import Iterable
from dataclasses import dataclass

from mqcam.broker import BrokerAddress
from mqcam.errors import BrokerAddressError
from mqcam.protocol.topics import is_id

from mqcam_broker.folder.names import OWNER


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerDecisions:
    """What every credentials file of this broker says."""

    addresses: tuple[str, ...]
    """URLs under which devices and viewers reach the broker, tried together."""
    namespace: str = "mqcam"
    """The first level of every topic."""
    public_certificate: bool = False
    """The broker shows a certificate of an authority that every system knows, not of its own."""
    existing: bool = False
    """The broker is somebody else's: this directory knows members, and runs nothing."""
    shared_user: str | None = None
    """The one account of an existing broker that everybody uses; None: each has one."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield a key and a message for every value that no client could use."""
        if not self.addresses:
            yield "addresses", "give at least one, for example mqtts://nas.local:8883"
        for address in self.addresses:
            try:
                BrokerAddress.parse(address)
            except BrokerAddressError as error:
                yield "addresses", str(error)
        if self.shared_user is not None and not self.existing:
            yield "shared_user", "only an existing broker has one; delete the line"
        if self.shared_user is not None and not (
            self.shared_user and self.shared_user.isprintable()
        ):
            yield "shared_user", "is one line of text"  # it goes into rules that somebody pastes
        if not is_id(self.namespace):
            yield "namespace", "use 1 to 64 letters (A-Z), digits, '-' and '_'"

    @property
    def owner_user(self) -> str:
        """Return the broker's user who writes the owner's state."""
        return self.shared_user or OWNER

    def text(self) -> str:
        """Return the file's text."""
        # Quoted, because YAML reads a bare namespace 007 or no as something else than text.
        addresses = "".join(f"  - {json.dumps(address)}\n" for address in self.addresses)
        return (
            "# Goes into every credentials file that mqcam-broker writes from now on; files\n"
            "# written before keep what they have.\n"
            f"addresses:\n{addresses}"
            "# Everybody's credentials name it, and fleet.acl where that is used: it stays.\n"
            f"namespace: {json.dumps(self.namespace)}\n"
            "# Whether server.crt is of a public authority, not of this broker's own ca.crt.\n"
            f"public_certificate: {json.dumps(self.public_certificate)}\n" + self._existing_text()
        )

    def _existing_text(self) -> str:
        if not self.existing:
            return ""
        text = (
            "# The broker is somebody else's; see mqcam-broker export --existing.\nexisting: true\n"
        )
        if self.shared_user is None:
            return text
        return (
            f"{text}# Everybody logs in as this one.\nshared_user: {json.dumps(self.shared_user)}\n"
        )
