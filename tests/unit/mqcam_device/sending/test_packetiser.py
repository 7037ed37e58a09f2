"""Pictures cut into payloads, and put together again by the viewer's own code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.payload import assemble
from mqcam_device.sending.packetiser import PAYLOAD_BYTES, packetise

START = b"\x00\x00\x00\x01"
SPS = b"\x67\x42\xe0\x1f\x8d\x68\x0b\x01"
PPS = b"\x68\xce\x3c\x80\x01"
AUD = b"\x09\xf0"


def nal(kind: int, size: int) -> bytes:
    """Return a NAL unit without zeros, as emulation prevention leaves none in a row."""
    return bytes((0x60 | kind,)) + bytes(1 + index % 255 for index in range(size - 1))


def stream(*nals: bytes) -> bytes:
    """Return an access unit."""
    return b"".join(START + each for each in nals)


def test_parameter_sets_share_a_packet_and_slices_do_not() -> None:
    slice_ = nal(5, 300)
    payloads = packetise(stream(AUD, SPS, PPS, slice_))

    assert len(payloads) == 2
    assert payloads[0][0] & 0x1F == 24
    assert payloads[1] == slice_


def test_a_single_parameter_set_is_sent_as_it_is() -> None:
    assert packetise(stream(SPS, nal(5, 10)))[0] == SPS


@pytest.mark.parametrize("size", [PAYLOAD_BYTES + 1, 5000, 79_001])
def test_fragments_are_of_one_size_but_the_last(size: int) -> None:
    """Only such packets can be sent by one system call."""
    payloads = packetise(stream(nal(1, size)))
    sizes = {len(each) for each in payloads[:-1]}

    assert len(sizes) == 1
    assert 2 < len(payloads[-1]) <= min(sizes) <= PAYLOAD_BYTES
    assert [each[1] & 0xC0 for each in payloads] == [0x80, *[0] * (len(payloads) - 2), 0x40]


def test_slices_of_nearly_one_size_leave_no_crumbs() -> None:
    payloads = packetise(stream(nal(5, 3108), nal(5, 3111)))

    assert [len(each) for each in payloads] == [1039, 1039, 1035, 1039, 1039, 1038]


def test_many_small_units_fill_more_than_one_packet() -> None:
    nals = [nal(6, 400) for _ in range(5)]
    payloads = packetise(stream(*nals, nal(1, 20)))

    assert len(payloads) == 4
    assert all(len(each) <= PAYLOAD_BYTES for each in payloads)


def test_nothing_becomes_nothing() -> None:
    assert packetise(b"") == ()
    assert packetise(stream(AUD)) == ()


@given(
    sizes=st.lists(st.integers(2, 6000), min_size=1, max_size=6),
    limit=st.integers(40, PAYLOAD_BYTES),
    is_keyframe=st.booleans(),
)
def test_a_viewer_puts_together_what_was_cut(
    sizes: list[int], limit: int, is_keyframe: bool
) -> None:
    slices = [nal(5 if is_keyframe else 1, size) for size in sizes]
    unit = stream(*((SPS, PPS) if is_keyframe else ()), *slices)
    payloads = packetise(unit, limit)

    assert all(0 < len(each) <= limit for each in payloads)
    assert assemble(list(payloads)) == (unit, is_keyframe)
