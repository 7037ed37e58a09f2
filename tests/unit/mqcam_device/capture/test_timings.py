"""Deadlines that lie within one another are told in different modules, which must not drift."""

from __future__ import annotations

from mqcam_device import enumeration
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.selftest import own
from mqcam_device.sources import passthrough
from mqcam_device.sources.picamera import source

SHIPPED = CaptureTimings()


def test_a_pi_camera_has_most_of_the_time_that_a_new_child_has() -> None:
    assert 0.85 * SHIPPED.hello_s <= source.OPEN_S < SHIPPED.hello_s


def test_a_network_camera_says_why_it_does_not_come_back_before_it_is_given_up() -> None:
    assert SHIPPED.slow_open_s > passthrough.START_S


def test_cameras_are_looked_for_as_long_as_a_library_may_take_to_load() -> None:
    assert SHIPPED.hello_s <= enumeration.DEADLINE_S


def test_a_selftest_waits_for_a_camera_for_as_long_as_an_agent_would() -> None:
    assert SHIPPED.hello_s < own.OPEN_S
