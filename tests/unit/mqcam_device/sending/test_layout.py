"""What packets look like, read back by the viewer's own reader."""

from __future__ import annotations

import pytest
from mqcam.payload import read_packet, read_rotation
from mqcam.sdp import MID_URI, ORIENTATION_URI
from mqcam_device.sending.layout import RUN_PACKETS, lay_out, make_layout, send_time
from mqcam_device.sending.packetiser import PACKET_BYTES, PAYLOAD_BYTES, packetise
from support.sending import ALL_EXTENSIONS, video


def packets(layout_tag: int, payloads: list[bytes]) -> list[bytes]:
    """Lay payloads out and return each packet with room for its tag."""
    found = []
    layout = make_layout(video(), tag_bytes=layout_tag)
    for run in lay_out(payloads, layout, time=7, at_ns=0):
        for index, offset in enumerate(run.offsets):
            found.append(run.image[offset : offset + run.lengths[index] + layout_tag])
    return found


def test_packets_hold_their_payloads_and_the_last_one_ends_the_picture() -> None:
    payloads = [b"a" * 100, b"b" * 100, b"c" * 50]
    read = [read_packet(each[:-10]) for each in packets(10, payloads)]

    assert [each.payload for each in read if each] == payloads
    assert [each.marker for each in read if each] == [False, False, True]
    assert {each.timestamp for each in read if each} == {7}


def test_a_full_packet_with_all_extensions_keeps_to_the_limit() -> None:
    (packet,) = packets(16, [b"x" * PAYLOAD_BYTES])

    assert len(packet) + 2 == PACKET_BYTES  # a repeat is two bytes longer


def test_extensions_stand_where_the_layout_says() -> None:
    layout = make_layout(video(), tag_bytes=0, playout_ms=(0, 400))
    (run,) = lay_out([b"x"], layout, time=0, at_ns=1_500_000_000)
    packet = run.image
    place = layout.send_time_at

    assert packet[12:14] == b"\xbe\xde"
    assert packet[layout.transport_sequence_at - 1] == 3 << 4 | 1
    assert packet[place - 1] == 2 << 4 | 2
    assert int.from_bytes(packet[place : place + 3]) == send_time(1_500_000_000) == 3 << 17
    assert bytes((4 << 4 | 2, 0, 0, 40)) in packet
    assert bytes((1 << 4, ord("0"))) in packet


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_every_packet_says_how_to_turn_its_picture(rotation: int) -> None:
    """Receivers look at a picture's last packet; packets of one form can share a system call."""
    layout = make_layout(video(), tag_bytes=0, rotation=rotation)
    (run,) = lay_out([b"x", b"y", b"z"], layout, time=0, at_ns=0)
    packets = [run.image[begin : begin + run.stride] for begin in run.offsets]

    assert [read_rotation(each, ALL_EXTENSIONS[ORIENTATION_URI]) for each in packets] == [
        rotation
    ] * 3


def test_saying_how_to_turn_costs_no_byte() -> None:
    """It stands where padding stood."""
    without = {uri: number for uri, number in ALL_EXTENSIONS.items() if uri != ORIENTATION_URI}

    assert len(make_layout(video(without), tag_bytes=0).extensions) == len(
        make_layout(video(), tag_bytes=0).extensions
    )


def test_without_extensions_there_is_no_block() -> None:
    layout = make_layout(video({}), tag_bytes=0)
    (run,) = lay_out([b"x"], layout, time=0, at_ns=0)

    assert len(run.image) == 13
    assert run.image[0] == 0x80


def test_a_long_mid_is_left_out_and_the_others_stay() -> None:
    layout = make_layout(video(mid="a-very-long-name"), tag_bytes=0)

    assert layout.send_time_at
    assert layout.transport_sequence_at
    assert b"a-very" not in layout.extensions
    assert bytes((5 << 4, 0)) in layout.extensions
    assert len(layout.extensions) <= 20


def test_numbers_that_need_two_bytes_are_left_out() -> None:
    assert make_layout(video({MID_URI: 15}), tag_bytes=0).extensions == b""


def test_runs_hold_packets_of_one_size_and_a_shorter_last_one() -> None:
    payloads = [b"a" * 20, *[b"b" * 100] * 3, b"c" * 30, b"d" * 30, b"e" * 90]
    runs = lay_out(payloads, make_layout(video(), tag_bytes=16), time=0, at_ns=0)

    assert [run.count for run in runs] == [1, 4, 1, 1]
    assert [run.first for run in runs] == [0, 1, 5, 6]
    for run in runs:
        sizes = [run.lengths[index] + 16 for index in range(run.count)]
        assert all(size == run.stride for size in sizes[:-1])
        assert sizes[-1] <= run.stride


def test_what_is_a_little_shorter_is_padded_and_read_as_it_was() -> None:
    """Each further run of a picture would be a system call more for each viewer."""
    payloads = [b"a" * 100, b"b" * 99, b"c" * 100, b"d" * 40, b"e" * 100, b"f" * 10]
    (run,) = lay_out(payloads, make_layout(video(), tag_bytes=0), time=0, at_ns=0)
    packets = [run.image[begin : begin + run.stride] for begin in run.offsets]
    read = [read_packet(packet) for packet in packets]

    assert [each.payload for each in read if each] == payloads
    assert [each.marker for each in read if each] == [False] * 5 + [True]


def test_a_picture_of_two_slices_is_one_run() -> None:
    unit = b"".join(b"\0\0\0\1\x61" + bytes([1 + n % 9]) * (8311 + 977 * n) for n in range(2))
    runs = lay_out(packetise(unit), make_layout(video(), tag_bytes=16), time=0, at_ns=0)

    assert len(runs) == 1


def test_runs_are_as_long_as_a_system_call_takes() -> None:
    runs = lay_out(
        [b"x" * PAYLOAD_BYTES] * 100, make_layout(video(), tag_bytes=16), time=0, at_ns=0
    )

    assert [run.count for run in runs] == [RUN_PACKETS, RUN_PACKETS, 100 - 2 * RUN_PACKETS]
    assert all(len(run.image) < 65_507 for run in runs)


def test_room_for_a_relays_header_stands_in_front_of_each_packet() -> None:
    layout = make_layout(video(), tag_bytes=16, prefix_bytes=4)
    (run,) = lay_out([b"x" * 50, b"y" * 50], layout, time=0, at_ns=0)

    assert run.offsets == [4, 4 + run.stride]
    assert run.stride == layout.overhead_bytes + 50


def test_send_time_wraps_after_64_seconds() -> None:
    assert send_time(64_000_000_000) == 0
    assert send_time(65_000_000_000) == send_time(1_000_000_000)
