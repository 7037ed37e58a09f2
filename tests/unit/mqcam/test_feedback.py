from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from aiortc.rtp import (
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
    pack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st
from mqcam import feedback
from mqcam.arrivals import read_arrivals
from mqcam.feedback import (
    BLOCK_LIMIT,
    LOST_LIMIT,
    REMB_LIMIT_BPS,
    Feedback,
    ReportBlock,
    read_feedback,
    write_nack,
    write_receiver_report,
    write_sender_report,
    write_source_description,
)
from mqcam.rtcp import read_sender_report, write_picture_loss

if TYPE_CHECKING:
    import pytest
    from mqcam.arrivals import Arrivals

SENDER = 0x0A0B0C0D
MEDIA = 0x01020304

uint32 = st.integers(0, 2**32 - 1)
report_blocks = st.builds(
    ReportBlock,
    ssrc=st.just(MEDIA),
    fraction_lost=st.integers(0, 255).map(lambda value: value / 256),
    packets_lost=st.integers(-(2**23), 2**23 - 1),
    highest=uint32,
    jitter=uint32,
    last_report=uint32,
    delay=uint32,
)


def read(compound: bytes) -> Feedback:
    return read_feedback(compound, ssrc=MEDIA)


def read_stock(packet: bytes) -> object:
    """Read one packet with aiortc's parser."""
    (parsed,) = RtcpPacket.parse(packet)
    return parsed


@given(st.lists(st.integers(0, 2**16 - 1), max_size=200, unique=True))
def test_what_is_asked_for_is_read(sequences: list[int]) -> None:
    assert sorted(read(write_nack(SENDER, MEDIA, sorted(sequences))).lost) == sorted(sequences)


def test_neighbours_share_one_item_of_a_nack() -> None:
    packet = write_nack(SENDER, MEDIA, [0xFFFE, 0xFFFF, 0, 14, 15])
    assert packet == bytes.fromhex("81cd0004 0a0b0c0d 01020304 fffe 8003 000f 0000")
    assert read(packet).lost == [0xFFFE, 0xFFFF, 0, 14, 15]


def test_a_nack_of_nothing_is_no_packet() -> None:
    assert write_nack(SENDER, MEDIA, []) == b""


def test_a_repeated_number_is_asked_for_once() -> None:
    assert read(write_nack(SENDER, MEDIA, [5, 5])).lost == [5]


def test_a_nack_stays_within_its_items() -> None:
    packet = write_nack(SENDER, MEDIA, range(0, 40_000, 20))
    assert len(packet) == 12 + 4 * 253


def test_a_stock_receiver_reads_our_nack() -> None:
    assert read_stock(write_nack(SENDER, MEDIA, [7, 9, 4000])) == RtcpRtpfbPacket(
        fmt=1, ssrc=SENDER, media_ssrc=MEDIA, lost=[7, 9, 4000]
    )


def test_a_nack_for_everything_is_read_in_part() -> None:
    everything = struct.pack("!HH", 1, 0xFFFF) * 300
    header = struct.pack("!BBHII", 0x81, 205, 2 + 300, SENDER, MEDIA)
    assert len(read(header + everything).lost) == LOST_LIMIT


def test_a_nack_for_another_stream_is_left_out() -> None:
    assert read(write_nack(SENDER, MEDIA + 1, [1, 2])) == Feedback()


@given(st.lists(report_blocks, max_size=31))
def test_blocks_are_read_as_written(blocks: list[ReportBlock]) -> None:
    assert read(write_receiver_report(SENDER, blocks)).blocks == blocks


def test_a_receiver_report_of_rfc_3550() -> None:
    packet = bytes.fromhex(
        "81c90007 0a0b0c0d 01020304 40fffffe 00010005 00000010 aabbccdd 00018000"
    )
    block = ReportBlock(MEDIA, 0.25, -2, 0x1_0005, 16, 0xAABB_CCDD, 0x1_8000)
    assert read(packet).blocks == [block]
    assert write_receiver_report(SENDER, [block]) == packet


def test_blocks_about_other_streams_are_left_out() -> None:
    blocks = [ReportBlock(ssrc, 0.0, 0, 0, 0, 0, 0) for ssrc in (1, MEDIA, 2)]
    assert read(write_receiver_report(SENDER, blocks)).blocks == [blocks[1]]


def test_blocks_of_a_sender_report_are_read() -> None:
    report = write_sender_report(SENDER, ntp=1, rtp_timestamp=2, packets=3, octets=4)
    block = ReportBlock(MEDIA, 0.5, 7, 8, 9, 10, 11)
    body = write_receiver_report(SENDER, [block])[8:]
    packet = struct.pack("!BBH", 0x81, 200, 6 + 6) + report[4:] + body
    assert read(packet).blocks == [block]


def test_figures_beyond_their_fields_are_cut() -> None:
    block = ReportBlock(MEDIA, 1.0, 2**30, 2**32 + 1, 0, 0, 0)
    assert read(write_receiver_report(SENDER, [block])).blocks == [
        ReportBlock(MEDIA, 255 / 256, 2**23 - 1, 1, 0, 0, 0)
    ]


def test_a_compound_has_a_bound_for_blocks() -> None:
    report = write_receiver_report(SENDER, [ReportBlock(MEDIA, 0, 0, 0, 0, 0, 0)] * 40)
    assert len(read(report * 3).blocks) == BLOCK_LIMIT


def test_a_picture_loss_wants_a_keyframe() -> None:
    assert read(write_picture_loss(SENDER, MEDIA)).is_keyframe_wanted
    assert not read(write_picture_loss(SENDER, MEDIA + 1)).is_keyframe_wanted


def test_a_full_intra_request_wants_a_keyframe() -> None:
    entries = struct.pack("!II", 99, 0) + struct.pack("!II", MEDIA, 1 << 24)
    packet = struct.pack("!BBHII", 0x84, 206, 6, SENDER, 0) + entries
    assert read(packet).is_keyframe_wanted
    assert not read_feedback(packet, ssrc=98).is_keyframe_wanted


@given(st.integers(0, 9_000_000_000))
def test_a_remb_of_aiortc_is_read(bitrate_bps: int) -> None:
    fci = pack_remb_fci(bitrate_bps, [MEDIA])
    packet = bytes(RtcpPsfbPacket(fmt=15, ssrc=SENDER, media_ssrc=0, fci=fci))
    remb_bps = read(packet).remb_bps
    assert remb_bps is not None
    assert remb_bps <= bitrate_bps <= remb_bps * (1 + 2**-17)


def test_a_remb_beyond_any_network_is_cut() -> None:
    packet = struct.pack("!BBHII4sI", 0x8F, 206, 4, SENDER, 0, b"REMB", 0x01FF_FFFF)
    assert read(packet).remb_bps == REMB_LIMIT_BPS


def test_other_application_feedback_is_left_out() -> None:
    packet = struct.pack("!BBHII4sI", 0x8F, 206, 4, SENDER, 0, b"XXXX", 0x01FF_FFFF)
    assert read(packet) == Feedback()


def test_a_compound_is_read_whole() -> None:
    compound = (
        write_receiver_report(SENDER, [])
        + write_source_description(SENDER, "viewer")
        + write_nack(SENDER, MEDIA, [3])
        + write_picture_loss(SENDER, MEDIA)
    )
    assert read(compound) == Feedback(lost=[3], is_keyframe_wanted=True)


def test_padding_is_no_content() -> None:
    packet = struct.pack("!BBHIIHHI", 0xA1, 205, 4, SENDER, MEDIA, 5, 0, 4)
    assert read(packet).lost == [5]


def test_padding_longer_than_the_packet_leaves_nothing() -> None:
    packet = struct.pack("!BBHIIHHI", 0xA1, 205, 4, SENDER, MEDIA, 5, 0, 200)
    assert read(packet) == Feedback()


def test_sender_reports_are_read_by_both_sides() -> None:
    packet = write_sender_report(7, ntp=2**63 + 5, rtp_timestamp=2**32 - 1, packets=3, octets=4)
    report = read_sender_report(packet)
    assert report is not None
    assert (report.ntp, report.rtp_timestamp) == (2**63 + 5, 2**32 - 1)
    parsed = read_stock(packet)
    assert isinstance(parsed, RtcpSrPacket)
    assert (parsed.sender_info.packet_count, parsed.sender_info.octet_count) == (3, 4)


def test_counts_of_a_sender_report_wrap() -> None:
    packet = write_sender_report(7, ntp=0, rtp_timestamp=0, packets=2**32 + 1, octets=2**33 + 2)
    report = read_sender_report(packet)
    assert report is not None
    assert (report.packets, report.octets) == (1, 2)


@given(uint32, st.text(st.characters(codec="ascii"), max_size=300))
def test_a_stock_receiver_reads_the_name_of_a_source(ssrc: int, cname: str) -> None:
    parsed = read_stock(write_source_description(ssrc, cname))
    assert isinstance(parsed, RtcpSdesPacket)
    assert parsed.chunks[0].ssrc == ssrc
    assert parsed.chunks[0].items == [(1, cname.encode()[:255])]


def test_a_stock_receiver_reads_our_blocks() -> None:
    parsed = read_stock(write_receiver_report(1, [ReportBlock(MEDIA, 0.5, -3, 4, 5, 6, 7)]))
    assert isinstance(parsed, RtcpRrPacket)
    assert parsed.reports[0].packets_lost == -3


@given(st.binary(max_size=200))
def test_no_bytes_can_raise(compound: bytes) -> None:
    read(compound)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 63), st.sampled_from([200, 201, 202, 205, 206]), st.binary(max_size=64)
        ),
        max_size=5,
    )
)
def test_no_packets_can_raise(packets: list[tuple[int, int, bytes]]) -> None:
    compound = b"".join(
        struct.pack("!BBH", 0x80 | first, kind, (len(body) + 3) // 4) + body + bytes(-len(body) % 4)
        for first, kind, body in packets
    )
    feedback = read(compound)
    assert len(feedback.lost) <= LOST_LIMIT


def test_what_many_feedbacks_claim_together_is_bounded_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them claims 4096 lost packets in two bytes: reading them all took 25 ms."""
    read: list[bytes] = []

    def note(body: bytes) -> Arrivals | None:
        read.append(body)
        return read_arrivals(body)

    monkeypatch.setattr(feedback, "read_arrivals", note)
    one = struct.pack("!BBHIIHHIHH", 0x8F, 205, 5, SENDER, MEDIA, 0, 4096, 0, 4096, 0)
    found = read_feedback(one * 61, ssrc=MEDIA)

    assert len(read) == len(found.arrivals) == 1
