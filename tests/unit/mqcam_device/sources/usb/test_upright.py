"""Raw pictures of cameras become what an encoder takes: range, chroma and mirroring right."""

from __future__ import annotations

import av
import pytest
from av.video.reformatter import ColorRange
from mqcam_device.sources.usb.upright import Upright
from support.films import grey_picture

SIZE = (64, 32)


def luma(frame: av.VideoFrame) -> list[list[int]]:
    plane = frame.planes[0]
    data = bytes(plane)
    return [list(data[line * plane.line_size :][: frame.width]) for line in range(frame.height)]


def test_full_range_becomes_video_range() -> None:
    frame = av.VideoFrame(*SIZE, "yuvj422p")
    for index, plane in enumerate(frame.planes):
        plane.update(bytes((255 if index == 0 else 128,)) * plane.buffer_size)
    turned = Upright(hflip=False, vflip=False).turn(frame)

    assert turned.format.name == "yuv420p"
    assert turned.color_range != ColorRange.JPEG
    assert abs(luma(turned)[5][5] - 235) <= 1


def test_yuyv_keeps_its_range() -> None:
    frame = grey_picture(*SIZE, 200).reformat(format="yuyv422")
    turned = Upright(hflip=False, vflip=False).turn(frame)

    assert turned.format.name == "yuv420p"
    assert abs(luma(turned)[30][60] - 200) <= 1
    assert abs(luma(turned)[2][2] - 16) <= 1


@pytest.mark.parametrize(
    ("hflip", "vflip", "dark"),
    [(True, False, (2, 60)), (False, True, (30, 2)), (True, True, (30, 60))],
)
def test_picture_is_mirrored(hflip: bool, vflip: bool, dark: tuple[int, int]) -> None:
    turned = Upright(hflip=hflip, vflip=vflip).turn(grey_picture(*SIZE, 200))

    line, column = dark
    assert abs(luma(turned)[line][column] - 16) <= 1
    assert abs(luma(turned)[2][2] - 200) <= 1


def test_fitting_picture_is_left_alone() -> None:
    frame = grey_picture(*SIZE, 200)

    assert Upright(hflip=False, vflip=False).turn(frame) is frame
