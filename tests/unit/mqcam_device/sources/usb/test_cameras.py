"""USB cameras are found under names that outlive a reboot, and only what is one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from fakes.v4l2_nodes import METADATA, FakeDevices, FakeNode, Sizes
from mqcam.errors import SourceError
from mqcam_device.sources.usb.cameras import Mode, UsbCamera, explain, find_camera, list_cameras

if TYPE_CHECKING:
    from pathlib import Path

HD, VGA = (1280, 720), (640, 480)
USUAL: dict[str, Sizes] = {"YUYV": {VGA: (30,), HD: (10,)}, "MJPG": {HD: (30, 15), VGA: (30,)}}


@pytest.fixture
def devices(tmp_path: Path) -> FakeDevices:
    return FakeDevices(tmp_path)


def listed(devices: FakeDevices) -> list[UsbCamera]:
    return list_cameras(devices=devices.folder, ioctl=devices.ioctl)


def webcam(socket: str = "1", card: str = "HD Webcam") -> FakeNode:
    return FakeNode(card=card, bus=f"usb-0000:00:14.0-{socket}", formats=dict(USUAL))


def test_camera_is_listed_with_what_it_can(devices: FakeDevices) -> None:
    node = devices.plug("video0", webcam(), by_id="usb-Maker_HD_77-video-index0", by_path="pci-1")

    (camera,) = listed(devices)

    named = (camera.id, camera.name, camera.node, camera.trouble)
    assert named == ("usb-Maker_HD_77-video-index0", "HD Webcam", node, "")
    assert set(camera.modes) == {
        Mode(format="mjpeg", width=1280, height=720, fps=30.0),
        Mode(format="mjpeg", width=640, height=480, fps=30.0),
        Mode(format="yuyv422", width=1280, height=720, fps=10.0),
        Mode(format="yuyv422", width=640, height=480, fps=30.0),
    }


def test_metadata_nodes_and_parts_of_the_pi_are_no_cameras(devices: FakeDevices) -> None:
    devices.plug("video0", webcam(), by_id="usb-A-video-index0")
    metadata = FakeNode(card="HD Webcam", bus="usb-0000:00:14.0-1", flags=METADATA)
    devices.plug("video1", metadata, by_id="usb-A-video-index1")
    isp = FakeNode(card="isp", bus="platform:isp", driver="bcm2835-isp", formats=dict(USUAL))
    devices.plug("video14", isp)

    assert [camera.id for camera in listed(devices)] == ["usb-A-video-index0"]


def test_camera_keeps_its_id_when_the_kernel_numbers_it_anew(tmp_path: Path) -> None:
    ids = []
    for number in (0, 7):
        folder = tmp_path / str(number)
        folder.mkdir()
        devices = FakeDevices(folder)
        devices.plug(f"video{number}", webcam(), by_id="usb-A_1-video-index0")
        ids += [camera.id for camera in listed(devices)]

    assert ids == ["usb-A_1-video-index0"] * 2


def test_two_that_look_alike_are_told_apart_by_their_sockets(devices: FakeDevices) -> None:
    # Neither has a serial number: udev's name by id leads to one of them, nobody knows which.
    devices.plug("video0", webcam("1"), by_id="usb-A-video-index0", by_path="pci-usb-1-index0")
    devices.plug("video2", webcam("2"), by_path="pci-usb-2-index0")

    assert [camera.id for camera in listed(devices)] == ["pci-usb-1-index0", "pci-usb-2-index0"]
    with pytest.raises(SourceError, match="is not there"):
        find_camera("usb-A-video-index0", devices=devices.folder, ioctl=devices.ioctl)


def test_two_with_serial_numbers_keep_them(devices: FakeDevices) -> None:
    devices.plug("video0", webcam("1"), by_id="usb-A_11-video-index0", by_path="pci-usb-1")
    devices.plug("video2", webcam("2"), by_id="usb-A_22-video-index0", by_path="pci-usb-2")

    assert [each.id for each in listed(devices)] == [
        "usb-A_11-video-index0",
        "usb-A_22-video-index0",
    ]


def test_without_udev_the_socket_is_the_id(devices: FakeDevices) -> None:
    devices.plug("video0", webcam("1.2"))

    assert [camera.id for camera in listed(devices)] == ["usb-0000:00:14.0-1.2"]


def test_camera_is_found_by_id_by_node_or_as_the_only_one(devices: FakeDevices) -> None:
    node = devices.plug("video3", webcam(), by_id="usb-A-video-index0", by_path="pci-1")

    found = [
        find_camera(wanted, devices=devices.folder, ioctl=devices.ioctl).node
        for wanted in ("usb-A-video-index0", "pci-1", node, None)
    ]

    assert found == [node] * 4


@pytest.mark.parametrize(
    ("count", "wanted", "sentence"),
    [
        (0, None, "usb: no USB camera is plugged in"),
        (0, "usb-B", "usb: the camera usb-B is not there; no USB camera is plugged in"),
        (1, "usb-B", "usb: the camera usb-B is not there; there is usb-0"),
        (2, None, "usb: there are several cameras: name one as 'camera' (usb-0, usb-1)"),
    ],
)
def test_who_asks_for_what_is_not_there_hears_what_is(
    devices: FakeDevices, count: int, wanted: str | None, sentence: str
) -> None:
    for number in range(count):
        devices.plug(f"video{number}", webcam(card=f"no. {number}"), by_id=f"usb-{number}")

    with pytest.raises(SourceError) as caught:
        find_camera(wanted, devices=devices.folder, ioctl=devices.ioctl)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "group 'video'"),
        (errno.EBUSY, "another program uses"),
        (errno.ENODEV, "unplugged"),
        (errno.EPROTO, "does not work: Protocol error"),
    ],
)
def test_camera_that_cannot_be_asked_is_listed_with_the_reason(
    devices: FakeDevices, number: int, words: str
) -> None:
    node = webcam()
    node.error = number
    devices.plug("video0", node, by_id="usb-A-video-index0")

    (camera,) = listed(devices)

    assert camera.id == "usb-A-video-index0"
    assert words in camera.trouble


def test_reason_names_the_node() -> None:
    assert "/dev/video9" in explain("/dev/video9", PermissionError(errno.EACCES, "no"))
