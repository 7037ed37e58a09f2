from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.feedback import ReportBlock
from mqcam_device.rate.reported import Reported

if TYPE_CHECKING:
    from mqcam_device.rate.passage import Sample


def block(*, highest: int, lost: int = 0) -> ReportBlock:
    return ReportBlock(1, 0.0, lost, highest, 0, 0, 0)


def take(
    reported: Reported, second: float, *, highest: int, lost: int = 0, round_trip_s: float = 0.04
) -> Sample | None:
    """Report at a time, after 100 packets of 1000 bytes each second."""
    return reported.take(
        block(highest=highest, lost=lost),
        round_trip_s,
        sent_bytes=int(second * 100_000),
        sent_packets=int(second * 100),
        now=second,
    )


def test_two_reports_tell_what_arrived() -> None:
    reported = Reported()
    assert take(reported, 1, highest=100) is None
    sample = take(reported, 2, highest=200, lost=10)
    assert sample is not None
    assert sample.delivered_bps == pytest.approx(720_000)
    assert (sample.lost, sample.received) == (10, 90)


def test_a_round_trip_that_has_grown_is_a_queue() -> None:
    reported = Reported()
    take(reported, 1, highest=100)
    sample = take(reported, 2, highest=200, round_trip_s=0.14)
    assert sample is not None
    assert sample.queue_s == pytest.approx(0.1)
    reported.forget_base()
    sample = take(reported, 3, highest=300, round_trip_s=0.14)
    assert sample is not None
    assert sample.queue_s == 0


def test_a_flood_of_reports_is_read_five_times_a_second() -> None:
    reported = Reported()
    samples = [take(reported, 1 + index / 100, highest=100 + index) for index in range(100)]
    assert sum(sample is not None for sample in samples) <= 5


def test_counters_may_wrap() -> None:
    reported = Reported()
    take(reported, 1, highest=2**32 - 50)
    sample = take(reported, 2, highest=50)
    assert sample is not None
    assert sample.received == 100


def test_counters_that_go_back_count_nothing() -> None:
    reported = Reported()
    take(reported, 1, highest=100, lost=50)
    sample = take(reported, 2, highest=50, lost=10)
    assert sample is not None
    assert (sample.lost, sample.received, sample.delivered_bps) == (0, 0, 0)


def test_the_rate_of_sending_is_known_after_half_a_second() -> None:
    reported = Reported()
    for step in range(20):
        reported.mark(step * 10_000, step / 10)
    assert reported.sent_bps(190_000, 1.9) == pytest.approx(800_000)
    assert Reported().sent_bps(1000, 5.0) == 0
