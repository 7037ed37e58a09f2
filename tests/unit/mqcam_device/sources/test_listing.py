from __future__ import annotations

from mqcam_device.sources.listing import list_usb
from mqcam_device.sources.usb.cameras import Mode, UsbCamera

CAMERA = UsbCamera(
    id="usb-Maker_HD_77-video-index0",
    name="HD Webcam",
    node="/dev/video0",
    others=("pci-1",),
    modes=(
        Mode(format="yuyv422", width=1280, height=720, fps=10),
        Mode(format="mjpeg", width=1280, height=720, fps=30),
        Mode(format="mjpeg", width=640, height=480, fps=0),
    ),
)


def test_a_usb_camera_is_listed_with_its_best_rates_and_all_of_its_names() -> None:
    (camera,) = list_usb([CAMERA]).cameras
    assert (camera.kind, camera.id, camera.model) == ("usb", CAMERA.id, "HD Webcam")
    assert camera.aliases == ("/dev/video0", "pci-1")
    assert camera.sizes == ("1280x720@30", "640x480")
    assert camera.formats == ("mjpeg", "yuyv422")
    assert camera.encoders == ("x264",)


def test_h264_of_the_camera_needs_no_encoder_of_ours() -> None:
    mode = Mode(format="h264", width=1920, height=1080, fps=30)
    camera = UsbCamera(id="a", name="b", node="c", modes=(mode,))
    assert list_usb([camera]).cameras[0].encoders == ("the camera's own",)


def test_a_camera_in_trouble_is_listed_as_not_usable() -> None:
    camera = UsbCamera(id="a", name="b", node="c", trouble="another program uses it")
    (found,) = list_usb([camera]).cameras
    assert not found.usable
    assert found.text == "another program uses it"
