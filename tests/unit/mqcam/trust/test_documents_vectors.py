"""The examples of what an owner signs that a second implementation can run, run here."""

from __future__ import annotations

import dataclasses

import pytest
from mqcam.errors import DocumentRefused
from mqcam.trust.documents import read_certificate, read_grant
from mqcam.trust.keys import SigningKey, decode, encode, signing_key_bytes
from mqcam.trust.ownerstate import OwnerState, read_owner_state
from mqcam.trust.signing import Purpose, sign
from support.vectors import Vector, load, name_of

DOCUMENTS = load("documents.json")


def document(vector: Vector, purpose: Purpose, place: str) -> str:
    """Sign the body of an example as its owner does."""
    body, said = vector["body"].encode(), vector["reads_as"]
    signature = sign(
        SigningKey.parse(vector["owner_secret"]),
        purpose,
        topic=f"{vector['namespace']}/v1/{place}/{said['name']}",
        body=body,
        recipient=signing_key_bytes(said["key"]),
    )
    return f"{encode(body)}.{encode(signature)}"


def listed(value: object) -> object:
    """Return a value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("vector", DOCUMENTS["certificates"], ids=name_of)
def test_a_certificate(vector: Vector) -> None:
    found = read_certificate(
        vector["document"], owner=vector["owner"], namespace=vector["namespace"]
    )
    assert dataclasses.asdict(found) == vector["reads_as"]
    assert document(vector, Purpose.CERTIFICATE, "d") == vector["document"]


@pytest.mark.parametrize("vector", DOCUMENTS["certificates_refused"], ids=name_of)
def test_a_certificate_that_is_refused(vector: Vector) -> None:
    with pytest.raises(DocumentRefused) as caught:
        read_certificate(vector["document"], owner=vector["owner"], namespace=vector["namespace"])
    assert caught.value.code == vector["code"]


@pytest.mark.parametrize("vector", DOCUMENTS["grants"], ids=name_of)
def test_a_grant(vector: Vector) -> None:
    found = read_grant(vector["document"], owner=vector["owner"], namespace=vector["namespace"])
    values = {name: listed(value) for name, value in dataclasses.asdict(found).items()}

    assert values == vector["reads_as"]
    assert {camera: found.covers(camera) for camera in vector["covers"]} == vector["covers"]
    assert document(vector, Purpose.GRANT, "v") == vector["document"]


@pytest.mark.parametrize("vector", DOCUMENTS["grants_refused"], ids=name_of)
def test_a_grant_that_is_refused(vector: Vector) -> None:
    with pytest.raises(DocumentRefused) as caught:
        read_grant(vector["document"], owner=vector["owner"], namespace=vector["namespace"])
    assert caught.value.code == vector["code"]


@pytest.mark.parametrize("vector", DOCUMENTS["owner_states"], ids=name_of)
def test_an_owner_state(vector: Vector) -> None:
    payload, said = bytes.fromhex(vector["payload_hex"]), vector["reads_as"]
    state = OwnerState(
        number=said["number"],
        revoked=tuple(said["revoked"]),
        brokers=tuple(said["brokers"]),
        ca=said["ca"],
    )

    assert read_owner_state(payload, vector["topic"], owner=vector["owner"]) == state


@pytest.mark.parametrize("vector", DOCUMENTS["owner_states_refused"], ids=name_of)
def test_an_owner_state_that_is_refused(vector: Vector) -> None:
    with pytest.raises(DocumentRefused) as caught:
        read_owner_state(
            bytes.fromhex(vector["payload_hex"]), vector["topic"], owner=vector["owner"]
        )
    assert caught.value.code == vector["code"]


def test_a_document_has_one_spelling() -> None:
    """Whoever respells its base64url makes another text of the same bytes, which is refused."""
    vector = DOCUMENTS["certificates"][0]
    body, _, signature = vector["document"].partition(".")
    last = signature[-1]
    respelled = f"{body}.{signature[:-1]}{chr(ord(last) + 1)}"

    assert len(decode(signature)) % 3 != 0
    with pytest.raises(DocumentRefused, match="base64url"):
        read_certificate(respelled, owner=vector["owner"], namespace=vector["namespace"])
