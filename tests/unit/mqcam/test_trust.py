from __future__ import annotations

import pytest
from mqcam.errors import Unauthentic
from mqcam.trust import PlainEnvelope

ENVELOPE = PlainEnvelope("mqcam")


@pytest.mark.parametrize(
    ("topic", "sender"),
    [
        ("mqcam/v1/d/cam/in/alice/s1", "alice"),
        ("mqcam/v1/v/alice/in/cam/s1", "cam"),
        ("mqcam/v1/d/cam/status", "cam"),
    ],
)
def test_key_of_a_plain_body_is_the_name_of_its_sender(topic: str, sender: str) -> None:
    payload = ENVELOPE.seal(topic, b"{}", "")
    opened = ENVELOPE.open(topic, payload)
    assert (opened.body, opened.key) == (b"{}", sender)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [("foreign", b"{}"), ("mqcam/v1/d/cam/status", b"\x01"), ("mqcam/v1/d/cam/status", b"")],
)
def test_other_topics_and_wire_forms_are_unauthentic(topic: str, payload: bytes) -> None:
    with pytest.raises(Unauthentic):
        ENVELOPE.open(topic, payload)
