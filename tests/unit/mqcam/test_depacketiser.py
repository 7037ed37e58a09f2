"""Encoded pictures out of RTP that was lost, doubled, shuffled or garbage."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.depacketiser import Depacketiser
from mqcam.ordering import MAX_WAITING, PATIENCE_S
from mqcam.payload import read_packet
from support import rtp

if TYPE_CHECKING:
    from mqcam.depacketiser import VideoUnit

PACKET_S = 0.002


def depacketiser() -> Depacketiser:
    return Depacketiser(
        payload_type=rtp.PAYLOAD_TYPE,
        rtx_payload_type=rtp.RTX_PAYLOAD_TYPE,
        ssrc=rtp.SSRC,
        rtx_ssrc=rtp.RTX_SSRC,
    )


def feed(
    subject: Depacketiser, packets: list[bytes], *, begin_s: float = 0.0, is_last: bool = True
) -> list[VideoUnit]:
    """Give packets in this order, two milliseconds apart, then let every patience run out."""
    units: list[VideoUnit] = []
    now = begin_s
    for each in packets:
        now += PACKET_S
        units += subject.receive(each, now)
    if is_last:
        units += subject.tick(now + 2 * PATIENCE_S)
    return units


def pictures(count: int, *, every: int = 8, size: int = 3000) -> list[list[bytes]]:
    """Return pictures of differing sizes, each ``every``-th a keyframe."""
    made = []
    for number in range(count):
        content = bytes([number % 200 + 1]) * (20 + number * 977 % size)
        made.append(rtp.idr(content) if number % every == 0 else rtp.follower(content))
    return made


def test_whole_pictures_come_out_as_they_went_in() -> None:
    """Single units, aggregates and fragments; sequence numbers and timestamps wrap meanwhile."""
    sent = pictures(40)
    subject = depacketiser()
    units = feed(subject, rtp.packets(sent))

    assert [unit.data for unit in units] == [rtp.stream_of(nals) for nals in sent]
    assert [unit.keyframe for unit in units] == [number % 8 == 0 for number in range(40)]
    assert {after.ticks - before.ticks for before, after in pairwise(units)} == {3000}
    assert subject.counts.units_dropped == subject.counts.packets_lost == 0


def test_a_picture_is_handed_on_with_its_last_packet() -> None:
    """It must not wait for the next picture: that would cost its interval."""
    sent = rtp.packets(pictures(1))
    subject = depacketiser()

    assert feed(subject, sent[:-1], is_last=False) == []
    assert len(subject.receive(sent[-1], 1.0)) == 1


def test_a_sender_without_markers_is_understood() -> None:
    sent = pictures(10)
    packets = [bytes((each[0], each[1] & 0x7F)) + each[2:] for each in rtp.packets(sent)]

    assert len(feed(depacketiser(), packets)) == 9  # the last one might go on


def test_a_picture_is_turned_as_its_last_packet_says_and_else_as_the_one_before() -> None:
    subject = depacketiser()
    said = {0: 90, 2: 270, 4: 0}
    units: list[VideoUnit] = []
    for index, data in enumerate(rtp.packets([rtp.idr(b"x"), *[rtp.follower(b"y")] * 4])):
        packet = read_packet(data, index * PACKET_S)
        assert packet is not None
        if packet.marker:
            packet.rotation = said.get(len(units))
        units += subject.take(packet)

    assert [unit.rotation for unit in units] == [90, 90, 270, 270, 0]


def test_the_rotation_is_heard_from_a_last_packet_that_was_repeated() -> None:
    subject = depacketiser()
    *first, last = rtp.packets([rtp.idr(b"x" * 3000)])
    feed(subject, first, is_last=False)
    packet = read_packet(rtp.retransmission(last), 0.1)
    assert packet is not None
    packet.marker, packet.rotation = True, 180
    (unit,) = subject.take(packet)

    assert unit.rotation == 180


def test_a_loss_costs_all_pictures_up_to_the_next_keyframe() -> None:
    sent = pictures(24)
    packets = rtp.packets(sent)
    third = len(rtp.packets(sent[:3]))
    del packets[third]  # the first packet of picture 3
    subject = depacketiser()
    units = feed(subject, packets)

    kept = [0, 1, 2, *range(8, 24)]
    assert [unit.data for unit in units] == [rtp.stream_of(sent[number]) for number in kept]
    assert subject.counts.packets_lost == 1
    assert subject.counts.units == len(kept)
    assert subject.counts.units_dropped in (4, 5)  # picture 3 is seen only if it had more packets


def test_a_retransmission_heals_a_loss() -> None:
    sent = pictures(16)
    packets = rtp.packets(sent)
    late = rtp.retransmission(packets[5])
    subject = depacketiser()
    units = feed(subject, [*packets[:5], *packets[6:20], late, late, *packets[20:]])

    assert [unit.data for unit in units] == [rtp.stream_of(nals) for nals in sent]
    assert subject.counts.packets_recovered == subject.counts.packets_duplicate == 1
    assert subject.counts.packets_lost == 0


def test_a_retransmission_that_comes_too_late_changes_nothing() -> None:
    packets = rtp.packets(pictures(16))
    subject = depacketiser()
    units = feed(subject, [*packets[:5], *packets[6:]])
    again = subject.receive(rtp.retransmission(packets[5]), 100.0)

    assert units
    assert again == []
    assert subject.counts.packets_lost == 1


def test_a_missing_packet_is_awaited_as_long_as_patience_lasts() -> None:
    packets = rtp.packets([rtp.idr(b"\x01" * 50), rtp.follower(b"\x02"), rtp.idr(b"\x03" * 50)])
    subject = depacketiser()
    first = len(rtp.packets([rtp.idr(b"\x01" * 50)]))
    feed(subject, packets[:first], is_last=False)
    feed(subject, packets[first + 1 :], begin_s=1.0, is_last=False)

    assert subject.tick(1.0 + PATIENCE_S - 0.01) == []
    assert not subject.needs_keyframe
    (unit,) = subject.tick(1.1 + PATIENCE_S)
    assert unit.keyframe


def test_pictures_before_the_first_keyframe_are_dropped() -> None:
    sent = pictures(20)
    subject = depacketiser()
    units = feed(subject, rtp.packets(sent[3:]))

    assert [unit.data for unit in units] == [rtp.stream_of(nals) for nals in sent[8:]]
    assert subject.counts.units_undecodable == 5


def test_needing_a_keyframe_is_told_until_it_came() -> None:
    sent = pictures(9)
    subject = depacketiser()
    assert not subject.needs_keyframe
    feed(subject, rtp.packets(sent[3:8]))
    assert subject.needs_keyframe
    feed(subject, rtp.packets(sent[8:], sequence=65_530 + len(rtp.packets(sent[3:8]))))
    assert not subject.needs_keyframe


def test_the_very_first_packets_may_be_shuffled() -> None:
    packets = rtp.packets([rtp.idr(b"\x07" * 3000), *pictures(4)[1:]])
    packets[0], packets[1] = packets[1], packets[0]

    assert len(feed(depacketiser(), packets)) == 4


def test_parameter_sets_alone_are_no_picture_and_break_nothing() -> None:
    sent = [rtp.idr(b"\x01" * 9), [rtp.SPS, rtp.PPS], rtp.follower(b"\x02" * 9)]

    assert len(feed(depacketiser(), rtp.packets(sent))) == 2


def test_other_streams_are_ignored() -> None:
    sent = pictures(3)
    other = [
        rtp.packet(b"\x41\x00", sequence=9, timestamp=9, payload_type=96),
        rtp.packet(b"\x41\x00", sequence=9, timestamp=9, ssrc=5),
    ]
    subject = depacketiser()
    units = feed(subject, [*other, *rtp.packets(sent), *other])

    assert len(units) == 3
    assert subject.counts.packets == len(rtp.packets(sent))


def test_a_new_numbering_is_followed() -> None:
    """A sender that begins again costs pictures up to its next keyframe, not the session."""
    first, second = pictures(8), pictures(24)
    subject = depacketiser()
    feed(subject, rtp.packets(first))
    units = feed(subject, rtp.packets(second, sequence=20_000), begin_s=5.0)

    assert [unit.data for unit in units][-16:] == [rtp.stream_of(nals) for nals in second[8:]]


def test_what_waits_behind_a_loss_is_bounded() -> None:
    subject = depacketiser()
    subject.receive(rtp.packet(b"\x41\x00\x00", sequence=0, timestamp=0, marker=True), 0.0)
    for number in range(2, 3 * MAX_WAITING):
        subject.receive(
            rtp.packet(b"\x41\x00\x00", sequence=number, timestamp=number, marker=True), 0.0
        )
        assert len(subject._order._waiting) <= MAX_WAITING + 1


def test_a_picture_without_end_is_bounded() -> None:
    subject = depacketiser()
    for number in range(12_000):
        part = rtp.packet(b"\x7c\x05" + bytes(1100), sequence=number, timestamp=0)
        assert subject.receive(part, number / 1000) == []

    assert subject._parts_bytes <= 8_100_000
    assert subject.counts.units_incomplete == 1


@given(st.lists(st.binary(max_size=60), max_size=60))
def test_garbage_is_never_an_exception(chunks: list[bytes]) -> None:
    """As whole packets, and as payloads of packets that belong to the stream."""
    subject = depacketiser()
    feed(subject, chunks)
    feed(
        subject,
        [rtp.packet(each, sequence=n, timestamp=n // 3) for n, each in enumerate(chunks)],
    )
    feed(
        subject,
        [
            rtp.packet(
                each, sequence=n, timestamp=n, payload_type=rtp.RTX_PAYLOAD_TYPE, ssrc=rtp.RTX_SSRC
            )
            for n, each in enumerate(chunks)
        ],
    )
    assert subject.counts.units == 0 or any(b"\x65" in each for each in chunks)


@given(
    seed=st.integers(0, 2**32),
    lost=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    recovered=st.sampled_from([0.0, 0.5, 1.0]),
    shuffle=st.integers(0, 12),
    doubled=st.sampled_from([0.0, 0.2]),
)
def test_what_comes_out_can_always_be_decoded(
    seed: int, lost: float, recovered: float, shuffle: int, doubled: float
) -> None:
    """Whatever the network does: each picture once, in order, none without those it needs."""
    chance = random.Random(seed)  # noqa: S311 - a network, not a secret
    sent = pictures(64)
    arriving: list[tuple[float, bytes]] = []
    for number, each in enumerate(rtp.packets(sent, sequence=chance.randrange(2**16))):
        at = number + chance.random() * shuffle
        if chance.random() >= lost:
            arriving.append((at, each))
        elif chance.random() < recovered:
            arriving.append((at + 20 + chance.random() * 20, rtp.retransmission(each)))
        if chance.random() < doubled:
            arriving.append((at + chance.random() * 10, each))
    subject = depacketiser()
    units = feed(subject, [each for _, each in sorted(arriving, key=lambda item: item[0])])

    known = {rtp.stream_of(nals): number for number, nals in enumerate(sent)}
    numbers = [known[unit.data] for unit in units]
    assert numbers == sorted(set(numbers))
    for before, number in zip([None, *numbers], numbers, strict=False):
        assert number % 8 == 0 or before == number - 1
    if lost == 0.0 or recovered == 1.0:
        begin = numbers[0] if numbers else 0
        assert numbers == list(range(begin, 64))
        # 8 where the very first packet came long after the others; a later one where that keyframe
        # was whole while those before were still being repaired.
        assert begin in (0, 8) or (lost > 0.0 and begin % 8 == 0)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x80\x66\x00\x01",
        b"\x40" + rtp.packet(b"\x41\x00", sequence=1, timestamp=1)[1:],  # version 1
        b"\xb0" + rtp.packet(b"\x41\x00", sequence=1, timestamp=1)[1:-1] + b"\xff",  # padding
        b"\x9f" + rtp.packet(b"\x41\x00", sequence=1, timestamp=1)[1:],  # 15 sources, no room
    ],
)
def test_a_damaged_packet_is_counted(damaged: bytes) -> None:
    subject = depacketiser()

    assert subject.receive(damaged, 0.0) == []
    assert subject.counts.malformed == 1
