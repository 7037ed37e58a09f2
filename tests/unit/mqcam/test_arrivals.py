from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from mqcam.arrivals import (
    PACKET_STATUS_LIMIT,
    REFERENCE_US,
    STATUS_LIMIT,
    TICK_US,
    Arrivals,
    read_arrivals,
    write_arrivals,
)
from mqcam.feedback import read_feedback

SENDER = 0x0A0B0C0D
MEDIA = 0x01020304
SOURCES = struct.pack("!II", SENDER, MEDIA)
BEGIN_US = 1_000 * REFERENCE_US

gaps = st.one_of(
    st.none(), st.integers(0, 300), st.integers(-32_768, 32_767), st.integers(-100_000, 100_000)
)


def body(base: int, count: int, reference: int, chunks: list[int], deltas: bytes) -> bytes:
    """Make a feedback by hand, without its first word."""
    head = struct.pack("!HHI", base, count, reference << 8 | 9)
    return SOURCES + head + b"".join(struct.pack("!H", chunk) for chunk in chunks) + deltas


def arrived(arrivals: Arrivals | None) -> list[int | None]:
    assert arrivals is not None
    return [at_us for _, at_us in arrivals.arrivals]


def test_a_run_of_small_deltas_is_read() -> None:
    arrivals = read_arrivals(body(0xFFFF, 3, 2, [0x2003], bytes((0, 4, 255))))
    assert arrivals is not None
    assert arrivals.base == 0xFFFF
    assert arrivals.count == 3
    assert arrivals.feedback_count == 9
    assert arrivals.reference_us == 128_000
    assert arrivals.arrivals == [(0xFFFF, 128_000), (0, 129_000), (1, 129_000 + 63_750)]


def test_a_vector_of_one_bit_symbols_is_read() -> None:
    chunk = 0b10_10110000000001
    arrivals = read_arrivals(body(10, 14, 0, [chunk], bytes((1, 1, 1, 1))))
    assert arrived(arrivals) == [250, None, 500, 750, *[None] * 9, 1_000]


def test_a_vector_of_two_bit_symbols_is_read() -> None:
    chunk = 0b11_10_00_01_10_00_00_00
    deltas = struct.pack("!hBh", 400, 4, -404)
    arrivals = read_arrivals(body(10, 7, 0, [chunk], deltas))
    assert arrived(arrivals) == [100_000, None, 101_000, 0, None, None, None]


def test_symbols_beyond_the_count_are_padding() -> None:
    assert arrived(read_arrivals(body(0, 2, 0, [0b10_11111111111111], bytes(2)))) == [0, 0]


def test_a_reference_before_zero_is_read() -> None:
    assert arrived(read_arrivals(body(0, 1, 0xFFFFFF, [0x2001], b"\x01"))) == [-64_000 + 250]


def test_malformed_feedback_is_not_read() -> None:
    assert read_arrivals(SOURCES) is None
    assert read_arrivals(body(0, 0, 0, [0x2001], b"\x00")) is None  # about no packet
    assert read_arrivals(body(0, 3, 0, [0x2002], bytes(2))) is None  # a status is missing
    assert read_arrivals(body(0, 3, 0, [0x2003], bytes(2))) is None  # a delta is missing
    assert read_arrivals(body(0, 1, 0, [0x4001], bytes(1))) is None  # half a delta
    assert read_arrivals(body(0, 1, 0, [0x6001], bytes(9))) is None  # a reserved symbol
    assert read_arrivals(body(0, STATUS_LIMIT + 1, 0, [0x1FFF] * 2, b"")) is None
    assert read_arrivals(body(0, 2, 0, [0x0000] * 2, bytes(4))) is None  # runs of nothing


def test_chunks_are_written_as_the_draft_draws_them() -> None:
    times = [BEGIN_US, None, BEGIN_US + 1_000, BEGIN_US + 101_000]
    (packet,) = write_arrivals(SENDER, MEDIA, 5, list(enumerate(times, 7)))
    assert packet == bytes.fromhex(
        "8fcd0006 0a0b0c0d 01020304 0007 0004 0003e8 05 d180 00 04 0190 0000"
    )


@given(st.integers(0, 2**16 - 1), st.lists(gaps, min_size=1, max_size=600), st.integers(0, 255))
def test_what_is_written_is_read(base: int, ticks: list[int | None], count: int) -> None:
    times: list[int | None] = []
    at_us = 10**11
    for gap in ticks:
        at_us += (gap or 0) * TICK_US
        times.append(None if gap is None else at_us)
    written = [((base + index) & 0xFFFF, each) for index, each in enumerate(times)]
    packets = write_arrivals(SENDER, MEDIA, count, written)
    assert all(len(packet) <= 1120 and len(packet) % 4 == 0 for packet in packets)
    parts = read_feedback(b"".join(packets), ssrc=MEDIA).arrivals
    assert [each for part in parts for each in part.arrivals] == written
    assert [part.feedback_count for part in parts] == [
        (count + index) & 0xFF for index in range(len(packets))
    ]


def test_times_are_rounded_down_to_ticks() -> None:
    (packet,) = write_arrivals(SENDER, MEDIA, 0, [(1, BEGIN_US + 249), (2, BEGIN_US + 499)])
    (arrivals,) = read_feedback(packet, ssrc=MEDIA).arrivals
    assert arrived(arrivals) == [BEGIN_US, BEGIN_US + 250]


def test_a_pause_of_more_than_eight_seconds_begins_a_new_feedback() -> None:
    within = [(1, BEGIN_US), (2, BEGIN_US + 8_191_750)]
    beyond = [(1, BEGIN_US), (2, BEGIN_US + 8_192_000)]
    assert len(write_arrivals(SENDER, MEDIA, 0, within)) == 1
    assert len(write_arrivals(SENDER, MEDIA, 0, beyond)) == 2


def test_many_packets_take_several_feedbacks() -> None:
    arrivals = [(index, BEGIN_US) for index in range(PACKET_STATUS_LIMIT + 1)]
    assert len(write_arrivals(SENDER, MEDIA, 0, arrivals)) == 2


def test_nothing_to_tell_is_no_packet() -> None:
    assert write_arrivals(SENDER, MEDIA, 0, []) == []


def test_ordinary_arrivals_take_little_more_than_a_byte_each() -> None:
    arrivals = [(index, BEGIN_US + 1_000 * index) for index in range(60)]
    (packet,) = write_arrivals(SENDER, MEDIA, 0, arrivals)
    assert len(packet) == 20 + 60 + 2 + 2


def test_a_compound_has_a_bound_for_statuses() -> None:
    packet = struct.pack("!BBH", 0x8F, 205, 5) + body(0, STATUS_LIMIT, 0, [0x1000, 0], b"")
    assert len(read_feedback(packet * 3, ssrc=MEDIA).arrivals) == 1


@given(st.binary(max_size=100))
def test_no_bytes_can_raise(content: bytes) -> None:
    arrivals = read_arrivals(SOURCES + content)
    assert arrivals is None or len(arrivals.arrivals) == arrivals.count
