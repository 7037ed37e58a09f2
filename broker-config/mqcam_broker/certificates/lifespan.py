"""When certificates are to be renewed, and which authority signs: decided from their bytes alone.

It must not know files. ``ca.crt`` holds the authority that signs and, after two thirds of its life,
the coming one too; everybody learns both long before the coming one signs anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from mqcam_broker.certificates.authority import AUTHORITY_LIFE, SERVER_LIFE, Identity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

KNOWN_AFTER = timedelta(days=90)
"""How long the coming authority is announced before it signs: who was never online meanwhile needs
new credentials."""
LAST_YEAR = timedelta(days=365)
"""An authority with less than this left may end without its successor being known to all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """The authority that signs, and the one that will; the second may be missing."""

    current: Identity
    coming: Identity | None = None

    @property
    def bundle(self) -> bytes:
        """Return the certificates that may vouch for the broker."""
        coming = self.coming.certificate if self.coming is not None else b""
        return self.current.certificate + coming

    def signer(self, now: datetime) -> Identity:
        """Return who signs a certificate today."""
        if self.coming is None:
            return self.current
        is_known = now - _made(self.coming) >= KNOWN_AFTER
        return self.coming if is_known or _left(self.current, now) < LAST_YEAR else self.current

    def needs_coming(self, now: datetime) -> bool:
        """Tell whether two thirds of the life are over and nobody comes after it."""
        return self.coming is None and _left(self.current, now) < AUTHORITY_LIFE / 3


def read_authorities(bundle: bytes, keys: Iterable[bytes]) -> Authorities:
    """Return what a bundle of certificates and the keys beside it are; raise ValueError.

    Certificate and key are matched by what they are, not by their order, so that an interrupted
    change of authority is no damage.
    """
    by_public = {_public_bytes(key): key for key in keys}
    found = []
    for certificate in x509.load_pem_x509_certificates(bundle):
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        key = by_public.get(_public_of(certificate))
        if key is not None:
            found.append(Identity(certificate=pem, key=key))
    if not found:
        raise ValueError("no certificate belongs to the authority's key")
    return Authorities(current=found[0], coming=found[1] if len(found) > 1 else None)


def is_due(server: Identity, now: datetime) -> bool:
    """Tell whether two thirds of the life of the broker's certificate are over."""
    return _left(server, now) < SERVER_LIFE / 3


def is_pair(server: Identity) -> bool:
    """Tell whether key and certificate belong together: they are two files."""
    return _public_of(_loaded(server.certificate)) == _public_bytes(server.key)


def is_signed_by(certificate: bytes, authority: Identity) -> bool:
    """Tell whether ``authority`` has signed a certificate."""
    try:
        _loaded(certificate).verify_directly_issued_by(_loaded(authority.certificate))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _made(identity: Identity) -> datetime:
    # Not its beginning, which is 1970 for cameras without a clock.
    return _loaded(identity.certificate).not_valid_after_utc - AUTHORITY_LIFE


def _left(identity: Identity, now: datetime) -> timedelta:
    return _loaded(identity.certificate).not_valid_after_utc - now


def _loaded(certificate: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate)


def _public_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _public_bytes(key: bytes) -> bytes:
    private = serialization.load_pem_private_key(key, password=None)
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
