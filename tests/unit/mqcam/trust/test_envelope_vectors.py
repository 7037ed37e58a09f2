"""The examples of signed and sealed payloads that a second implementation can run, run here."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from mqcam.errors import Unauthentic
from mqcam.protocol.envelope import Opened, Recipient
from mqcam.trust.envelope import open_sealed, open_signed, sealed, signed
from mqcam.trust.keys import SealingKey, SigningKey, sealing_key, signing_key_bytes
from mqcam.trust.signing import Purpose, is_valid, sign, statement
from support import hpke
from support.vectors import Vector, load, name_of

ENVELOPES = load("envelopes.json")
SECRETS = {key["public"]: SigningKey.parse(key["secret"]) for key in load("keys.json")["signing"]}


def sealing(hexadecimal: str) -> SealingKey:
    """Return the private sealing key of an example."""
    return SealingKey(X25519PrivateKey.from_private_bytes(bytes.fromhex(hexadecimal)))


@pytest.mark.parametrize("vector", ENVELOPES["statements"], ids=name_of)
def test_a_statement(vector: Vector) -> None:
    key, purpose, body = (
        SigningKey.parse(vector["secret"]),
        Purpose(vector["purpose"]),
        bytes.fromhex(vector["body_hex"]),
    )
    recipient = signing_key_bytes(vector["recipient"]) if vector["recipient"] else b""
    reply_key = b""
    if vector["reply_key"]:
        reply_key = sealing_key(vector["reply_key"]).public_bytes_raw()
    said = statement(
        purpose,
        key.public_bytes,
        topic=vector["topic"],
        body=body,
        recipient=recipient,
        reply_key=reply_key,
    )
    signature = bytes.fromhex(vector["signature_hex"])
    parts = {
        "topic": vector["topic"],
        "body": body,
        "recipient": recipient,
        "reply_key": reply_key,
    }

    assert said.hex() == vector["statement_hex"]
    assert sign(key, purpose, **parts) == signature
    assert is_valid(signature, key.public_bytes, purpose, **parts)


@pytest.mark.parametrize("vector", ENVELOPES["signed"], ids=name_of)
def test_a_signed_payload(vector: Vector) -> None:
    key, purpose = SigningKey.parse(vector["secret"]), Purpose(vector["purpose"])
    body, payload = vector["body"].encode(), bytes.fromhex(vector["payload_hex"])

    assert signed(key, purpose, vector["topic"], body) == payload
    assert open_signed(payload, vector["topic"], purpose) == Opened(body=body, key=vector["key"])


@pytest.mark.parametrize("vector", ENVELOPES["signed_unauthentic"], ids=name_of)
def test_a_payload_that_is_not_signed(vector: Vector) -> None:
    payload = bytes.fromhex(vector["payload_hex"])
    with pytest.raises(Unauthentic):
        open_signed(payload, vector["topic"], Purpose(vector["purpose"]))


@pytest.mark.parametrize("vector", ENVELOPES["hpke"], ids=name_of)
def test_hpke_of_the_tests_is_that_of_the_standard(vector: Vector) -> None:
    raw = {name: bytes.fromhex(value) for name, value in vector.items() if name != "name"}
    schedule = hpke.schedule(
        reader=X25519PrivateKey.from_private_bytes(raw["reader_secret_hex"]).public_key(),
        info=raw["info_hex"],
        ephemeral=X25519PrivateKey.from_private_bytes(raw["ephemeral_secret_hex"]),
    )
    sealed_text = hpke.seal(schedule, raw["plain_hex"], raw["associated_hex"])

    assert schedule == hpke.Schedule(
        encapsulated=raw["encapsulated_hex"],
        shared_secret=raw["shared_secret_hex"],
        key=raw["key_hex"],
        nonce=raw["nonce_hex"],
    )
    assert sealed_text == raw["encapsulated_hex"] + raw["ciphertext_hex"]


@pytest.mark.parametrize("vector", ENVELOPES["sealed"], ids=name_of)
def test_a_sealed_payload_is_opened(vector: Vector) -> None:
    opened = open_sealed(
        bytes.fromhex(vector["payload_hex"]),
        vector["topic"],
        sealing(vector["reader_seal_secret_hex"]),
        reader=SECRETS[vector["reader"]],
    )
    expected = vector["opens_as"]

    assert opened == Opened(
        body=expected["body"].encode(), key=expected["key"], seal_key=expected["seal_key"]
    )


@pytest.mark.parametrize("vector", ENVELOPES["sealed"], ids=name_of)
def test_a_sealed_payload_is_made_again_with_the_same_ephemeral_key(vector: Vector) -> None:
    schedule = hpke.schedule(
        reader=sealing_key(vector["reader_seal_key"]),
        info=vector["info"].encode(),
        ephemeral=sealing(vector["ephemeral_secret_hex"]).private,
    )
    payload = b"\x02" + hpke.seal(schedule, bytes.fromhex(vector["plain_hex"]))

    assert schedule.shared_secret.hex() == vector["shared_secret_hex"]
    assert (schedule.key.hex(), schedule.nonce.hex()) == (vector["key_hex"], vector["nonce_hex"])
    assert payload.hex() == vector["payload_hex"]


@pytest.mark.parametrize("vector", ENVELOPES["sealed"], ids=name_of)
def test_what_we_seal_differs_from_the_example_in_the_ephemeral_key_only(vector: Vector) -> None:
    key = SigningKey.parse(vector["secret"])
    payload = sealed(
        key,
        vector["topic"],
        vector["body"].encode(),
        Recipient(key=vector["reader"], seal_key=vector["reader_seal_key"]),
        reply_key=sealing(vector["reply_secret_hex"]),
    )
    opened = open_sealed(
        payload,
        vector["topic"],
        sealing(vector["reader_seal_secret_hex"]),
        reader=SECRETS[vector["reader"]],
    )

    assert len(payload) == len(vector["payload_hex"]) // 2
    assert opened.body == vector["body"].encode()


@pytest.mark.parametrize("vector", ENVELOPES["sealed_unauthentic"], ids=name_of)
def test_a_payload_that_is_not_sealed_to_us(vector: Vector) -> None:
    payload = bytes.fromhex(vector["payload_hex"])
    with pytest.raises(Unauthentic):
        open_sealed(
            payload,
            vector["topic"],
            sealing(vector["reader_seal_secret_hex"]),
            reader=SECRETS[vector["reader"]],
        )
