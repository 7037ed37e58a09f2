"""What a signature covers, and that nothing can slip from one part of it into the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.trust.keys import SigningKey
from mqcam.trust.signing import Purpose, is_valid, sign, statement

KEY, OTHER = SigningKey(b"1" * 32), SigningKey(b"2" * 32)
TOPIC, BODY, READER, REPLY = "mqcam/v1/d/front/in/ann/s", b'{"t":"bye"}', b"r" * 32, b"k" * 32
SIGNATURE = sign(KEY, Purpose.MESSAGE, topic=TOPIC, body=BODY, recipient=READER, reply_key=REPLY)
PART = st.binary(max_size=4)
SAID = st.tuples(
    st.sampled_from(Purpose), PART, st.text("ab", max_size=4), PART, PART, st.binary(max_size=6)
)


def is_good(**changes: object) -> bool:
    parts = {
        "signature": SIGNATURE,
        "signer": KEY.public_bytes,
        "purpose": Purpose.MESSAGE,
        "topic": TOPIC,
        "body": BODY,
        "recipient": READER,
        "reply_key": REPLY,
        **changes,
    }
    signature, signer, purpose = (parts.pop(name) for name in ("signature", "signer", "purpose"))
    return is_valid(signature, signer, purpose, **parts)  # type: ignore[arg-type]


def flips(data: bytes) -> list[bytes]:
    """Return ``data`` with each of its bits changed in turn."""
    return [
        bytes(byte ^ (1 << bit) if index == at else byte for index, byte in enumerate(data))
        for at in range(len(data))
        for bit in range(8)
    ]


def test_signature_is_good_for_what_was_signed() -> None:
    assert is_good()


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.MESSAGE])
def test_signature_for_one_purpose_is_worthless_for_another(purpose: Purpose) -> None:
    assert not is_good(purpose=purpose)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("body", BODY),
        ("recipient", READER),
        ("reply_key", REPLY),
        ("signature", SIGNATURE),
        ("signer", KEY.public_bytes),
    ],
)
def test_every_bit_of_every_part_counts(part: str, value: bytes) -> None:
    changed = [*flips(value), value[:-1], value + b"\0", b""]
    assert not any(is_good(**{part: each}) for each in changed)


def test_every_letter_of_the_topic_counts() -> None:
    changed = [each.decode("latin-1") for each in flips(TOPIC.encode())]
    assert not any(is_good(topic=each) for each in (*changed, TOPIC[:-1], TOPIC + "s", ""))


def test_parts_cannot_change_places() -> None:
    assert not is_good(recipient=REPLY, reply_key=READER)
    assert not is_good(signer=OTHER.public_bytes)
    assert not is_good(topic=TOPIC + "{", body=BODY[1:])
    assert not is_good(recipient=READER + REPLY, reply_key=b"")


@given(SAID, SAID)
def test_two_different_things_never_have_one_statement(
    one: tuple[Purpose, bytes, str, bytes, bytes, bytes],
    two: tuple[Purpose, bytes, str, bytes, bytes, bytes],
) -> None:
    def said(parts: tuple[Purpose, bytes, str, bytes, bytes, bytes]) -> bytes:
        purpose, signer, topic, recipient, reply_key, body = parts
        return statement(
            purpose, signer, topic=topic, body=body, recipient=recipient, reply_key=reply_key
        )

    assert (said(one) == said(two)) == (one == two)
