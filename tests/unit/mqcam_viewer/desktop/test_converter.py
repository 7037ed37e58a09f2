from __future__ import annotations

import pytest
from av.video.reformatter import ColorRange, Colorspace
from mqcam_viewer.desktop.converter import Converter, colour_space
from mqcam_viewer.frames import Frame
from support.pixels import RED_601, RED_709, flat

RED = (0, 0, 255)


def converted(frame: Frame) -> tuple[int, int, int]:
    """Return blue, green and red of the first pixel."""
    blue, green, red = Converter().convert(frame).pixels[:3]
    return blue, green, red


@pytest.mark.parametrize(
    ("height", "colour"), [(720, RED_709), (1080, RED_709), (480, RED_601), (360, RED_601)]
)
def test_unsaid_colours_are_taken_by_their_size_as_browsers_do(
    height: int, colour: tuple[int, int, int]
) -> None:
    frame = Frame(picture=flat(640, height, colour), rtp_timestamp=0, decoded_at=0.0)
    assert converted(frame) == pytest.approx(RED, abs=3)


def test_colours_that_are_said_are_believed() -> None:
    picture = flat(640, 720, RED_601)
    picture.colorspace = int(Colorspace.ITU601)
    assert colour_space(picture) == Colorspace.ITU601
    assert converted(Frame(picture=picture, rtp_timestamp=0, decoded_at=0.0)) == pytest.approx(
        RED, abs=3
    )


def test_full_range_white_is_white_and_so_is_that_of_video() -> None:
    full, video = flat(64, 64, (255, 128, 128)), flat(64, 64, (235, 128, 128))
    full.color_range = int(ColorRange.JPEG)
    frames = [Frame(picture=each, rtp_timestamp=0, decoded_at=0.0) for each in (full, video)]
    assert [converted(each) for each in frames] == [(255, 255, 255)] * 2


def test_a_picture_keeps_its_size_its_turn_and_its_time() -> None:
    made = Converter().convert(
        Frame(picture=flat(642, 362, (16, 128, 128)), rtp_timestamp=0, decoded_at=7.5, rotation=90)
    )
    assert (made.width, made.height, made.rotation, made.decoded_at) == (642, 362, 90, 7.5)
    assert made.bytes_per_line >= 642 * 4
    assert len(made.pixels) >= made.bytes_per_line * 362
