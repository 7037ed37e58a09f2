"""What picamera2 says of its cameras, or why it says nothing.

Also run on the real one, on fakes: tests/integration/test_camera_verbs.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mqcam.errors import SourceError
from mqcam_device.sources.picamera.presence import list_picameras

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMX = {"Id": "/base/soc/imx708@1a", "Model": "imx708", "Num": 0}
WEBCAM = {"Id": "/base/scb/usb@0,0-1.3:1.0-046d:0825", "Model": "C270", "Num": 1}
MODES = [
    {"size": (1536, 864), "fps": 120.13},
    {"size": (4608, 2592), "fps": 14.35},
    {"size": (1536, 864), "fps": 60},
    {"format": "MJPEG"},
]


class Library:
    """As much of picamera2 as is used to list cameras; `opened` are their numbers."""

    def __init__(self, infos: list[dict[str, Any]], error: Exception | None = None) -> None:
        self.infos, self.error = infos, error
        self.opened: list[int] = []
        self.closed = 0
        self.sensor_modes = MODES

    def global_camera_info(self) -> list[dict[str, Any]]:
        return self.infos

    def __call__(self, number: int) -> Library:
        if self.error is not None:
            raise self.error
        self.opened.append(number)
        return self

    def close(self) -> None:
        self.closed += 1


def test_sizes_are_the_sensors_with_their_highest_rates() -> None:
    library = Library([IMX])
    listing = list_picameras(is_opening=True, load=lambda: library, has_encoder=lambda: False)
    (camera,) = listing.cameras
    assert (camera.kind, camera.id, camera.model) == ("picamera", "/base/soc/imx708@1a", "imx708")
    assert camera.sizes == ("4608x2592@14", "1536x864@120")
    assert camera.encoders == ("x264",)
    assert camera.usable
    assert library.closed == 1


def test_a_board_with_an_encoder_uses_it() -> None:
    listing = list_picameras(
        is_opening=False, load=lambda: Library([IMX]), has_encoder=lambda: True
    )
    assert listing.cameras[0].encoders == ("the Pi's own (/dev/video11)",)


def test_a_camera_whose_encoder_may_not_be_opened_is_listed_with_the_reason() -> None:
    def refuse() -> bool:
        raise SourceError("picamera", "/dev/video11 may not be opened")

    (camera,) = list_picameras(
        is_opening=True, load=lambda: Library([IMX]), has_encoder=refuse
    ).cameras
    assert not camera.usable
    assert camera.text == "/dev/video11 may not be opened"
    assert camera.encoders == ("the Pi's own (/dev/video11)",)


def test_cameras_on_usb_are_left_to_those_who_list_them() -> None:
    library = Library([IMX, WEBCAM])
    listing = list_picameras(is_opening=True, load=lambda: library)
    assert [camera.model for camera in listing.cameras] == ["imx708"]
    assert library.opened == [0]


def test_a_camera_that_an_agent_has_is_not_opened() -> None:
    library = Library([IMX])
    (camera,) = list_picameras(is_opening=False, load=lambda: library).cameras
    assert library.opened == []
    assert camera.usable


def test_a_camera_that_does_not_open_is_listed_with_the_reason() -> None:
    library = Library([IMX], error=RuntimeError("Camera __init__ sequence did not complete."))
    (camera,) = list_picameras(is_opening=True, load=lambda: library).cameras
    assert not camera.usable
    assert "another program has it" in camera.text


def raising(error: Exception) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


def test_without_picamera2_the_line_that_installs_it_is_said() -> None:
    listing = list_picameras(
        is_opening=True, load=raising(ModuleNotFoundError("No module named 'picamera2'"))
    )
    assert listing.cameras == ()
    assert "sudo apt install -y --no-install-recommends python3-picamera2" in listing.notes[0]


def test_a_picamera2_that_this_environment_does_not_see_is_not_installed_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "picamera2").mkdir()
    error = ModuleNotFoundError("No module named 'picamera2'", name="picamera2")
    (note,) = list_picameras(is_opening=True, load=raising(error), system=tmp_path).notes
    assert "/opt/mqcam/bin/mqcam-device" in note
    assert "apt" not in note


def test_a_library_that_is_broken_is_said_to_be() -> None:
    error = ValueError("numpy.dtype size changed\nmore")
    listing = list_picameras(is_opening=True, load=raising(error))
    assert listing.notes == (
        "Pi cameras cannot be used: picamera2 does not load here (numpy.dtype size changed)",
    )


def test_whoever_may_not_look_is_told_the_group(tmp_path: Path) -> None:
    node = tmp_path / "media0"
    node.touch()

    def may(_path: object, _mode: int) -> bool:
        return False

    listing = list_picameras(
        is_opening=True, load=lambda: Library([]), nodes=tmp_path, may_open=may
    )
    assert "usermod -aG video" in listing.notes[0]


def test_a_pi_that_sees_no_camera_is_told_to_look_at_the_cable(tmp_path: Path) -> None:
    listing = list_picameras(is_opening=True, load=lambda: Library([]), nodes=tmp_path)
    assert "cable" in listing.notes[0]
