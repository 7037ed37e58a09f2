"""Payloads: opened by whom they were written for, where they were sent, and by nobody else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.errors import LocalProtocolError, Unauthentic
from mqcam.protocol.envelope import Opened, Recipient
from mqcam.protocol.topics import Namespace
from mqcam.trust.envelope import (
    SESSION_KEYS_MAX,
    DeviceEnvelope,
    ViewerEnvelope,
    open_sealed,
    open_signed,
    sealed,
    signed,
)
from mqcam.trust.keys import SealingKey, SigningKey, sealing_key, sealing_key_text
from mqcam.trust.signing import Purpose, sign

FRONT, ANN, EVE = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
HOME = Namespace("home")
STATUS = HOME.status("front")
OFFER, ANSWER = HOME.to_device("front", "ann", "s1"), HOME.to_viewer("ann", "front", "s1")
ELSEWHERE = [
    HOME.to_device("front", "ann", "s2"),
    HOME.to_device("front", "bob", "s1"),
    HOME.to_device("back", "ann", "s1"),
    HOME.to_viewer("front", "ann", "s1"),
    ANSWER,
    Namespace("home2").to_device("front", "ann", "s1"),
    STATUS,
    OFFER[:-1],
    OFFER + "1",
    OFFER.upper(),
    "",
]
LOW_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
]
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


def flips(data: bytes) -> list[bytes]:
    """Return ``data`` with each of its bits changed in turn."""
    return [
        bytes(byte ^ (1 << bit) if index == at else byte for index, byte in enumerate(data))
        for at in range(len(data))
        for bit in range(8)
    ]


class Pair:
    """A device, a viewer, and what the viewer must know of the device."""

    def __init__(self) -> None:
        self.device = DeviceEnvelope(FRONT, "home")
        self.viewer = ViewerEnvelope(ANN, "home")
        self.to_front = Recipient(key=FRONT.public, seal_key=self.device.seal_key)

    def offer(self, body: bytes = b'{"t":"offer"}', topic: str = OFFER) -> bytes:
        return self.viewer.seal(topic, body, self.to_front)


@pytest.mark.parametrize("body", [b"", b"{}", b"\0" * 16_000])
def test_an_exchange(body: bytes) -> None:
    both = Pair()
    opened = both.device.open(OFFER, both.offer(body))
    assert (opened.body, opened.key) == (body, ANN.public)
    reply = both.device.seal(ANSWER, body, Recipient(key=opened.key, seal_key=opened.seal_key))
    again = both.viewer.open(ANSWER, reply)
    assert again == Opened(body=body, key=FRONT.public, seal_key=both.device.seal_key)
    assert body not in reply or len(body) < 3


def test_status_is_read_by_everybody_and_signed_by_the_device() -> None:
    both = Pair()
    payload = both.device.seal(STATUS, b"{}", None)
    for reader in (both.viewer, both.device, ViewerEnvelope(EVE, "home")):
        assert reader.open(STATUS, payload) == Opened(body=b"{}", key=FRONT.public)


@pytest.mark.parametrize("topic", ELSEWHERE)
def test_message_moved_to_another_topic_is_not_authentic(topic: str) -> None:
    both = Pair()
    payload = both.offer()
    with pytest.raises(Unauthentic):
        both.device.open(topic, payload)
    with pytest.raises(Unauthentic):
        both.viewer.open(topic, payload)


def test_status_moved_to_another_topic_is_not_authentic() -> None:
    both = Pair()
    payload = both.device.seal(STATUS, b"{}", None)
    elsewhere = [HOME.status("back"), Namespace("home2").status("front"), HOME.owner_state()]
    for topic in (*elsewhere, *(each for each in ELSEWHERE if each != STATUS)):
        for reader in (both.viewer, both.device):
            with pytest.raises(Unauthentic):
                reader.open(topic, payload)


def test_every_bit_of_a_sealed_payload_counts() -> None:
    both = Pair()
    payload = both.offer(b"{}")
    for changed in flips(payload):
        with pytest.raises(Unauthentic):
            both.device.open(OFFER, changed)


def test_every_bit_of_a_signed_payload_counts() -> None:
    both = Pair()
    for changed in flips(both.device.seal(STATUS, b"{}", None)):
        with pytest.raises(Unauthentic):
            both.viewer.open(STATUS, changed)


def test_a_part_of_a_payload_or_more_than_one_is_not_authentic() -> None:
    both = Pair()
    for reader, topic, payload in (
        (both.device, OFFER, both.offer()),
        (both.viewer, STATUS, both.device.seal(STATUS, b"{}", None)),
    ):
        lengths = range(len(payload))
        for changed in (payload + b"\0", payload * 2, *(payload[:length] for length in lengths)):
            with pytest.raises(Unauthentic):
                reader.open(topic, changed)


def test_another_reader_opens_nothing() -> None:
    both = Pair()
    payload = both.offer()
    for other in (DeviceEnvelope(FRONT, "home"), DeviceEnvelope(EVE, "home")):
        with pytest.raises(Unauthentic, match="not sealed to us"):
            other.open(OFFER, payload)


def test_what_is_sealed_to_us_but_signed_for_somebody_else_is_not_authentic() -> None:
    """A camera of somebody else could pass on what a viewer wrote to it."""
    mine = SealingKey.generate()
    payload = sealed(
        ANN,
        OFFER,
        b"{}",
        Recipient(key=EVE.public, seal_key=mine.public),
        reply_key=SealingKey.generate(),
    )
    assert open_sealed(payload, OFFER, mine, reader=EVE).key == ANN.public
    with pytest.raises(Unauthentic, match="signature"):
        open_sealed(payload, OFFER, mine, reader=FRONT)


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.MESSAGE])
def test_signature_for_another_purpose_makes_no_message(purpose: Purpose) -> None:
    mine, reply = SealingKey.generate(), SealingKey.generate().public_bytes
    signature = sign(
        ANN, purpose, topic=OFFER, body=b"{}", recipient=FRONT.public_bytes, reply_key=reply
    )
    inner = ANN.public_bytes + reply + signature + b"{}"
    info = f"mqcam/1 sealed {OFFER}".encode()
    payload = b"\x02" + SUITE.encrypt(inner, sealing_key(mine.public), info=info)
    with pytest.raises(Unauthentic, match="signature"):
        open_sealed(payload, OFFER, mine, reader=FRONT)


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.STATUS])
def test_signature_for_another_purpose_makes_no_status(purpose: Purpose) -> None:
    payload = signed(FRONT, purpose, STATUS, b"{}")
    assert open_signed(payload, STATUS, purpose).key == FRONT.public
    with pytest.raises(Unauthentic):
        Pair().viewer.open(STATUS, payload)


def test_reply_key_that_a_reader_puts_in_place_of_the_senders_is_noticed() -> None:
    """Whoever reads a message could else pass it on with a key to which the answer comes to him."""
    mine, theirs, eves = (SealingKey.generate() for _ in range(3))
    info = f"mqcam/1 sealed {OFFER}".encode()
    to_us = Recipient(key=FRONT.public, seal_key=mine.public)
    inner = SUITE.decrypt(
        sealed(ANN, OFFER, b"{}", to_us, reply_key=theirs)[1:], mine.private, info=info
    )
    swapped = inner[:32] + eves.public_bytes + inner[64:]
    payload = b"\x02" + SUITE.encrypt(swapped, sealing_key(mine.public), info=info)
    with pytest.raises(Unauthentic, match="signature"):
        open_sealed(payload, OFFER, mine, reader=FRONT)


def test_forms_are_not_taken_for_one_another() -> None:
    both = Pair()
    status, offer = both.device.seal(STATUS, b"{}", None), both.offer()
    openly = signed(ANN, Purpose.MESSAGE, OFFER, b"{}")
    for reader, topic, payload in (
        (both.device, OFFER, openly),
        (both.device, OFFER, b"\x01" + offer[1:]),
        (both.viewer, STATUS, b"\x02" + status[1:]),
        (both.viewer, STATUS, b"\x00" + status[1:]),
        (both.viewer, STATUS, b'{"v":1,"t":"status"}'),
    ):
        with pytest.raises(Unauthentic):
            reader.open(topic, payload)


@pytest.mark.parametrize("raw", LOW_ORDER, ids=bytes.hex)
def test_sealing_key_of_low_order_hides_nothing_and_is_refused(raw: bytes) -> None:
    """RFC 9180, 7.1.4: the secret would be zero, and everybody could read."""
    both = Pair()
    weak = Recipient(key=ANN.public, seal_key=sealing_key_text(raw))
    with pytest.raises(LocalProtocolError):
        both.device.seal(ANSWER, b"{}", weak)
    with pytest.raises(Unauthentic):
        both.device.open(OFFER, b"\x02" + raw + both.offer()[33:])


@pytest.mark.parametrize("text", ["", "x25519:", FRONT.public, "x25519:" + "A" * 42, "cam"])
def test_recipient_without_usable_keys_is_our_own_mistake(text: str) -> None:
    both = Pair()
    for recipient in (
        Recipient(key=FRONT.public, seal_key=text),
        Recipient(key=text.replace(FRONT.public, ""), seal_key=both.device.seal_key),
    ):
        with pytest.raises(LocalProtocolError):
            both.viewer.seal(OFFER, b"{}", recipient)


def test_viewer_writes_nothing_that_everybody_may_read() -> None:
    with pytest.raises(LocalProtocolError):
        Pair().viewer.seal(OFFER, b"{}", None)


def test_two_sessions_of_a_viewer_have_two_keys_and_one_has_one() -> None:
    both = Pair()
    other = HOME.to_device("front", "ann", "s2")
    keys = [both.device.open(t, both.offer(topic=t)).seal_key for t in (OFFER, OFFER, other)]
    assert keys[0] == keys[1] != keys[2]


def test_what_was_said_in_a_forgotten_session_stays_unreadable() -> None:
    both = Pair()
    opened = both.device.open(OFFER, both.offer())
    to_ann = Recipient(key=opened.key, seal_key=opened.seal_key)
    reply = both.device.seal(ANSWER, b"{}", to_ann)
    both.viewer.forget(ANSWER)
    with pytest.raises(Unauthentic, match="no session"):
        both.viewer.open(ANSWER, reply)
    both.offer()
    with pytest.raises(Unauthentic, match="not sealed to us"):
        both.viewer.open(ANSWER, reply)
    both.viewer.forget(ANSWER)
    both.viewer.forget(ANSWER)


def test_message_under_the_name_of_another_device_is_not_even_decrypted() -> None:
    """Names cost a lying broker nothing, and each has a bucket of its own."""
    both = Pair()
    opened = both.device.open(OFFER, both.offer())
    to_ann = Recipient(key=opened.key, seal_key=opened.seal_key)
    under_another = HOME.to_viewer("ann", "back", "s1")
    reply = DeviceEnvelope(FRONT, "home").seal(under_another, b"{}", to_ann)
    with pytest.raises(Unauthentic, match="no session"):
        both.viewer.open(under_another, reply)
    both.viewer.forget(under_another)
    assert both.viewer.open(ANSWER, both.device.seal(ANSWER, b"{}", to_ann)).body == b"{}"


def test_number_of_session_keys_is_bounded_and_the_newest_stay() -> None:
    both = Pair()
    first = both.device.open(OFFER, both.offer())
    reply = both.device.seal(ANSWER, b"{}", Recipient(key=ANN.public, seal_key=first.seal_key))
    for number in range(SESSION_KEYS_MAX - 1):
        both.offer(topic=HOME.to_device("front", "ann", f"n{number}"))
    assert both.viewer.open(ANSWER, reply).body == b"{}"
    both.offer(topic=HOME.to_device("front", "ann", "one-more"))
    with pytest.raises(Unauthentic):
        both.viewer.open(ANSWER, reply)


@settings(max_examples=300)
@given(
    st.sampled_from([OFFER, ANSWER, STATUS, HOME.owner_state()]) | st.text(max_size=40),
    st.binary(max_size=300)
    | st.builds(lambda form, rest: form + rest, st.sampled_from([b"\1", b"\2"]), st.binary()),
)
def test_rubbish_is_not_authentic_and_nothing_else(topic: str, payload: bytes) -> None:
    for reader in (DeviceEnvelope(FRONT, "home"), ViewerEnvelope(ANN, "home")):
        with pytest.raises(Unauthentic):
            reader.open(topic, payload)


def test_payloads_of_one_body_differ() -> None:
    """Who sees two must not learn that the same was said twice."""
    both = Pair()
    assert len({both.offer() for _ in range(8)}) == 8
