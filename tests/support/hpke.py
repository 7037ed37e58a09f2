"""HPKE (RFC 9180), base mode, with a chosen ephemeral key: what was sealed can be sealed again.

Written from the RFC beside the one of `cryptography`, which never seals twice alike. It must not
know what is sealed, nor be used outside tests.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY_BYTES, NONCE_BYTES, SECRET_BYTES = 16, 12, 32
KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
HPKE_SUITE = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x0020, 1, 1))
BASE_MODE = b"\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What both sides know: the encapsulated key, and what follows from it."""

    encapsulated: bytes
    shared_secret: bytes
    key: bytes
    nonce: bytes


def schedule(*, reader: X25519PublicKey, info: bytes, ephemeral: X25519PrivateKey) -> Schedule:
    """Return the sender's side of sections 4.1 and 5.1 for one reader."""
    encapsulated = ephemeral.public_key().public_bytes_raw()
    agreed = _extract(KEM_SUITE, b"", b"eae_prk", ephemeral.exchange(reader))
    shared = _expand(
        KEM_SUITE, agreed, b"shared_secret", encapsulated + reader.public_bytes_raw(), SECRET_BYTES
    )
    context = (
        BASE_MODE
        + _extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
        + _extract(HPKE_SUITE, b"", b"info_hash", info)
    )
    secret = _extract(HPKE_SUITE, shared, b"secret", b"")
    return Schedule(
        encapsulated=encapsulated,
        shared_secret=shared,
        key=_expand(HPKE_SUITE, secret, b"key", context, KEY_BYTES),
        nonce=_expand(HPKE_SUITE, secret, b"base_nonce", context, NONCE_BYTES),
    )


def seal(using: Schedule, plain: bytes, associated: bytes = b"") -> bytes:
    """Return the encapsulated key and the ciphertext of the first message."""
    return using.encapsulated + AESGCM(using.key).encrypt(using.nonce, plain, associated)


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + material, hashlib.sha256)


def _expand(suite: bytes, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    # Never more than one block of the hash is asked for, so that the counter is always 1.
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + context
    return hmac.digest(secret, labelled + b"\x01", hashlib.sha256)[:length]
