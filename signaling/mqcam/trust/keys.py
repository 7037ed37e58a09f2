"""Keys and how they are written: Ed25519 to sign with, X25519 to be sealed to.

It must not know what is signed, nor where keys are kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from mqcam.errors import KeyUnusable

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_KEY_TEXT = re.compile(r"([a-z0-9-]+):([A-Za-z0-9_-]{43})")
_FIELD = 2**255 - 19
# The y of the points whose order divides 8: for such a key anybody can make signatures that hold,
# and OpenSSL takes them.
_WEAK = frozenset(
    {
        *(0, 1, _FIELD - 1),
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    }
)
_SIGNING = "ed25519"
_SIGNING_SECRET = "ed25519-secret"  # noqa: S105 - what stands before one
_SEALING = "x25519"
_KINDS = (_SIGNING, _SIGNING_SECRET, _SEALING)


class SigningKey:
    """A private Ed25519 key (RFC 8032): whoever holds it is somebody."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_bytes = self._key.public_key().public_bytes_raw()
        self.public = signing_key_text(self.public_bytes)

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``secret_text`` returned; raise KeyUnusable, which never repeats it."""
        return cls(_read(text, _SIGNING_SECRET))

    def __repr__(self) -> str:
        return f"SigningKey({self.public})"

    def secret_text(self) -> str:
        """Return the key as one word for a file that only its owner reads."""
        return f"{_SIGNING_SECRET}:{encode(self._key.private_bytes_raw())}"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``, 64 bytes."""
        return self._key.sign(data)


class SealingKey:
    """A private X25519 key (RFC 7748) to which others seal; it is never stored."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self.private = private
        self.public_bytes = private.public_key().public_bytes_raw()
        self.public = sealing_key_text(self.public_bytes)

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(X25519PrivateKey.generate())

    def __repr__(self) -> str:
        return f"SealingKey({self.public})"


def is_signed(data: bytes, signature: bytes, signer: bytes) -> bool:
    """Tell whether the holder of the public key ``signer`` (32 bytes) signed ``data``."""
    if _is_weak(signer):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing_key_text(raw: bytes) -> str:
    """Return a public signing key as one word: ``ed25519:`` and base64url."""
    return f"{_SIGNING}:{encode(raw)}"


def signing_key_bytes(text: str) -> bytes:
    """Return the 32 bytes of a public signing key; raise KeyUnusable."""
    raw = _read(text, _SIGNING)
    if _is_weak(raw):
        raise KeyUnusable("for this key anybody can sign")
    return raw


def sealing_key_text(raw: bytes) -> str:
    """Return a public sealing key as one word: ``x25519:`` and base64url."""
    return f"{_SEALING}:{encode(raw)}"


def sealing_key(text: str) -> X25519PublicKey:
    """Return a public sealing key; raise KeyUnusable."""
    return X25519PublicKey.from_public_bytes(_read(text, _SEALING))


def is_signing_key(text: str) -> bool:
    """Tell whether ``text`` is a public signing key as one word."""
    try:
        signing_key_bytes(text)
    except KeyUnusable:
        return False
    return True


def fingerprint(public: str) -> str:
    """Return 24 hexadecimal digits in groups of four by which people compare a public key.

    They are the first 96 bits of SHA-256 over the key's 32 bytes.
    """
    digest = hashlib.sha256(signing_key_bytes(public)).hexdigest()[:24]
    return " ".join(digest[at : at + 4] for at in range(0, 24, 4))


def encode(data: bytes) -> str:
    """Return base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return what ``encode`` was given; raise KeyUnusable for anything that it never returns."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyUnusable("it is not base64url") from error
    if encode(data) != text:  # one value, one spelling: else a document could be respelled
        raise KeyUnusable("it is not base64url in its one form")
    return data


def _is_weak(raw: bytes) -> bool:
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return y >= _FIELD or y in _WEAK  # RFC 8032, 5.1.3: not below the prime is no key at all


def _read(text: str, kind: str) -> bytes:
    match = _KEY_TEXT.fullmatch(text)
    if match is None:
        raise KeyUnusable(f"expected {kind}: and 43 characters of base64url")
    if match[1] != kind:
        # What nobody knows may be the beginning of somebody's secret.
        found = f", not with {match[1]}:" if match[1] in _KINDS else ""
        raise KeyUnusable(f"expected a key that begins with {kind}:{found}")
    return decode(match[2])
