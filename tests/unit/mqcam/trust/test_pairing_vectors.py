"""The examples of pairing that a second implementation can run, run here."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from mqcam.protocol.codec import body_hash, decode
from mqcam.protocol.messages import Pair
from mqcam.trust.keys import encode
from mqcam.trust.pairing import Parties, device_proof, viewer_proof
from support.vectors import Vector, load, name_of

PROOFS = load("pairing.json")["proofs"]
PARTIES = ("namespace", "device", "device_key", "viewer", "viewer_key", "session")


@pytest.mark.parametrize("vector", PROOFS, ids=name_of)
def test_both_proofs(vector: Vector) -> None:
    secret = bytes.fromhex(vector["secret_hex"])
    parties = Parties(**{name: vector[name] for name in PARTIES})
    body = vector["pair_body"].encode()
    let_in = device_proof(secret, parties, re=vector["re"], rights=vector["rights"])

    assert viewer_proof(secret, parties) == vector["viewer_mac"]
    assert decode(body) == Pair(mac=vector["viewer_mac"])
    assert body_hash(body) == vector["re"]
    assert let_in == vector["device_mac"]


@pytest.mark.parametrize("role", ["viewer", "device"])
@pytest.mark.parametrize("vector", PROOFS, ids=name_of)
def test_a_proof_is_made_as_its_steps_say(vector: Vector, role: str) -> None:
    info = f"mqcam/1 pairing {role}".encode()
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(
        bytes.fromhex(vector["secret_hex"])
    )
    data = bytes.fromhex(vector[f"{role}_proof_data_hex"])

    assert key.hex() == vector[f"{role}_proof_key_hex"]
    assert encode(hmac.digest(key, data, hashlib.sha256)) == vector[f"{role}_mac"]


def test_everything_that_is_agreed_on_changes_the_proofs() -> None:
    """All but the rights are in the viewer's proof, the rights too in the device's."""
    usual, *others = PROOFS
    changed = [each for each in others if "right" not in each["name"]]

    assert usual["viewer_mac"] not in [each["viewer_mac"] for each in changed]
    assert len({each["device_mac"] for each in PROOFS}) == len(PROOFS)
