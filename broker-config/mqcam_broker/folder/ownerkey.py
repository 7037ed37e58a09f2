"""The owner's signing key: made once, kept where the owner likes, never needed by what runs.

It must not know what is signed with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.errors import CredentialsError, KeyUnusable
from mqcam.files import read_bounded, read_private, reason
from mqcam.trust.keys import SigningKey, fingerprint, is_signing_key

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "MQCAM_OWNER_KEY"
"""The environment variable that names the key's file where --owner-key does not."""

_ELSEWHERE = f"give the file with --owner-key FILE or {VARIABLE}, or take it from a backup"


def read_owner_key(path: Path, *, public: str | None = None) -> SigningKey:
    """Return the owner's key; raise CredentialsError, also when it is not that of ``public``."""
    try:
        text = read_private(path).decode("ascii").strip()
        key = SigningKey.parse(text)
    except FileNotFoundError as error:
        raise CredentialsError(str(path), f"the owner's key is not there; {_ELSEWHERE}") from error
    except OSError as error:
        raise CredentialsError(str(path), f"the owner's key {reason(error)}") from error
    except (KeyUnusable, UnicodeDecodeError):
        state = "damaged" if path.stat().st_size else "empty"
        text = f"the owner's key is {state}; take it from a backup: a new one would be a stranger"
        raise CredentialsError(str(path), text) from None  # its cause has seen the secret
    if public is not None and key.public != public:
        raise CredentialsError(
            str(path),
            f"this is another owner's key ({fingerprint(key.public)}); this broker's owner is "
            f"{fingerprint(public)}; {_ELSEWHERE}",
        )
    return key


def read_owner_public(path: Path) -> str:
    """Return the public half, which stands in every credentials file; raise CredentialsError."""
    try:
        text = read_bounded(path).decode("ascii", "replace").strip()
    except OSError as error:
        raise CredentialsError(str(path), reason(error)) from error
    if not is_signing_key(text):
        raise CredentialsError(str(path), "holds no public key; take it from a backup")
    return text
