"""Which packets are asked for, and when it is better to go on without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.depacketiser import Depacketiser
from mqcam.ordering import BURST_FLOOR, BURST_PACKETS, PATIENCE_S, REACH_BACK, TAIL_S
from support import rtp

if TYPE_CHECKING:
    from mqcam.depacketiser import VideoUnit

FIRST = 1000
FRAME_S = 1 / 30


def depacketiser() -> Depacketiser:
    return Depacketiser(
        payload_type=rtp.PAYLOAD_TYPE,
        rtx_payload_type=rtp.RTX_PAYLOAD_TYPE,
        ssrc=rtp.SSRC,
        rtx_ssrc=rtp.RTX_SSRC,
    )


def stream(*sizes: int, keyframes: tuple[int, ...] = (0,)) -> list[list[bytes]]:
    """Return the packets of pictures that have so many packets each."""
    made, sequence = [], FIRST
    for number, size in enumerate(sizes):
        content = bytes(1100 * size - 200)
        nals = rtp.idr(content) if number in keyframes else rtp.follower(content)
        packets = rtp.packets([nals], sequence=sequence, timestamp=number * 3000)
        sequence += len(packets)
        made.append(packets)
    return made


def give(
    subject: Depacketiser, packets: list[bytes], now: float, *, gap_s: float = 0.0
) -> list[VideoUnit]:
    return [
        unit
        for number, each in enumerate(packets)
        for unit in subject.receive(each, now + number * gap_s)
    ]


def number_of(packet: bytes) -> int:
    return int.from_bytes(packet[2:4])


def test_a_gap_is_asked_for_when_it_is_seen() -> None:
    first, second = stream(3, 5)
    subject = depacketiser()
    give(subject, [*first, *second[:1]], 0.0)
    assert subject.requests(0.0) == []
    give(subject, second[3:4], 0.001)

    assert subject.requests(0.001) == [number_of(each) for each in second[1:3]]


def test_the_end_of_a_picture_is_asked_for_when_nothing_follows() -> None:
    """Without that it would be missed with the next picture only, 33 ms later."""
    (packets,) = stream(5)
    subject = depacketiser()
    give(subject, packets[:-1], 0.0)
    assert subject.next_at(0.0) == pytest.approx(TAIL_S)
    assert subject.requests(TAIL_S - 0.001) == []
    assert subject.requests(TAIL_S) == [number_of(packets[-1])]

    assert len(subject.receive(rtp.retransmission(packets[-1]), 0.05)) == 1
    assert not subject.is_incomplete  # what would have followed is no longer expected
    assert subject.next_at(0.05) is None


def test_on_a_slow_line_the_end_of_a_picture_is_given_time() -> None:
    """At 500 kbit/s a packet takes 19 ms: each would be asked for while it is on its way."""
    first, second = stream(12, 12)
    subject = depacketiser()
    now = 0.0
    for packet in [*first, *second[:-1]]:
        subject.receive(packet, now)
        assert subject.requests(now + 0.018) == [] or now < 0.06
        now += 0.019
    assert subject.requests(now + 0.1) != []


def test_a_sender_without_markers_is_not_asked_for_ends() -> None:
    packets = [
        bytes((each[0], each[1] & 0x7F)) + each[2:]
        for picture in stream(2, 2, 2)
        for each in picture
    ]
    subject = depacketiser()
    give(subject, packets, 0.0)

    assert subject.requests(1.0) == []


def test_the_lost_beginning_of_the_first_keyframe_is_asked_for() -> None:
    """Nobody knows how many packets there were: a few before are asked for, and none awaited."""
    (packets,) = stream(6)
    subject = depacketiser()
    assert give(subject, packets[1:], 0.0) == []
    asked = subject.requests(0.0)
    assert asked == [number_of(packets[1]) - back for back in range(REACH_BACK, 0, -1)]

    (unit,) = subject.receive(rtp.retransmission(packets[0]), 0.04)
    assert unit.keyframe
    assert subject.counts.packets_lost == 0
    assert subject.requests(1.0) == []


def test_a_burst_is_not_asked_for() -> None:
    """A camera would not repeat so much: a keyframe is quicker."""
    pictures = stream(3, *[10] * 9, keyframes=(0,))
    subject = depacketiser()
    give(subject, pictures[0], 0.0)
    lost = sum(map(len, pictures[1:8]))
    assert lost > BURST_PACKETS
    give(subject, pictures[8], 1.0)

    assert subject.requests(1.0) == []
    assert subject.needs_keyframe
    assert subject.counts.packets_lost == lost


def test_old_pictures_are_not_asked_for() -> None:
    """At 300 kbit/s three seconds are few packets, but nobody wants to see them any more."""
    pictures = stream(*[1] * 60)
    subject = depacketiser()
    give(subject, pictures[0], 0.0)
    give(subject, pictures[BURST_FLOOR + 20], 1.0)

    assert subject.requests(1.0) == []
    assert subject.needs_keyframe


def test_a_slow_stream_is_repaired_all_the_same() -> None:
    """One picture a second: a single lost one spans two."""
    first = rtp.packets([rtp.idr(b"\x01" * 2000)], sequence=FIRST, timestamp=0, limit=4000)
    third = rtp.packets([rtp.follower(b"\x03")], sequence=FIRST + len(first) + 1, timestamp=180_000)
    subject = depacketiser()
    give(subject, first, 0.0)
    give(subject, third, 2.0)

    assert subject.requests(2.0) == [FIRST + len(first)]


def test_a_whole_keyframe_is_taken_while_pictures_are_dropped_anyway() -> None:
    pictures = stream(3, 3, 3, 3, 3, keyframes=(0, 3))
    subject = depacketiser()
    give(subject, pictures[0], 0.0)
    give(subject, pictures[1][1:], 0.1)
    assert subject.tick(0.1 + PATIENCE_S) == []
    assert subject.needs_keyframe
    give(subject, pictures[2][1:], 0.4)
    units = give(subject, pictures[3], 0.41)

    assert [unit.keyframe for unit in units] == [True]
    assert len(give(subject, pictures[4], 0.44)) == 1


def test_a_whole_keyframe_is_taken_when_repair_has_failed_once() -> None:
    pictures = stream(3, 3, 3, keyframes=(0, 2))
    subject = depacketiser()
    give(subject, pictures[0], 0.0)
    give(subject, pictures[1][1:], 0.1)
    subject.requests(0.1)
    assert give(subject, pictures[2], 0.12) == []  # the repeat may be on its way
    subject.requests(0.2)

    assert [unit.keyframe for unit in subject.tick(0.2)] == [True]


def test_what_is_missing_is_given_up_in_time_and_a_keyframe_is_needed() -> None:
    first, second, third = stream(3, 3, 3)
    subject = depacketiser()
    give(subject, first, 0.0)
    give(subject, second[1:], 0.1)
    subject.tick(0.1 + PATIENCE_S - 0.01)
    assert not subject.needs_keyframe
    subject.tick(0.1 + PATIENCE_S)

    assert subject.needs_keyframe
    assert give(subject, third, 0.4) == []
    assert subject.counts.packets_lost == 1


def test_a_path_of_long_round_trips_has_more_patience() -> None:
    first, second = stream(3, 3)
    subject = depacketiser()
    subject.repair.round_trip_s = 0.2
    give(subject, first, 0.0)
    give(subject, second[1:], 0.1)
    subject.tick(0.1 + 0.9)

    assert not subject.needs_keyframe


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**16 - 1) | st.integers(990, 1100),
            st.integers(0, 2**32 - 1) | st.integers(0, 9000),
            st.booleans(),
            st.booleans(),
            st.sampled_from(
                (b"\x41\x00", b"\x65\x00", b"\x7c\x85a", b"\x7c\x45a", b"\x67\x42", b"\x78", b"")
            ),
        ),
        max_size=120,
    )
)
def test_no_order_of_packets_breaks_or_swells_anything(
    headers: list[tuple[int, int, bool, bool, bytes]],
) -> None:
    """Authenticated is not well-behaved: a camera may be anything."""
    subject = depacketiser()
    now = 0.0
    for sequence, timestamp, marker, is_repeat, payload in headers:
        packet = rtp.packet(payload, sequence=sequence, timestamp=timestamp, marker=marker)
        subject.receive(rtp.retransmission(packet) if is_repeat else packet, now)
        assert len(subject.requests(now)) <= BURST_PACKETS + 1
        assert len(subject.repair) <= BURST_PACKETS + 1 + REACH_BACK
        now += 0.003
    for _ in range(2000):
        next_at = subject.next_at(now)
        if next_at is None:
            break
        now = max(next_at, now + 0.001)
        subject.tick(now)
        subject.requests(now)
    assert subject.next_at(now) is None
