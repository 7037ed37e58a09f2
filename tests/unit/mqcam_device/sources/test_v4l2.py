"""Our V4L2 structures are those of the kernel, and nodes answer through them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from fakes.v4l2_nodes import FakeDevices, FakeNode, Sizes
from mqcam_device.sources import v4l2
from mqcam_device.sources.v4l2 import Node

HEADER = Path("/usr/include/linux/videodev2.h")

CONSTANTS = {
    "VIDIOC_QUERYCAP": v4l2.QUERYCAP,
    "VIDIOC_ENUM_FMT": v4l2.ENUM_FMT,
    "VIDIOC_S_CTRL": v4l2.S_CTRL,
    "VIDIOC_QUERYCTRL": v4l2.QUERYCTRL,
    "VIDIOC_ENUM_FRAMESIZES": v4l2.ENUM_FRAMESIZES,
    "VIDIOC_ENUM_FRAMEINTERVALS": v4l2.ENUM_FRAMEINTERVALS,
    "V4L2_CAP_VIDEO_CAPTURE": v4l2.CAP_VIDEO_CAPTURE,
    "V4L2_CAP_STREAMING": v4l2.CAP_STREAMING,
    "V4L2_CAP_DEVICE_CAPS": v4l2.CAP_DEVICE_CAPS,
    "V4L2_BUF_TYPE_VIDEO_CAPTURE": v4l2.BUF_TYPE_VIDEO_CAPTURE,
    "V4L2_FRMSIZE_TYPE_DISCRETE": v4l2.DISCRETE,
    "V4L2_FRMIVAL_TYPE_DISCRETE": v4l2.DISCRETE,
    "V4L2_CTRL_FLAG_DISABLED": v4l2.CTRL_FLAG_DISABLED,
    "V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME": v4l2.CID_FORCE_KEY_FRAME,
    "offsetof(struct v4l2_capability, device_caps)": 88,
    "offsetof(struct v4l2_fmtdesc, pixelformat)": 44,
    "offsetof(struct v4l2_frmsizeenum, type)": 8,
    "offsetof(struct v4l2_frmsizeenum, stepwise.max_height)": 28,
    "offsetof(struct v4l2_frmivalenum, type)": 16,
    "offsetof(struct v4l2_frmivalenum, discrete)": 20,
    "offsetof(struct v4l2_queryctrl, flags)": 56,
}


@pytest.mark.skipif(
    not HEADER.exists() or shutil.which("cc") is None,
    reason="no C compiler or no linux/videodev2.h here",
)
def test_numbers_are_those_of_the_kernel_header(tmp_path: Path) -> None:
    lines = "".join(f'printf("%lu\\n", (unsigned long)({name}));' for name in CONSTANTS)
    source = tmp_path / "numbers.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/videodev2.h>\n"
        f"int main(void) {{ {lines} return 0; }}\n"
    )
    program = tmp_path / "numbers"
    subprocess.run(["cc", "-o", program, source], check=True, timeout=30)

    printed = subprocess.run([program], check=True, capture_output=True, timeout=10).stdout.split()

    assert dict(zip(CONSTANTS, map(int, printed), strict=True)) == CONSTANTS


def test_node_tells_formats_sizes_and_rates(tmp_path: Path) -> None:
    devices = FakeDevices(tmp_path)
    formats: dict[str, Sizes] = {"H264": {(1920, 1080): (30, 15)}, "MJPG": {(640, 480): (30,)}}
    path = devices.plug("video0", FakeNode(card="C920", bus="usb-1", formats=formats))

    with Node(path, devices.ioctl) as node:
        assert list(node.formats()) == ["H264", "MJPG"]
        assert list(node.sizes("H264")) == [(1920, 1080)]
        assert list(node.rates("H264", (1920, 1080))) == [30.0, 15.0]
        assert list(node.sizes("YUYV")) == []


def test_name_of_a_camera_steers_no_terminal(tmp_path: Path) -> None:
    devices = FakeDevices(tmp_path)
    path = devices.plug("video0", FakeNode(card="\x1b]0;evil\x07\ncam\x9b2J", bus="usb-\r1"))

    with Node(path, devices.ioctl) as node:
        capability = node.capability()

    assert capability.card == "]0;evil  cam 2J"
    assert capability.bus == "usb- 1"


def test_control_is_set_where_the_camera_has_it(tmp_path: Path) -> None:
    devices = FakeDevices(tmp_path)
    camera = FakeNode(card="C920", bus="usb-1", controls={v4l2.CID_FORCE_KEY_FRAME: 0})
    path = devices.plug("video0", camera)

    with Node(path, devices.ioctl) as node:
        has = [node.has_control(each) for each in (v4l2.CID_FORCE_KEY_FRAME, 0x0098_0900)]
        node.set_control(v4l2.CID_FORCE_KEY_FRAME, 1)

    assert has == [True, False]
    assert camera.controls == {v4l2.CID_FORCE_KEY_FRAME: 1}
