from __future__ import annotations

import pytest
import yaml
from mqcam_device.cameras import kinds_here, text_of, with_user, yaml_of
from mqcam_device.enumeration import Enumeration, FoundCamera

PI = FoundCamera(
    kind="picamera",
    id="/base/soc/i2c0mux/i2c@1/imx708@1a",
    aliases=(),
    model="imx708",
    sizes=("4608x2592@14", "2304x1296@56"),
    formats=("YUV420",),
    encoders=("the Pi's own (/dev/video11)",),
    usable=True,
    text="",
)
USB = FoundCamera(
    kind="usb",
    id="platform-fd500000.pcie-usb-0:1.2:1.0-video-index0",
    aliases=("/dev/video0",),
    model="HD Webcam",
    sizes=("1280x720@30",),
    formats=("h264", "mjpeg"),
    encoders=("the camera's own", "x264"),
    usable=False,
    text="this user may not open /dev/video0: it must be in the group 'video'",
)


def test_the_list_says_what_each_camera_can_and_how_to_mean_it() -> None:
    found = Enumeration(cameras=(PI, USB), notes=("a note",))
    assert text_of(found, columns=100).splitlines() == [
        "imx708 (Pi camera)",
        "  sizes      4608x2592@14, 2304x1296@56",
        "  encoder    the Pi's own (/dev/video11)",
        '  write      source: {kind: picamera, camera: "/base/soc/i2c0mux/i2c@1/imx708@1a"}',
        "",
        "HD Webcam (USB camera)",
        "  not usable this user may not open /dev/video0: it must be in the group 'video'",
        "  sizes      1280x720@30",
        "  formats    h264, mjpeg",
        "  encoder    the camera's own or x264",
        f'  write      source: {{kind: usb, camera: "{USB.id}"}}',
        "",
        "a note",
    ]


def test_many_sizes_are_wrapped_below_each_other() -> None:
    sizes = tuple(f"{width}x480@30" for width in range(640, 660))
    camera = FoundCamera(**{name: getattr(PI, name) for name in PI.__slots__} | {"sizes": sizes})
    lines = text_of(Enumeration(cameras=(camera,), notes=()), columns=60).splitlines()
    wrapped = lines[1:-2]
    assert len(wrapped) > 2
    assert all(len(line) <= 60 for line in wrapped)
    assert all(line.startswith(" " * 13) for line in wrapped[1:])


@pytest.mark.parametrize("camera", [PI, USB])
def test_the_line_is_what_the_configuration_reads(camera: FoundCamera) -> None:
    read = yaml.safe_load(yaml_of(camera))
    assert read == {"source": {"kind": camera.kind, "camera": camera.id}}


def test_no_camera_is_said_with_the_way_to_a_network_camera() -> None:
    assert "kind: rtsp" in text_of(Enumeration(cameras=(), notes=()), columns=100)


def test_why_there_is_none_is_said() -> None:
    found = Enumeration(cameras=(), notes=("the cable is loose",))
    assert text_of(found, columns=100) == "no camera can be used here\n\nthe cable is loose"


@pytest.mark.parametrize("wanted", [None, "/dev/video0", USB.id])
def test_a_camera_says_which_agent_has_it(wanted: str | None) -> None:
    camera = with_user(USB, (PI, USB), [("front", "usb", wanted)])
    assert camera.usable
    assert camera.text == "by the running agent 'front'"


def test_an_agent_without_a_name_for_its_camera_has_the_first() -> None:
    other = FoundCamera(**{name: getattr(USB, name) for name in USB.__slots__} | {"id": "b"})
    assert with_user(other, (USB, other), [("front", "usb", None)]) is other


@pytest.mark.parametrize(
    ("model", "kinds"),
    [("Raspberry Pi 5 Model B Rev 1.0", ("picamera", "usb")), ("A PC", ("usb",))],
)
def test_pi_cameras_are_missed_on_a_pi_only(model: str, kinds: tuple[str, ...]) -> None:
    assert kinds_here(model) == kinds
