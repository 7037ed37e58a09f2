"""What a receiver reports of the packets that came."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.arrivals import STATUS_LIMIT
from mqcam.feedback import ReportBlock, read_feedback, write_receiver_report
from mqcam.reception import ArrivalLog, StreamFigures, Unrest
from mqcam.rtcp import SECOND_NS, SenderReport

SSRC = 77
RATE_HZ = 90_000


def block_of(figures: StreamFigures, *, now_ns: int = 0) -> ReportBlock:
    block = figures.block(SSRC, now_ns=now_ns)
    assert block is not None
    return block


def fed(sequences: list[int], *, interval_s: float = 0.01) -> StreamFigures:
    figures = StreamFigures(rate_hz=RATE_HZ)
    for number, sequence in enumerate(sequences):
        ticks = round(number * interval_s * RATE_HZ)
        figures.add(sequence & 0xFFFF, ticks & 0xFFFF_FFFF, 5.0 + number * interval_s)
    return figures


def test_before_the_first_packet_there_is_nothing_to_say() -> None:
    assert StreamFigures(rate_hz=RATE_HZ).block(SSRC, now_ns=0) is None


def test_a_clean_stream_across_the_wrap_has_no_loss_and_no_jitter() -> None:
    block = block_of(fed(list(range(65_500, 65_600))))

    assert (block.packets_lost, block.fraction_lost, block.jitter) == (0, 0.0, 0)
    assert block.highest == 65_599
    assert (block.last_report, block.delay) == (0, 0)


def test_losses_are_told_in_the_report_that_follows_them() -> None:
    figures = fed([*range(100, 150), *range(160, 200)])
    first = block_of(figures)
    for sequence in range(200, 300):
        figures.add(sequence, 0, 6.0)
    second = block_of(figures)

    assert first.fraction_lost == pytest.approx(0.1)
    assert (first.packets_lost, second.packets_lost) == (10, 10)
    assert second.fraction_lost == 0.0


def test_packets_in_another_order_are_not_lost_and_doubled_ones_count_against_it() -> None:
    block = block_of(fed([1, 2, 5, 3, 4, 4, 6]))

    assert block.packets_lost == -1  # RFC 3550 appendix A.3
    assert block.highest == 6


def test_another_numbering_loses_nothing() -> None:
    figures = fed([*range(100), *range(30_000, 30_100)])
    block = block_of(figures)

    assert (block.packets_lost, block.fraction_lost) == (0, 0.0)
    assert block.highest & 0xFFFF == 30_099


def test_jitter_is_that_of_the_rfc() -> None:
    """Every other packet 10 ms late: differences of 900 ticks, approached with a sixteenth."""
    figures = StreamFigures(rate_hz=RATE_HZ)
    for number in range(400):
        late_s = 0.01 * (number % 2)
        figures.add(number, number * 900, number * 0.01 + late_s)

    assert block_of(figures).jitter == pytest.approx(900, abs=2)


def test_the_senders_report_and_its_age_are_named() -> None:
    figures = fed([1, 2])
    ntp = 0x1234_5678_9ABC_DEF0
    report = SenderReport(ssrc=SSRC, ntp=ntp, rtp_timestamp=0, packets=0, octets=0)
    figures.take_report(report, arrived_ns=7 * SECOND_NS)
    block = block_of(figures, now_ns=7 * SECOND_NS + SECOND_NS // 2)

    assert block.last_report == 0x5678_9ABC
    assert block.delay == 32_768


@given(
    st.lists(
        st.tuples(st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.floats(0, 1e9)),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_comes_can_be_reported(headers: list[tuple[int, int, float]]) -> None:
    figures = StreamFigures(rate_hz=RATE_HZ)
    for sequence, timestamp, arrived_at in headers:
        figures.add(sequence, timestamp, arrived_at)
        block = block_of(figures)
        assert 0.0 <= block.fraction_lost <= 1.0
        report = write_receiver_report(1, [block])
        (read,) = read_feedback(report, ssrc=SSRC).blocks
        assert read.jitter == block.jitter


def test_arrivals_are_told_once_and_what_is_missing_is_told_as_lost() -> None:
    log = ArrivalLog()
    for number in (65_534, 65_535, 1, 2):
        log.add(number, 1.0 + number / 1_000_000)

    told = log.take()
    assert [number for number, _ in told] == [65_534, 65_535, 0, 1, 2]
    assert told[0] == (65_534, 1_065_534)
    assert told[2] == (0, None)
    assert log.take() == []
    log.add(3, 2.0)
    assert log.take() == [(3, 2_000_000)]


def test_a_packet_that_was_told_as_lost_is_not_told_again() -> None:
    log = ArrivalLog()
    log.add(1, 1.0)
    log.add(3, 1.0)
    log.take()
    log.add(2, 1.1)

    assert log.take() == []


def test_the_log_is_bounded() -> None:
    log = ArrivalLog()
    for number in range(3 * STATUS_LIMIT):
        log.add(number & 0xFFFF, 1.0)
        assert len(log._arrived_us) <= STATUS_LIMIT
    log.add(20_000 + 3 * STATUS_LIMIT & 0xFFFF, 1.0)

    assert len(log.take()) <= STATUS_LIMIT


@given(seed=st.integers(0, 2**32))
def test_every_number_is_told_in_a_row(seed: int) -> None:
    """What is lost, late or doubled changes what is said of a number, not whether."""
    chance = random.Random(seed)  # noqa: S311 - a network, not a secret
    log = ArrivalLog()
    told: list[int] = []
    number = begin = chance.randrange(2**16)
    log.add(number, 0.0)
    for _ in range(300):
        number += chance.choice((1, 1, 1, 1, 2, -1, 0, 9))
        log.add(number & 0xFFFF, 0.0)
        if chance.random() < 0.1:
            told += [each for each, _ in log.take()]
    assert told == [(begin + index) & 0xFFFF for index in range(len(told))]


def unrest_after(delays_s: list[float]) -> tuple[Unrest, float]:
    """Let a packet come each 33 ms, so much later than it should."""
    unrest, now = Unrest(rate_hz=90_000), 0.0
    for number, delay_s in enumerate(delays_s):
        now = 10 + number / 30 + delay_s
        unrest.add((number * 3000 + 2**32 - 50_000) % 2**32, now)
    return unrest, now


def test_a_calm_path_is_watched_closely_for_a_while_and_then_not() -> None:
    assert unrest_after([0.0] * 30)[0].is_there(11.0)
    unrest, now = unrest_after([0.005 * (number % 2) for number in range(120)])
    assert not unrest.is_there(now)


def test_a_queue_and_missing_packets_are_trouble() -> None:
    unrest, now = unrest_after([0.0] * 90 + [0.002 * number for number in range(20)])
    assert unrest.is_there(now)
    unrest, now = unrest_after([0.0] * 90)
    assert not unrest.is_there(now)
    unrest.note(now)
    assert unrest.is_there(now + 1.9)
    assert not unrest.is_there(now + 2.1)


def test_a_clock_that_drifts_is_no_trouble() -> None:
    """100 ppm are many for a crystal."""
    unrest, now = unrest_after([number / 30 * 1e-4 for number in range(30 * 600)])
    assert not unrest.is_there(now)


def test_a_calm_path_stays_calm_for_days() -> None:
    """Timestamps pass half of their range after 6.6 hours."""
    unrest, now = Unrest(rate_hz=90_000), 0.0
    for minute in range(60 * 24 * 2):
        now = 10 + minute * 60.0
        unrest.add(minute * 60 * 90_000 % 2**32, now)
    assert not unrest.is_there(now)
