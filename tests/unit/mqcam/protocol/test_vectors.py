"""The vectors that a second implementation can run, run here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mqcam.errors import MalformedMessage, UnsupportedVersion
from mqcam.protocol.candidates import refusal
from mqcam.protocol.codec import body_hash, decode, encode
from mqcam.protocol.topics import Namespace, new_session_id

VECTORS = Path(__file__).parents[3] / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


TOPICS = load("topics.json")
MESSAGES = load("messages.json")
CANDIDATES = load("candidates.json")


@pytest.mark.parametrize("vector", TOPICS["topics"], ids=lambda vector: str(vector["topic"]))
def test_topic_vectors(vector: dict[str, str | None]) -> None:
    names = Namespace("mqcam").parse(str(vector["topic"]))
    if names is None:
        assert vector["kind"] is None
        return
    assert names.kind.value == vector["kind"]
    for field in ("device", "viewer", "session"):
        assert getattr(names, field) == vector.get(field, "")


def test_id_vectors() -> None:
    for vector in TOPICS["ids"]:
        assert new_session_id(bytes.fromhex(vector["random_hex"])) == vector["session"]


@pytest.mark.parametrize("vector", MESSAGES["valid"], ids=lambda vector: str(vector["name"]))
def test_valid_message_vectors(vector: dict[str, Any]) -> None:
    body = vector["body"].encode()
    assert body_hash(body) == vector["sha256_base64url"]
    assert json.loads(encode(decode(body))) == vector["reads_as"]


@pytest.mark.parametrize("vector", MESSAGES["invalid"], ids=lambda vector: str(vector["name"]))
def test_invalid_message_vectors(vector: dict[str, str]) -> None:
    with pytest.raises((MalformedMessage, UnsupportedVersion)) as caught:
        decode(vector["body"].encode())
    assert caught.value.code == vector["code"]


@pytest.mark.parametrize("candidate", CANDIDATES["try"])
def test_vectors_of_candidates_to_try(candidate: str) -> None:
    assert refusal(candidate, allow_loopback=False) == ""


@pytest.mark.parametrize("vector", CANDIDATES["drop"], ids=lambda vector: str(vector["name"]))
def test_vectors_of_candidates_to_drop(vector: dict[str, str]) -> None:
    assert refusal(vector["candidate"], allow_loopback=True) != ""


@pytest.mark.parametrize("candidate", CANDIDATES["drop_unless_loopback_is_allowed"])
def test_vectors_of_loopback_candidates(candidate: str) -> None:
    assert refusal(candidate, allow_loopback=True) == ""
    assert refusal(candidate, allow_loopback=False) != ""
