"""The owner's one public document: what is revoked, and where the broker is now.

It must not know files or brokers: it reads and writes payloads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused, MalformedMessage, Unauthentic
from mqcam.protocol.fields import INTEGER_MAX, read_object
from mqcam.trust.documents import is_serial
from mqcam.trust.envelope import open_signed, signed
from mqcam.trust.signing import Purpose

if TYPE_CHECKING:
    from mqcam.trust.keys import SigningKey

PAYLOAD_MAX_BYTES = 60_000
"""Below the 64 KiB that the shipped broker takes."""
REVOKED_MAX = 4096
BROKERS_MAX = 16

_VERSION = 1
_KIND = "owner-state"
_CA_MAX_CHARS = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerState:
    """Say which serials are revoked and, after a move, how the broker is reached.

    A higher ``number`` replaces a lower one as a whole. ``brokers`` are URLs, empty as long as
    everybody's credentials still say it; ``ca`` holds the certificates (PEM) that may vouch for the
    broker, the coming one too.
    """

    number: int = 0
    revoked: tuple[str, ...] = ()
    brokers: tuple[str, ...] = ()
    ca: str = ""

    def issue(self, owner: SigningKey, topic: str) -> bytes:
        """Return the signed payload; raise DocumentRefused if nobody could use it."""
        body = json.dumps(
            {
                "v": _VERSION,
                "t": _KIND,
                "number": self.number,
                "revoked": list(self.revoked),
                "brokers": list(self.brokers),
                "ca": self.ca,
            },
            separators=(",", ":"),
        ).encode("utf-8")
        payload = signed(owner, Purpose.OWNER_STATE, topic, body)
        if len(payload) > PAYLOAD_MAX_BYTES or len(self.revoked) > REVOKED_MAX:
            raise DocumentRefused(
                "too-large",
                f"{len(self.revoked)} revocations are more than one state can hold: make a new "
                "owner key and new credentials for everybody",
            )
        read_owner_state(payload, topic, owner=owner.public)
        return payload


def read_owner_state(payload: bytes, topic: str, *, owner: str) -> OwnerState:
    """Return what the owner says in ``payload``; raise DocumentRefused."""
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise DocumentRefused("too-large", "the owner's state is too large")
    try:
        opened = open_signed(payload, topic, Purpose.OWNER_STATE)
    except Unauthentic as error:
        raise DocumentRefused("not-signed", f"the owner's state: {error}") from error
    if opened.key != owner:
        raise DocumentRefused("not-signed", "the owner's state is signed by somebody else")
    try:
        fields = read_object(opened.body)
        version = fields.integer("v", low=1, high=INTEGER_MAX)
        kind = fields.text("t", limit=32)
        state = OwnerState(
            number=fields.integer("number", low=0, high=INTEGER_MAX),
            revoked=fields.texts("revoked", count=REVOKED_MAX, limit=64),
            brokers=fields.texts("brokers", count=BROKERS_MAX, limit=512),
            ca=fields.text("ca", limit=_CA_MAX_CHARS, default=""),
        )
    except MalformedMessage as error:
        raise DocumentRefused("malformed", f"the owner's state cannot be read: {error}") from error
    if (kind, version) != (_KIND, _VERSION) or not all(map(is_serial, state.revoked)):
        raise DocumentRefused("malformed", "the owner's state is of a form that we do not know")
    return state
