"""The examples of keys that a second implementation can run, run here."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from mqcam.errors import KeyUnusable
from mqcam.trust.keys import (
    SealingKey,
    SigningKey,
    decode,
    encode,
    fingerprint,
    is_signing_key,
    sealing_key,
    signing_key_bytes,
)
from support.vectors import Vector, load, name_of

KEYS = load("keys.json")


@pytest.mark.parametrize("vector", KEYS["signing"], ids=name_of)
def test_a_signing_key(vector: Vector) -> None:
    key = SigningKey.parse(vector["secret"])

    assert key.secret_text() == vector["secret"]
    assert (key.public, key.public_bytes.hex()) == (vector["public"], vector["public_hex"])
    assert signing_key_bytes(vector["public"]) == key.public_bytes
    assert fingerprint(vector["public"]) == vector["fingerprint"]


@pytest.mark.parametrize("vector", KEYS["sealing"], ids=name_of)
def test_a_sealing_key(vector: Vector) -> None:
    secret = bytes.fromhex(vector["secret_hex"])
    key = SealingKey(X25519PrivateKey.from_private_bytes(secret))

    assert (key.public, key.public_bytes.hex()) == (vector["public"], vector["public_hex"])
    assert sealing_key(vector["public"]).public_bytes_raw() == key.public_bytes


@pytest.mark.parametrize("vector", KEYS["invalid_signing"], ids=name_of)
def test_what_is_no_signing_key(vector: Vector) -> None:
    assert not is_signing_key(vector["text"])
    with pytest.raises(KeyUnusable):
        signing_key_bytes(vector["text"])


@pytest.mark.parametrize("vector", KEYS["base64url"], ids=lambda vector: vector["hex"])
def test_base64url(vector: Vector) -> None:
    assert encode(bytes.fromhex(vector["hex"])) == vector["text"]
    assert decode(vector["text"]) == bytes.fromhex(vector["hex"])


@pytest.mark.parametrize("text", KEYS["base64url_invalid"])
def test_base64url_of_another_form(text: str) -> None:
    with pytest.raises(KeyUnusable):
        decode(text)
