from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources.picamera import bitrate


@pytest.mark.parametrize(
    ("width", "height", "fps", "expected_bps"),
    [
        (640, 360, 30, 300_000),
        (640, 360, 15, 150_000),
        (1280, 720, 30, 600_000),
        (1920, 1080, 30, 900_000),
        (480, 360, 24, 225_000),
    ],
)
def test_the_floor_grows_with_the_pictures_sides_and_their_number(
    width: int, height: int, fps: float, expected_bps: int
) -> None:
    assert bitrate.floor_bps(width=width, height=height, fps=fps) == expected_bps


def test_the_floor_is_well_above_what_was_seen_to_freeze() -> None:
    frozen_bps = 100_000  # rpicam-apps 682
    assert bitrate.floor_bps(width=480, height=360, fps=24) >= 2 * frozen_bps


def test_the_floor_wins_over_a_low_ceiling() -> None:
    assert bitrate.limits(width=1280, height=720, fps=30, max_bitrate_bps=300_000) == (
        600_000,
        600_000,
    )


def test_no_more_is_asked_for_than_firmware_starts_with() -> None:
    limits = bitrate.limits(width=1280, height=720, fps=30, max_bitrate_bps=50_000_000)
    assert limits == (600_000, 20_000_000)


@given(st.integers(0, 50_000_000))
def test_a_rate_is_a_step_of_the_driver_within_its_limits(wanted_bps: int) -> None:
    limits = bitrate.limits(width=1280, height=720, fps=30, max_bitrate_bps=4_000_000)
    applied_bps = bitrate.clamp(wanted_bps, limits)
    assert limits[0] <= applied_bps <= limits[1]
    assert applied_bps % 25_000 == 0
    assert applied_bps <= max(wanted_bps, limits[0])
