"""The seam behind which messages are signed and sealed.

It must not know any cryptography: `mqcam.trust` fills it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Hold a body whose sender is proven.

    ``key`` is the sender's public signing key, ``seal_key`` the public key to which a reply is
    sealed; the latter is empty for what everybody may read.
    """

    body: bytes
    key: str
    seal_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Name the one reader of a message: his public signing key and the key to seal to."""

    key: str
    seal_key: str


class Envelope(Protocol):
    """Turn bodies into payloads that only the right reader accepts, and back."""

    def open(self, topic: str, payload: bytes) -> Opened:
        """Return the body and its sender's keys; raise `mqcam.errors.Unauthentic` else."""
        ...

    def seal(self, topic: str, body: bytes, recipient: Recipient | None) -> bytes:
        """Return the payload to publish; without ``recipient`` everybody may read it.

        Raises LocalProtocolError for keys that nothing can be sealed to.
        """
        ...

    def forget(self, topic: str) -> None:
        """Note that the session that writes on ``topic`` is over, with its keys."""
        ...
