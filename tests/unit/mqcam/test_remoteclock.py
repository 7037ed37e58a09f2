from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.remoteclock import RemoteClock
from mqcam.rtcp import SECOND_NS, SenderClock, SenderReport, ntp_from_unix_ns

MILLISECOND_NS = SECOND_NS // 1000
CAMERA_AHEAD_NS = 123_456 * SECOND_NS + 789


def report_at(now_ns: int, clock: SenderClock) -> SenderReport:
    """Make the report that a camera sends at ``now_ns`` of our clock."""
    return SenderReport(
        ssrc=1,
        ntp=ntp_from_unix_ns(now_ns + CAMERA_AHEAD_NS),
        rtp_timestamp=clock.rtp_at(now_ns + CAMERA_AHEAD_NS),
        packets=0,
        octets=0,
    )


def run(one_way_ns: int, queue_ns: int, seconds: int, seed: int = 1) -> tuple[RemoteClock, int]:
    """Exchange reports once a second over a path with random queues."""
    clock = RemoteClock()
    chance = random.Random(seed)  # noqa: S311 - a repeatable path, no secret
    sender = SenderClock(rtp_timestamp=2**32 - 45_000, captured_ns=CAMERA_AHEAD_NS)
    now_ns = 0
    for second in range(seconds):
        now_ns = second * SECOND_NS
        there, back = (one_way_ns + chance.randrange(queue_ns + 1) for _ in range(2))
        clock.add_round_trip(there + back, now_ns=now_ns)
        clock.add_report(report_at(now_ns, sender), arrived_ns=now_ns + back)
    return clock, now_ns


def test_nothing_is_known_before_both_kinds_of_report() -> None:
    clock = RemoteClock()
    assert clock.offset_ns is None
    clock.add_report(
        report_at(0, SenderClock(rtp_timestamp=0, captured_ns=0)), arrived_ns=MILLISECOND_NS
    )
    assert clock.offset_ns is None
    assert clock.captured_ns(0) is None
    clock.add_round_trip(2 * MILLISECOND_NS, now_ns=0)
    assert clock.offset_ns == pytest.approx(CAMERA_AHEAD_NS, abs=2)


@given(st.integers(0, 200 * MILLISECOND_NS), st.integers(0, 2**32))
def test_queues_do_not_blur_the_offset(one_way_ns: int, seed: int) -> None:
    """Twenty rounds with up to 50 ms of queue each way."""
    clock, _ = run(one_way_ns, 50 * MILLISECOND_NS, 20, seed)
    assert clock.offset_ns is not None
    assert abs(clock.offset_ns - CAMERA_AHEAD_NS) <= 25 * MILLISECOND_NS


def test_a_symmetric_path_gives_the_exact_offset_and_capture_times_across_the_wrap() -> None:
    clock, now_ns = run(20 * MILLISECOND_NS, 0, 3)
    assert clock.round_trip_ns == 40 * MILLISECOND_NS
    assert clock.offset_ns == pytest.approx(CAMERA_AHEAD_NS, abs=2)
    # Captured half a second after the first pair: where the timestamp wraps.
    captured_ns = clock.captured_ns(0)
    assert captured_ns == pytest.approx(SECOND_NS // 2, abs=20_000)
    assert now_ns == 2 * SECOND_NS


def test_old_samples_are_forgotten() -> None:
    clock, now_ns = run(5 * MILLISECOND_NS, 0, 2)
    clock.add_round_trip(90 * MILLISECOND_NS, now_ns=now_ns + 30 * SECOND_NS)
    assert clock.round_trip_ns == 90 * MILLISECOND_NS


def test_the_usual_round_trip_follows_a_queue_but_no_single_packet() -> None:
    clock = RemoteClock()
    assert clock.usual_round_trip_ns is None
    for second, milliseconds in enumerate((40, 41, 300, 42)):
        clock.add_round_trip(milliseconds * MILLISECOND_NS, now_ns=second * SECOND_NS)
    assert clock.usual_round_trip_ns == 42 * MILLISECOND_NS
    for second in (4, 5):
        clock.add_round_trip(300 * MILLISECOND_NS, now_ns=second * SECOND_NS)

    assert clock.usual_round_trip_ns == 300 * MILLISECOND_NS
    assert clock.round_trip_ns == 40 * MILLISECOND_NS
