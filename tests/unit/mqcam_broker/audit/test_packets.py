from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import MalformedMessage
from mqcam_broker.audit import packets
from mqcam_broker.audit.packets import Answer, Delivery, Letter, Packet

LETTER = Letter(topic="a/b", payload=b"hello", retain=True, expiry_s=30)


def split(packet: bytes) -> tuple[int, bytes]:
    """Return the first byte and the body of a packet that is shorter than 128 bytes."""
    assert packet[1] == len(packet) - 2
    return packet[0], packet[2:]


def test_a_connect_asks_for_a_fresh_session_with_name_password_and_will() -> None:
    first, body = split(packets.connect("id", "anna", "pw", Letter(topic="t", payload=b"gone")))
    assert first == 0x10
    assert body == (
        b"\x00\x04MQTT\x05" + bytes([0x02 | 0x04 | 0x08 | 0x40 | 0x80]) + b"\x00\x3c\x00"
        b"\x00\x02id" + b"\x00\x00\x01t\x00\x04gone" + b"\x00\x04anna" + b"\x00\x02pw"
    )


def test_a_connect_without_a_name_says_so() -> None:
    _, body = split(packets.connect("id", None, None, None))
    assert body[7] == 0x02


def test_a_letter_that_is_sent_arrives_as_it_was() -> None:
    first, body = split(packets.publish(7, LETTER))
    read = packets.read(first, body)
    arrived = Letter(topic="a/b", payload=b"hello", retain=True)
    assert read == Delivery(packet=7, letter=arrived)


def test_a_subscription_is_for_quality_one() -> None:
    assert split(packets.subscribe(3, "a/#")) == (0x82, b"\x00\x03\x00\x00\x03a/#\x01")


@pytest.mark.parametrize(
    ("first", "body", "answer"),
    [
        (0x20, b"\x00\x00\x00", Answer(packet=0, reason=0)),
        (0x20, b"\x00\x01", Answer(packet=0, reason=1)),
        (0x20, b"\x00\x87\x00", Answer(packet=0, reason=0x87)),
        (
            0x20,
            b"\x00\x00\x08\x27\x00\x01\x00\x00\x21\x00\x14",
            Answer(packet=0, reason=0, largest_packet_bytes=65536),
        ),
        (0x40, b"\x00\x05", Answer(packet=5, reason=0)),
        (0x40, b"\x00\x05\x10", Answer(packet=5, reason=0x10)),
        (0x90, b"\x00\x05\x00\x01", Answer(packet=5, reason=1)),
        (0x90, b"\x00\x05\x04\x1f\x00\x01x\x87", Answer(packet=5, reason=0x87)),
        (0xD0, b"", Packet.PINGRESP),
        (0xE0, b"\x8e", Packet.DISCONNECT),
    ],
)
def test_answers_are_read(first: int, body: bytes, answer: Answer | Packet) -> None:
    assert packets.read(first, body) == answer


def test_a_letter_of_quality_zero_wants_no_receipt() -> None:
    read = packets.read(0x30, b"\x00\x01t\x00x")
    assert read == Delivery(packet=0, letter=Letter(topic="t", payload=b"x"))


@given(first=st.integers(0, 255), body=st.binary(max_size=200))
def test_whatever_a_broker_sends_is_read_or_malformed(first: int, body: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        packets.read(first, body)


@given(st.integers(0, 200_000))
def test_a_length_is_written_as_it_is_read(size: int) -> None:
    packet = packets.publish(1, Letter(topic="t", payload=bytes(size)))
    value, at = 0, 1
    while True:
        byte = packet[at]
        value |= (byte & 0x7F) << 7 * (at - 1)
        at += 1
        if byte < 128:
            break
    assert len(packet) == at + value
