"""Keys as words: one spelling each, secrets in no message, nothing weak."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import KeyUnusable
from mqcam.trust.keys import (
    KEY_BYTES,
    SealingKey,
    SigningKey,
    decode,
    encode,
    fingerprint,
    is_signed,
    is_signing_key,
    sealing_key,
    signing_key_bytes,
    signing_key_text,
)

KEY = SigningKey(b"7" * KEY_BYTES)
FIELD, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
EIGHTH = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
OTHER_EIGHTH = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
WEAK = [
    (y | sign << 255).to_bytes(KEY_BYTES, "little")
    for y in (0, 1, FIELD - 1, FIELD, FIELD + 1, EIGHTH, OTHER_EIGHTH)
    for sign in (0, 1)
]


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_key_survives_its_words(seed: bytes) -> None:
    key = SigningKey(seed)
    again = SigningKey.parse(key.secret_text())
    assert (again.public, again.secret_text()) == (key.public, key.secret_text())
    assert signing_key_bytes(key.public) == key.public_bytes
    assert is_signed(b"x", key.sign(b"x"), again.public_bytes)


def test_new_keys_differ() -> None:
    assert len({SigningKey.generate().public for _ in range(8)}) == 8
    assert len({SealingKey.generate().public for _ in range(8)}) == 8


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,60}=?\n?", fullmatch=True))
def test_a_text_is_the_one_spelling_of_its_bytes_or_nothing(text: str) -> None:
    """Else a document could be written in two ways, and be new where it is known."""
    with contextlib.suppress(KeyUnusable):
        assert encode(decode(text)) == text


@given(st.binary(max_size=100))
def test_bytes_survive_their_text(data: bytes) -> None:
    assert decode(encode(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        KEY.secret_text(),
        "x25519:" + KEY.public[8:],
        KEY.public + "\n",
        " " + KEY.public,
        KEY.public + "=",
        KEY.public[:-1],
        KEY.public.upper(),
        KEY.public[8:],
        KEY.public[:-1] + "\u0661",
        "",
    ],
)
def test_anything_else_is_no_public_key(text: str) -> None:
    assert not is_signing_key(text)
    with pytest.raises(KeyUnusable):
        signing_key_bytes(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3cret",
        "ed25519-secret:s3cret",
        "ed25519-secret:" + "s3cret_" * 7,
        "s3cret:" + "A" * 43,
        KEY.public,
    ],
)
def test_unusable_secret_is_not_repeated(text: str) -> None:
    with pytest.raises(KeyUnusable) as caught:
        SigningKey.parse(text)
    assert "s3cret" not in str(caught.value)
    assert KEY.public[8:] not in str(caught.value)
    assert "s3cret" not in repr(caught.value.__cause__)


def test_private_keys_show_their_public_half_only() -> None:
    secret = KEY.secret_text().removeprefix("ed25519-secret:")
    sealing = SealingKey.generate()
    for shown in (repr(KEY), str(KEY), f"{KEY!r}", repr(vars(KEY)), repr([KEY])):
        assert secret not in shown
        assert (b"7" * KEY_BYTES).decode() not in shown
    assert repr(sealing) == f"SealingKey({sealing.public})"


def test_a_fingerprint_has_twelve_bytes_in_groups() -> None:
    assert [len(group) for group in fingerprint(KEY.public).split(" ")] == [4] * 6


@pytest.mark.parametrize("raw", WEAK, ids=bytes.hex)
def test_key_for_which_anybody_can_sign_is_no_key(raw: bytes) -> None:
    """OpenSSL takes such signatures: a grant for such a key would be a grant for everybody."""
    forged = b"\x01" + bytes(63)
    fooled = []
    for number in range(64):
        said = f"message {number}".encode()
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(forged, said)
            fooled.append(said)
        except InvalidSignature:
            continue
    assert fooled, "the library refuses by itself now"
    assert not any(is_signed(said, forged, raw) for said in fooled)
    assert not is_signing_key(signing_key_text(raw))
    with pytest.raises(KeyUnusable, match="anybody can sign"):
        signing_key_bytes(signing_key_text(raw))


def test_signature_has_one_form() -> None:
    """RFC 8032, 5.1.7: S below the order, else who saw one signature could make a second."""
    signature = KEY.sign(b"x")
    more = int.from_bytes(signature[32:], "little") + ORDER
    assert not is_signed(b"x", signature[:32] + more.to_bytes(32, "little"), KEY.public_bytes)


@given(st.binary(max_size=100), st.binary(max_size=70), st.binary(max_size=40))
def test_checking_a_signature_raises_nothing(data: bytes, signature: bytes, signer: bytes) -> None:
    assert not is_signed(data, signature, signer)


def test_a_sealing_key_is_not_read_from_a_signing_key() -> None:
    with pytest.raises(KeyUnusable):
        sealing_key(KEY.public)
