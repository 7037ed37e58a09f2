from __future__ import annotations

import pytest
from mqcam_device.sources.picamera.pace import Pace

FAST = {"FrameDurationLimits": (8_333, 220_000_000, 33_333)}
SLOW = {"FrameDurationLimits": (50_000, 220_000_000, 50_000)}


def test_a_camera_is_told_its_shortest_and_longest_frame() -> None:
    pace = Pace.of(FAST, fps=30, fps_min=5)
    assert pace.native == {"FrameDurationLimits": (33_333, 200_000)}
    assert (pace.fps, pace.fps_min) == (30, 5)


def test_unless_it_is_said_the_night_has_five_pictures_a_second() -> None:
    assert Pace.of(FAST, fps=30, fps_min=None).fps_min == 5
    assert Pace.of(FAST, fps=3, fps_min=None).fps_min == 3


def test_a_camera_is_not_asked_for_more_than_it_has() -> None:
    pace = Pace.of(SLOW, fps=30, fps_min=25)
    assert pace.fps == pace.fps_min == pytest.approx(20)


@pytest.mark.parametrize(
    ("wanted", "fps", "fps_min"), [(15, 15, 10), (7, 7, 7), (500, 30, 10), (0, 1, 1)]
)
def test_another_cap_keeps_within_limits_and_remembers_the_night(
    wanted: float, fps: float, fps_min: float
) -> None:
    pace = Pace.of(FAST, fps=30, fps_min=10).limited(5).limited(wanted)
    assert pace.fps == pytest.approx(fps, rel=0.001)
    assert pace.fps_min == pytest.approx(fps_min)


def test_a_camera_without_such_a_control_is_told_nothing() -> None:
    pace = Pace.of({}, fps=30, fps_min=5)
    assert pace.native == {}
    assert pace.fps == 30
