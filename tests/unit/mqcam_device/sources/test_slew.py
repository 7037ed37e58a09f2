"""A camera's timestamps become times of our clock that neither jitter nor step back."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources.slew import CameraClock

NS = 1_000_000_000
MS = NS // 1000
HZ = 90_000
TICKS = 3000
INTERVAL_NS = NS // 30


def clock() -> CameraClock:
    return CameraClock(rate_hz=HZ, bits=32)


def steps(times: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(times)]


def test_arrivals_that_jitter_do_not_show() -> None:
    chance, subject = random.Random(1), clock()  # noqa: S311 - jitter
    late = [int(chance.expovariate(1 / 8) * MS) for _ in range(3000)]
    captured = [
        subject.captured_ns(number * TICKS, 7 * NS + number * INTERVAL_NS + late[number])
        for number in range(3000)
    ]

    steady = steps(captured[90:])
    assert all(abs(step - INTERVAL_NS) < 1 * MS for step in steady)
    assert max(captured[number] - 7 * NS - number * INTERVAL_NS for number in range(90, 3000)) < MS


def test_burst_at_the_beginning_is_spread_over_the_time_in_which_it_was_taken() -> None:
    subject = clock()
    arrivals = [5 * NS + max(number - 60, 0) * INTERVAL_NS for number in range(200)]
    captured = [subject.captured_ns(n * TICKS, at) for n, at in enumerate(arrivals)]

    # All before the last of the burst seem to be of the moment in which they came.
    assert captured[61:] == pytest.approx(arrivals[61:], abs=2 * MS)
    assert all(step > 0 for step in steps(captured))


def test_late_pictures_keep_their_time() -> None:
    subject = clock()
    captured = []
    for number in range(600):
        on_time_ns = NS + number * INTERVAL_NS
        stalled = 300 <= number < 345  # 1.5 s that come at once
        arrived_ns = NS + 345 * INTERVAL_NS if stalled else on_time_ns
        captured.append(subject.captured_ns(number * TICKS, arrived_ns))

    assert all(abs(step - INTERVAL_NS) <= 2 * MS for step in steps(captured))


@pytest.mark.parametrize("parts_per_million", [-300, -50, 50, 300])
def test_drift_is_followed(parts_per_million: int) -> None:
    subject = clock()
    rate = 1 + parts_per_million / 1e6
    for number in range(30 * 120):
        on_time_ns = NS + number * INTERVAL_NS
        captured_ns = subject.captured_ns(int(number * TICKS * rate), on_time_ns)

    assert abs(captured_ns - on_time_ns) < 10 * MS


def test_wrap_is_no_jump() -> None:
    subject = clock()
    first = 2**32 - 10 * TICKS
    captured = [
        subject.captured_ns((first + number * TICKS) % 2**32, NS + number * INTERVAL_NS)
        for number in range(40)
    ]

    assert all(abs(step - INTERVAL_NS) <= 2000 for step in steps(captured))


@pytest.mark.parametrize("jump_s", [-20_000, -5, -1, 1, 7, 20_000])
def test_camera_whose_clock_is_set_goes_on_at_the_present(jump_s: int) -> None:
    subject = clock()
    captured = []
    for number in range(30 * 40):
        ticks = number * TICKS + (jump_s * HZ if number >= 600 else 0)
        captured.append(subject.captured_ns(ticks % 2**32, NS + number * INTERVAL_NS))

    assert all(step > 0 for step in steps(captured))
    assert captured[-1] == pytest.approx(NS + 1199 * INTERVAL_NS, abs=5 * MS)


def test_without_timestamps_arrival_is_the_time() -> None:
    subject = clock()

    assert [subject.captured_ns(None, at) for at in (5000, 5000, 9999)] == [5000, 6000, 9000]


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 2**32 - 1), st.integers(0, 10**6)),
            st.integers(0, 5 * NS),
        ),
        max_size=60,
    )
)
def test_time_grows_by_a_microsecond_whatever_comes(pictures: list[tuple[int | None, int]]) -> None:
    subject, arrived_ns = clock(), NS
    last_us, most_us = 0, 0
    for timestamp, waited_ns in pictures:
        arrived_ns += waited_ns
        captured_us, rest = divmod(subject.captured_ns(timestamp, arrived_ns), 1000)
        most_us = max(arrived_ns // 1000, last_us + 1)
        assert rest == 0
        assert last_us < captured_us <= most_us
        last_us = captured_us


@given(st.lists(st.integers(0, 400 * MS), min_size=100, max_size=200), st.integers(0, 2**32 - 1))
def test_no_picture_seems_taken_before_it_was(late: list[int], first: int) -> None:
    """Whatever the delays, times are at most the shortest delay's too late, never too early."""
    subject = clock()
    for number, late_ns in enumerate(late):
        on_time_ns = NS + number * INTERVAL_NS
        ticks = (first + number * TICKS) % 2**32
        # In order: who is late holds those behind.
        arrived_ns = max(on_time_ns + late_ns, NS)
        captured_ns = subject.captured_ns(ticks, arrived_ns)
        assert captured_ns >= on_time_ns - 2000
