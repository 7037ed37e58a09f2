"""One RTP packet: its header extension, and whether a keyframe begins in it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.payload import (
    is_keyframe_begin,
    is_keyframe_part,
    read_extension,
    read_packet,
    read_rotation,
)
from support import rtp

TRANSPORT_WIDE = 3


def with_extension(block: bytes, *, sources: int = 0, kind: int = 0xBEDE) -> bytes:
    """Return a packet whose header extension holds ``block``, of whole words."""
    header = struct.pack("!BBHII", 0x90 | sources, 96, 1, 2, 3) + bytes(4 * sources)
    return header + struct.pack("!HH", kind, len(block) // 4) + block + b"payload"


MID, SEND_TIME, NUMBER = b"\x10\x30", b"\x22\x01\x02\x03", b"\x31\xab\xcd"


@pytest.mark.parametrize(
    "block",
    [
        NUMBER + b"\x00",
        MID + SEND_TIME + NUMBER + bytes(3),
        b"\x00\x00\x00" + NUMBER + b"\x40\x07",
        SEND_TIME + NUMBER + bytes(1),
    ],
)
@pytest.mark.parametrize("sources", [0, 2])
def test_an_element_is_found_wherever_it_stands(block: bytes, sources: int) -> None:
    assert read_extension(with_extension(block, sources=sources), TRANSPORT_WIDE) == b"\xab\xcd"


@pytest.mark.parametrize(
    "packet",
    [
        rtp.packet(b"\x41\x00", sequence=1, timestamp=1),
        with_extension(b""),
        with_extension(SEND_TIME),
        with_extension(NUMBER + b"\x00", kind=0x1000),
        with_extension(b"\x00\x00\x00\x31"),  # it would end outside
        struct.pack("!BBHII", 0x80, 96, 1, 2, 3) + NUMBER,
    ],
)
def test_an_element_that_is_not_there_is_not_found(packet: bytes) -> None:
    assert read_packet(packet) is not None
    assert read_extension(packet, TRANSPORT_WIDE) is None


@pytest.mark.parametrize("unread", [0x00, 0x08, 0x04, 0xF0])
@pytest.mark.parametrize(("turns", "degrees"), [(0, 0), (1, 90), (2, 180), (3, 270)])
def test_the_rotation_is_in_the_lowest_bits(unread: int, turns: int, degrees: int) -> None:
    """Neither which camera it is (C) nor whether it is mirrored (F) changes how it is turned."""
    packet = with_extension(MID + bytes((0x50, turns | unread)))

    assert read_rotation(packet, 5) == degrees
    assert read_rotation(packet, 6) is None


@given(st.binary(min_size=12, max_size=60), st.integers(1, 14))
def test_no_packet_that_can_be_read_has_an_extension_that_cannot(data: bytes, key: int) -> None:
    packet = b"\x90" + data[1:]
    if read_packet(packet) is not None:
        read_extension(packet, key)


def test_a_keyframe_begins_with_its_parameter_sets() -> None:
    large = bytes(3000)
    parts = rtp.payloads(rtp.idr(large))
    assert [is_keyframe_begin(each) for each in parts] == [True, *[False] * (len(parts) - 1)]
    assert [is_keyframe_part(each) for each in parts] == [False, *[True] * (len(parts) - 1)]
    delimited = rtp.payloads([b"\x09\xf0", *rtp.idr(large)])
    assert is_keyframe_begin(delimited[0])
    for each in rtp.payloads(rtp.follower(large)):
        assert not is_keyframe_begin(each)
        assert not is_keyframe_part(each)


@given(st.binary(max_size=40))
def test_any_payload_may_be_asked(payload: bytes) -> None:
    is_keyframe_begin(payload)
    is_keyframe_part(payload)
