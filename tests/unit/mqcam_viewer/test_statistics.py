from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_viewer.statistics import (
    MAX_SAMPLES,
    FrameStatistics,
    Percentiles,
    Report,
    percentiles,
)

CONTRACT = [
    "camera",
    "session",
    "connected_ms",
    "first_frame_ms",
    "frames",
    "fps",
    "width",
    "height",
    "latency_ms",
    "bitrate_bps",
    "packets_lost",
    "frames_dropped",
    "freezes",
    "rtt_ms",
    "candidate_pair",
    "reconnects",
]


def fed(times: list[float], *, latency_ms: float | None = None) -> FrameStatistics:
    """Return statistics of pictures that came at these times."""
    statistics = FrameStatistics()
    for at in times:
        statistics.add(decoded_at=at, width=640, height=360, latency_ms=latency_ms)
    return statistics


def test_nothing_measured_is_zero() -> None:
    assert (FrameStatistics().fps, FrameStatistics().frames) == (0.0, 0)


def test_one_picture_has_no_rate() -> None:
    assert fed([5.0]).fps == 0.0


def test_the_rate_counts_intervals() -> None:
    assert fed([0.0, 0.1, 0.2, 0.3]).fps == pytest.approx(10.0)


def test_a_long_gap_is_a_freeze() -> None:
    assert fed([0.0, 0.1, 0.3, 0.4, 0.6]).freezes == 2


def test_latencies_are_bounded() -> None:
    statistics = fed([i / 30 for i in range(MAX_SAMPLES + 10)], latency_ms=1.0)

    assert len(statistics.latencies_ms) <= MAX_SAMPLES
    assert statistics.frames == MAX_SAMPLES + 10


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles([]) is None


def test_percentiles_do_not_depend_on_order() -> None:
    values = [float(value) for value in range(100)]

    assert percentiles(values[::-1]) == Percentiles(p50=50.0, p95=95.0, p99=99.0)


@given(st.lists(st.floats(0, 10_000), min_size=1))
def test_percentiles_lie_within_the_values_and_rise(values: list[float]) -> None:
    found = percentiles(values)

    assert found is not None
    low, high = round(min(values), 1), round(max(values), 1)
    assert low <= found.p50 <= found.p95 <= found.p99 <= high


def test_the_report_has_the_fields_of_the_contract_in_their_order() -> None:
    report = Report(
        camera="front",
        session="s",
        connected_ms=1.0,
        first_frame_ms=2.0,
        frames=3,
        fps=30.0,
        width=1,
        height=2,
        latency_ms=Percentiles(p50=1.0, p95=2.0, p99=3.0),
        bitrate_bps=4,
        packets_lost=0,
        frames_dropped=0,
        freezes=0,
        rtt_ms=None,
        candidate_pair=None,
        reconnects=0,
    )

    values = json.loads(json.dumps(report.as_json()))
    assert list(values) == CONTRACT
    assert values["latency_ms"] == {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    assert values["rtt_ms"] is None


def test_a_freeze_that_still_lasts_is_counted_when_asked() -> None:
    statistics = fed([number / 30 for number in range(60)])

    assert statistics.freezes_at(59 / 30 + 0.1) == 0
    assert statistics.freezes_at(59 / 30 + 5) == 1
    assert statistics.freezes == 0


def test_a_camera_that_is_slow_by_itself_does_not_freeze() -> None:
    """Five pictures a second at night are no trouble; a second without one is."""
    slow = [number / 5 for number in range(40)]

    assert fed(slow).freezes <= 1  # what is usual is not known at the first gap
    assert fed([*slow, slow[-1] + 1.0]).freezes == fed(slow).freezes + 1
