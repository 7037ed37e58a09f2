"""Packets of a camera become pictures at their last packet; what has holes is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources.feed import MAX_PICTURE_BYTES
from mqcam_device.sources.rtsp.pictures import PACKET_BYTES, RtpPictures
from support.rtp import PAYLOAD_TYPE, PPS, SPS, follower, idr, packet, packets, stream_of

if TYPE_CHECKING:
    from mqcam_device.sources.feed import EncodedPicture

PICTURES = [idr(b"a" * 3000), follower(b"b" * 50), follower(b"c" * 2500), idr(b"d" * 9)]


def put_together(made: list[bytes]) -> list[EncodedPicture]:
    subject = RtpPictures(payload_type=PAYLOAD_TYPE)
    return [each for number, one in enumerate(made) for each in subject.take(one, number)]


def test_picture_is_whole_with_its_last_packet() -> None:
    made = packets(PICTURES)
    found = put_together(made)

    assert [each.data for each in found] == [stream_of(nals) for nals in PICTURES]
    marked = [number for number, one in enumerate(made) if one[1] & 0x80]
    assert [each.arrived_ns for each in found] == marked  # nothing waited for the next picture
    assert not any(each.is_after_loss for each in found)


def test_picture_that_lacks_a_packet_is_dropped_and_the_next_says_so() -> None:
    made = packets(PICTURES)
    del made[2]
    found = put_together(made)

    assert [each.data for each in found] == [stream_of(nals) for nals in PICTURES[1:]]
    assert [each.is_after_loss for each in found] == [True, False, False]


def test_without_marks_a_picture_ends_where_the_next_begins() -> None:
    made = [bytes((one[0], one[1] & 0x7F, *one[2:])) for one in packets(PICTURES)]

    assert [each.data for each in put_together(made)] == [stream_of(n) for n in PICTURES[:-1]]


def test_mark_on_each_slice_is_not_believed_for_long() -> None:
    made, number = [], 0
    for picture in range(4):
        for part in (b"\x41\x9a1", b"\x41\x01\x9a2"):
            made.append(packet(part, sequence=number, timestamp=picture * 3000, marker=True))
            number += 1

    found = put_together(made)

    assert found[1].is_after_loss  # half of the first one went out before it was known
    assert found[2].data == stream_of([b"\x41\x9a1", b"\x41\x01\x9a2"])


def test_parameter_sets_of_their_own_belong_to_the_next_picture() -> None:
    made = [
        packet(nal, sequence=number, timestamp=ticks, marker=True)
        for number, (nal, ticks) in enumerate([(SPS, 0), (PPS, 0), (b"\x65\x88x", 3000)])
    ]

    (found,) = put_together(made)

    assert found.data == stream_of([SPS, PPS, b"\x65\x88x"])
    assert found.timestamp == 3000


def test_picture_that_never_ends_is_given_up_before_it_fills_the_memory() -> None:
    subject = RtpPictures(payload_type=PAYLOAD_TYPE)
    for number in range(MAX_PICTURE_BYTES // PACKET_BYTES + 1):
        begins = 0x80 if number == 0 else 0
        piece = bytes((0x7C, begins | 5, 1))  # FU-A
        made = packet(piece, sequence=number & 0xFFFF, timestamp=0, marker=False)
        assert not list(subject.take(made, 0))

    assert len(subject._parts) < 1000


def test_other_payloads_are_left_alone() -> None:
    made = packets(PICTURES)
    made.insert(1, packet(b"sound", sequence=9, timestamp=0, payload_type=0))

    assert len(put_together(made)) == len(PICTURES)


@given(st.lists(st.binary(max_size=40) | st.sampled_from(packets(PICTURES)), max_size=30))
def test_any_packets_are_pictures_or_none(made: list[bytes]) -> None:
    for each in put_together(made):
        assert each.data
