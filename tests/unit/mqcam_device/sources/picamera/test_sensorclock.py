from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources.picamera.sensorclock import Growth, SensorClock, suspended_ns

MS = 1_000_000
HOUR = 3600 * 1000 * MS


def test_a_picture_of_now_was_taken_now() -> None:
    before = time.monotonic_ns()
    found = SensorClock().monotonic_ns(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    assert before - MS <= found <= time.monotonic_ns() + MS


def test_boot_time_is_not_behind() -> None:
    assert suspended_ns() > -MS


def test_the_noise_of_reading_clocks_moves_no_picture() -> None:
    ahead = iter((HOUR, HOUR + 900_000, HOUR - 900_000))
    clock = SensorClock(lambda: next(ahead))
    assert [clock.monotonic_ns(HOUR + 5 * MS) for _ in range(2)] == [5 * MS] * 2


def test_after_a_suspend_pictures_are_of_the_present() -> None:
    ahead = iter((0, 0, HOUR, HOUR))
    clock = SensorClock(lambda: next(ahead))
    assert clock.monotonic_ns(5 * MS) == 5 * MS
    assert clock.monotonic_ns(HOUR + 38 * MS) == 38 * MS


@given(st.lists(st.integers(0, 10**15)))
def test_times_grow_by_a_microsecond_at_least(times_ns: list[int]) -> None:
    growth = Growth()
    found = [growth.next_ns(each) // 1000 for each in times_ns]
    assert found == sorted(set(found))


def test_times_that_grow_stay_as_they_are() -> None:
    growth = Growth()
    assert [growth.next_ns(each) for each in (1_000, 34_000, 67_500)] == [1_000, 34_000, 67_000]
