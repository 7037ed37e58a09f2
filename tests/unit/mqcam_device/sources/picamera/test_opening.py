from __future__ import annotations

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.picamera.opening import open_camera


def failing(reason: str) -> object:
    raise RuntimeError("Camera __init__ sequence did not complete.") from RuntimeError(reason)


def test_a_camera_in_other_hands_is_said_to_be() -> None:
    with pytest.raises(SourceError, match="another program uses the camera"):
        open_camera(lambda place: failing("Failed to acquire camera: Device or resource busy"), 0)


def test_any_other_reason_is_libcameras_own() -> None:
    with pytest.raises(SourceError, match="cannot be opened: Failed to acquire camera: Gone"):
        open_camera(lambda place: failing("Failed to acquire camera: Gone"), 0)


def test_it_is_opened_by_its_place() -> None:
    assert open_camera(lambda place: f"camera {place}", 2) == "camera 2"
