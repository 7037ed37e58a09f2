"""What a signature covers: the exact bytes, and everything that says what they are for.

It must not know what the bytes mean.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from mqcam.trust.keys import SigningKey, is_signed

if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTH_BYTES = 4


class Purpose(StrEnum):
    """For what something was signed; a signature for one is worthless for another."""

    MESSAGE = "message"
    STATUS = "status"
    GRANT = "grant"
    CERTIFICATE = "certificate"
    OWNER_STATE = "owner-state"


def sign(
    key: SigningKey,
    purpose: Purpose,
    *,
    topic: str,
    body: bytes,
    recipient: bytes = b"",
    reply_key: bytes = b"",
) -> bytes:
    """Return the signature of ``body`` for one purpose, topic and reader."""
    return key.sign(
        statement(
            purpose,
            key.public_bytes,
            topic=topic,
            body=body,
            recipient=recipient,
            reply_key=reply_key,
        )
    )


def is_valid(
    signature: bytes,
    signer: bytes,
    purpose: Purpose,
    *,
    topic: str,
    body: bytes,
    recipient: bytes = b"",
    reply_key: bytes = b"",
) -> bool:
    """Tell whether ``signer`` signed exactly this."""
    said = statement(
        purpose, signer, topic=topic, body=body, recipient=recipient, reply_key=reply_key
    )
    return is_signed(said, signature, signer)


def statement(
    purpose: Purpose,
    signer: bytes,
    *,
    topic: str,
    body: bytes,
    recipient: bytes = b"",
    reply_key: bytes = b"",
) -> bytes:
    """Return the bytes that are signed (docs/protocol.md 3): each part with its length before it.

    ``recipient`` is the reader's public signing key and ``reply_key`` the key to which the reader
    is to seal what it replies; both are empty for what everybody may read.
    """
    context = f"mqcam/1 {purpose}".encode("ascii")
    return framed((context, topic.encode("utf-8"), signer, recipient, reply_key, body))


def framed(parts: Iterable[bytes]) -> bytes:
    """Return the parts as one, each with its length before it: no two lists look the same."""
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts)
