from __future__ import annotations

from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.sources.picamera.source import OPEN_S


def test_a_camera_has_nearly_as_long_to_open_as_the_agent_waits_for_its_child() -> None:
    """The child's own sentence comes first, but not while the libraries still load."""
    assert 1 <= CaptureTimings().hello_s - OPEN_S <= 3
