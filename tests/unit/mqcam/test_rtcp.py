from __future__ import annotations

import struct

import pytest
from aiortc.rtp import (
    RtcpReceiverInfo,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)
from hypothesis import given
from hypothesis import strategies as st
from mqcam.feedback import write_receiver_report
from mqcam.rtcp import (
    SECOND_NS,
    ReferenceDelay,
    ReferenceTime,
    SenderClock,
    answer_reference_time,
    compact_ntp,
    ntp_from_unix_ns,
    read_goodbyes,
    read_reference_delays,
    read_reference_times,
    read_sender_report,
    round_trip_ns,
    unix_ns_from_ntp,
    walk_compound,
    write_reference_delays,
    write_reference_time,
)

NOW_UNIX_NS = 1_790_000_000_123_456_789
uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)


def sender_report(ssrc: int = 7, *, ntp: int = 1, rtp_timestamp: int = 2) -> bytes:
    """Make a sender report with a report block and a description, as a stock sender does."""
    return bytes(
        RtcpSrPacket(
            ssrc=ssrc,
            sender_info=RtcpSenderInfo(
                ntp_timestamp=ntp, rtp_timestamp=rtp_timestamp, packet_count=3, octet_count=4
            ),
            reports=[
                RtcpReceiverInfo(
                    ssrc=9,
                    fraction_lost=0,
                    packets_lost=0,
                    highest_sequence=1,
                    jitter=0,
                    lsr=0,
                    dlsr=0,
                )
            ],
        )
    ) + bytes(RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=ssrc, items=[(1, b"name")])]))


@given(uint32, st.integers(-(2**62), 2**62), st.integers(-3600 * SECOND_NS, 3600 * SECOND_NS))
def test_timestamps_and_capture_times_convert_both_ways(
    timestamp: int, captured_ns: int, ahead_ns: int
) -> None:
    clock = SenderClock(rtp_timestamp=timestamp, captured_ns=captured_ns)
    at_ns = captured_ns + ahead_ns
    assert 0 <= at_ns - clock.captured_at(clock.rtp_at(at_ns)) <= SECOND_NS // 90_000 + 1


@given(st.integers(0, 2_085_978_495 * SECOND_NS))
def test_ntp_and_unix_time_convert_both_ways(unix_ns: int) -> None:
    assert unix_ns_from_ntp(ntp_from_unix_ns(unix_ns)) == unix_ns


def test_the_ntp_epoch_is_1900() -> None:
    assert ntp_from_unix_ns(0) >> 32 == 2_208_988_800
    assert ntp_from_unix_ns(SECOND_NS // 2) & 0xFFFF_FFFF == 2**31


@given(uint32, uint64)
def test_a_reference_time_is_read_as_it_was_written(ssrc: int, ntp: int) -> None:
    packet = write_reference_time(ReferenceTime(ssrc=ssrc, ntp=ntp))
    assert read_reference_times(sender_report() + packet) == [ReferenceTime(ssrc=ssrc, ntp=ntp)]
    assert read_reference_delays(packet) == []


@given(uint32, st.lists(st.builds(ReferenceDelay, ssrc=uint32, last_ntp=uint32, delay=uint32)))
def test_reference_delays_are_read_as_they_were_written(
    ssrc: int, delays: list[ReferenceDelay]
) -> None:
    packet = write_reference_delays(ssrc, delays)
    assert read_reference_delays(packet + sender_report()) == delays[:31]
    assert len(list(walk_compound(packet))) == 1


def test_a_reference_time_has_the_layout_of_rfc_3611() -> None:
    packet = write_reference_time(ReferenceTime(ssrc=0x01020304, ntp=0x0506070809101112))
    assert packet.hex() == "80cf00040102030404000002" + "0506070809101112"
    packet = write_reference_delays(1, [ReferenceDelay(ssrc=2, last_ntp=3, delay=4)])
    assert (
        packet.hex() == "80cf0005" + "00000001" + "05000003" + "00000002" + "00000003" + "00000004"
    )


@given(st.binary(max_size=300))
def test_reading_never_raises(data: bytes) -> None:
    extended = struct.pack("!BBH", 0x80, 207, len(data) // 4) + data
    for packet in (data, extended):
        read_reference_times(packet)
        read_reference_delays(packet)
        read_sender_report(packet)
        read_goodbyes(packet)


@given(
    st.integers(0, 2**63),
    st.integers(0, 10 * SECOND_NS),
    st.integers(0, 5 * SECOND_NS),
)
def test_a_round_trip_is_what_the_delay_leaves(sent_ns: int, path_ns: int, kept_ns: int) -> None:
    """The camera's clock is another one; only how long it kept the packet matters."""
    sent_ntp = ntp_from_unix_ns(sent_ns)
    item = answer_reference_time(
        ReferenceTime(ssrc=1, ntp=sent_ntp), arrived_ns=77, now_ns=77 + kept_ns
    )
    measured_ns = round_trip_ns(item, now_ntp=ntp_from_unix_ns(sent_ns + path_ns + kept_ns))
    if item.last_ntp == 0:
        assert measured_ns is None
    else:
        assert measured_ns == pytest.approx(path_ns, abs=50_000)


def test_nonsense_shows_no_round_trip() -> None:
    now_ntp = ntp_from_unix_ns(NOW_UNIX_NS)
    later = (compact_ntp(now_ntp) + 65_536) & 0xFFFF_FFFF
    assert round_trip_ns(ReferenceDelay(ssrc=1, last_ntp=0, delay=0), now_ntp=now_ntp) is None
    assert round_trip_ns(ReferenceDelay(ssrc=1, last_ntp=later, delay=0), now_ntp=now_ntp) is None


def test_a_goodbye_names_its_sources_and_may_give_a_reason() -> None:
    report = write_receiver_report(7, [])
    bye = struct.pack("!BBHII", 0x82, 203, 4, 1, 2**32 - 1) + b"\x03bye" + bytes(4)

    assert read_goodbyes(report + bye) == [1, 2**32 - 1]
    assert read_goodbyes(report) == []
