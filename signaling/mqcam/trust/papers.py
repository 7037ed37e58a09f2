"""Whether what a credentials file says of somebody fits together: identity, owner, document.

It must not know files: the values of one file come in, mistakes go out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused, KeyUnusable
from mqcam.trust.documents import Certificate, Grant, read_certificate, read_grant
from mqcam.trust.keys import SigningKey, is_signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mqcam.credentials import Credentials

_READERS: dict[str, Callable[..., Certificate | Grant]] = {
    "certificate": read_certificate,
    "grant": read_grant,
}
_OF_KIND = {"device": "certificate", "viewer": "grant"}


def mistakes(credentials: Credentials) -> Iterator[tuple[str, str]]:
    """Yield a key and a message for everything that does not fit; no message repeats a secret."""
    public = None
    try:
        public = public_identity(credentials)
    except KeyUnusable as error:
        yield "identity", str(error)
    if credentials.owner is not None and not is_signing_key(credentials.owner):
        yield "owner", "expected a public key: ed25519: and 43 characters of base64url"
        return
    own = _OF_KIND[credentials.kind]
    for key in _READERS:
        if getattr(credentials, key) is None:
            continue
        if key != own:
            yield key, f"belongs into the file of a {'viewer' if key == 'grant' else 'device'}"
        elif credentials.owner is None:
            yield "owner", f"is missing: the {key} is worth nothing without its key"
        else:
            yield from _document_mistakes(credentials, key, public)


def public_identity(credentials: Credentials) -> str | None:
    """Return the public key of the identity, None if it is not in the file; raise KeyUnusable."""
    identity = credentials.identity
    if identity is None or is_signing_key(identity):
        return identity
    return SigningKey.parse(identity).public


def _document_mistakes(
    credentials: Credentials, key: str, public: str | None
) -> Iterator[tuple[str, str]]:
    try:
        found = _READERS[key](
            getattr(credentials, key),
            owner=credentials.owner or "",
            namespace=credentials.namespace,
        )
    except DocumentRefused as error:
        yield key, f"{error}: ask the owner for a new file"
        return
    if found.name != credentials.name:
        yield key, f"is made for {found.name}, not for {credentials.name}"
    if public is not None and found.key != public:
        yield key, "is made for another key than the identity in this file"
