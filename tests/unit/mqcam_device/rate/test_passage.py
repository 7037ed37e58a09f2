from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.arrivals import REFERENCE_PERIOD_US, Arrivals
from mqcam_device.rate.passage import Minimum, Passage, Sample

SIZE = 1200
BEGIN_US = 5_000_000_000


def feedback(*arrivals: tuple[int, int | None], count: int = 0) -> Arrivals:
    return Arrivals(arrivals[0][0], len(arrivals), 0, count, list(arrivals))


def carry(
    passage: Passage,
    *,
    packets: int,
    interval_s: float = 0.01,
    queue_s: float = 0.0,
    begin: int = 0,
) -> list[Sample]:
    """Send packets one by one and report them five at a time, 20 ms after they arrived."""
    samples = []
    waiting: list[tuple[int, int | None]] = []
    for index in range(begin, begin + packets):
        now = index * interval_s
        passage.sent(index & 0xFFFF, SIZE, now)
        waiting.append((index & 0xFFFF, BEGIN_US + int((now + queue_s) * 1e6)))
        if len(waiting) == 5:
            count = index // 5 & 0xFF
            sample = passage.take(feedback(*waiting, count=count), now + queue_s + 0.02)
            if sample is not None:
                samples.append(sample)
            waiting.clear()
    return samples


def test_the_delivered_rate_is_what_arrived() -> None:
    sample = carry(Passage(), packets=100)[-1]
    assert sample.delivered_bps == pytest.approx(SIZE * 8 * 100, rel=0.02)
    assert sample.capacity_bps == pytest.approx(SIZE * 8 * 100, rel=0.02)


def test_there_is_no_rate_before_there_is_time() -> None:
    assert carry(Passage(), packets=5)[-1].delivered_bps is None


def test_a_delay_without_change_is_no_queue() -> None:
    assert carry(Passage(), packets=100, queue_s=0.3)[-1].queue_s == pytest.approx(0, abs=1e-3)


def test_a_delay_that_has_grown_is_a_queue() -> None:
    passage = Passage()
    carry(passage, packets=100)
    samples = carry(passage, packets=100, queue_s=0.2, begin=100)
    assert samples[-1].queue_s == pytest.approx(0.2, abs=1e-3)


def test_one_late_packet_is_no_queue() -> None:
    passage = Passage()
    carry(passage, packets=100)
    for sequence in (100, 101):
        passage.sent(sequence, SIZE, 1.0)
    late = feedback((100, BEGIN_US + 1_000_000), (101, BEGIN_US + 1_200_000))
    sample = passage.take(late, 1.3)
    assert sample is not None
    assert sample.queue_s == pytest.approx(0, abs=1e-3)


def test_a_queue_can_be_declared_none() -> None:
    passage = Passage()
    carry(passage, packets=100)
    carry(passage, packets=100, queue_s=0.2, begin=100)
    passage.forget_base()
    samples = carry(passage, packets=100, queue_s=0.2, begin=200)
    assert samples[-1].queue_s == pytest.approx(0, abs=1e-3)


def test_losses_are_counted_for_a_second() -> None:
    passage = Passage()
    for index in range(4):
        passage.sent(index, SIZE, 0.0)
    sample = passage.take(feedback((0, BEGIN_US), (1, None), (2, None), (3, BEGIN_US)), 0.1)
    assert sample is not None
    assert (sample.lost, sample.received) == (2, 2)
    later = carry(passage, packets=200, begin=4)
    assert (later[10].lost, later[-1].lost) == (2, 0)


def test_what_arrives_after_it_was_given_up_counts_once() -> None:
    passage = Passage()
    for index in range(3):
        passage.sent(index, SIZE, 0.0)
    passage.take(feedback((0, BEGIN_US), (1, None), (2, BEGIN_US)), 0.1)
    sample = passage.take(feedback((1, BEGIN_US + 250), (2, BEGIN_US), count=1), 0.2)
    assert sample is not None
    assert sample.received == 3


def test_feedback_about_what_was_never_sent_says_nothing() -> None:
    passage = Passage()
    passage.sent(1, SIZE, 0.0)
    assert passage.take(feedback((5, BEGIN_US), (4097, BEGIN_US)), 0.1) is None


def test_a_run_is_remembered_like_its_packets() -> None:
    one, other = Passage(), Passage()
    one.sent_run(0xFFFE, 4, SIZE, 1.0)
    for sequence in (0xFFFE, 0xFFFF, 0, 1):
        other.sent(sequence, SIZE, 1.0)
    report = feedback((0xFFFE, BEGIN_US), (0xFFFF, BEGIN_US), (0, BEGIN_US), (1, None))
    assert one.take(report, 1.1) == other.take(report, 1.1)
    assert (one.sent_bytes, one.sent_packets) == (4 * SIZE, 4)


def test_trains_show_the_narrowest_line() -> None:
    passage = Passage()
    assert passage.train_bps is None
    spacing_us = SIZE * 8  # 1 Mbit/s
    for train in range(10):
        now = train * 0.05
        passage.sent_run(train * 4, 4, SIZE, now)
        begin_us = BEGIN_US + train * 50_000
        times = [(train * 4 + index, begin_us + index * spacing_us) for index in range(4)]
        passage.take(feedback(*times, count=train), now + 0.05)
    assert passage.train_bps == pytest.approx(1_000_000, rel=0.01)


def test_packets_on_their_own_make_no_train() -> None:
    passage = Passage()
    carry(passage, packets=100)
    assert passage.train_bps is None


def test_what_is_under_way_is_known() -> None:
    passage = Passage()
    passage.sent_run(0, 10, SIZE, 0.0)
    sample = passage.take(feedback(*[(index, BEGIN_US) for index in range(4)]), 0.1)
    assert sample is not None
    assert sample.under_way_bytes == 6 * SIZE
    assert sample.loop_s == pytest.approx(0.1)


def test_the_clock_of_a_receiver_may_begin_again() -> None:
    passage = Passage()
    half = REFERENCE_PERIOD_US // 2
    samples = []
    for index in range(100):
        passage.sent(index, SIZE, index * 0.01)
        at_us = half - 500_000 + index * 10_000
        at_us -= REFERENCE_PERIOD_US if at_us >= half else 0
        report = Arrivals(index, 1, at_us, index, [(index, at_us)])
        samples.append(passage.take(report, index * 0.01 + 0.02))
    assert samples[-1] is not None
    assert samples[-1].queue_s == pytest.approx(0, abs=1e-3)
    assert samples[-1].delivered_bps == pytest.approx(SIZE * 8 * 100, rel=0.02)


def test_a_lost_feedback_makes_no_rate_lower() -> None:
    passage = Passage()
    carry(passage, packets=100)
    for index in range(100, 105):
        passage.sent(index, SIZE, index * 0.01)
    samples = carry(passage, packets=100, begin=105)
    assert samples[0].delivered_bps is None
    rates = [each.delivered_bps for each in samples if each.delivered_bps is not None]
    assert min(rates) == pytest.approx(SIZE * 8 * 100, rel=0.02)


def test_the_clock_of_a_receiver_may_jump() -> None:
    passage = Passage()
    carry(passage, packets=50)
    passage.sent(50, SIZE, 0.5)
    sample = passage.take(feedback((50, BEGIN_US + 100_000_000)), 0.6)
    assert sample is not None
    assert sample.queue_s == 0
    assert sample.delivered_bps is None


def test_a_minimum_is_forgotten_after_half_a_minute() -> None:
    minimum = Minimum()
    minimum.take(1.0, 0.0)
    assert [minimum.take(5.0, at) for at in (9.0, 19.0, 29.0, 31.0)] == [1.0, 1.0, 1.0, 5.0]


times = st.one_of(st.none(), st.integers(-(2**60), 2**60))
reports = st.lists(st.tuples(st.integers(0, 0xFFFF), times), min_size=1, max_size=20)


@given(st.lists(st.tuples(reports, st.integers(-(2**40), 2**40)), max_size=10))
def test_no_feedback_can_raise(claims: list[tuple[list[tuple[int, int | None]], int]]) -> None:
    passage = Passage()
    for index, (arrivals, reference_us) in enumerate(claims):
        passage.sent_run(arrivals[0][0], 10, SIZE, index * 0.01)
        passage.take(Arrivals(0, len(arrivals), reference_us, 0, arrivals), index * 0.01)
