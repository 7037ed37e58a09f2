"""The seam behind which messages are signed and sealed.

It must not know any cryptography: `mqcam.trust` fills it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Hold a body whose sender is proven; ``key`` is the sender's public key."""

    body: bytes
    key: str


class Envelope(Protocol):
    """Turn bodies into payloads that only the right reader accepts, and back."""

    def open(self, topic: str, payload: bytes) -> Opened:
        """Return the body and its sender's key; raise `mqcam.errors.Unauthentic` else."""
        ...

    def seal(self, topic: str, body: bytes, recipient_key: str) -> bytes:
        """Return the payload to publish; an empty ``recipient_key`` means readable by all."""
        ...
