from __future__ import annotations

import io
from pathlib import Path

import av
import pytest
from av.video.reformatter import ColorRange, Colorspace
from mqcam_viewer.picture import encode, jpeg, png, upright
from support.films import grey_picture


def grey(level: int, *, width: int = 64, height: int = 48) -> av.VideoFrame:
    """Return a picture of one colour."""
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(picture.planes, (level, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return picture


def test_a_jpeg_shows_the_picture() -> None:
    """Limited-range 126 is the middle grey of a full-range file."""
    with av.open(io.BytesIO(jpeg(grey(126))), mode="r") as file:
        shown = next(file.decode(video=0))

    assert (shown.width, shown.height) == (64, 48)
    luma = bytes(shown.planes[0])[:64]
    assert all(abs(value - 128) <= 3 for value in luma)


def test_a_jpeg_has_the_colours_of_its_kind() -> None:
    """BT.709 in the stream, BT.601 in every JPEG: the red that is seen is the same."""
    red = av.VideoFrame(64, 48, "yuv420p")
    for plane, value in zip(red.planes, (63, 102, 240), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    red.colorspace = 1
    with av.open(io.BytesIO(jpeg(red)), mode="r") as file:
        shown = next(file.decode(video=0))

    values = [bytes(plane)[0] for plane in shown.planes]
    assert all(
        abs(value - wanted) <= 3 for value, wanted in zip(values, (76, 85, 255), strict=True)
    )


def test_a_png_shows_the_picture_exactly() -> None:
    with av.open(io.BytesIO(png(grey(126))), mode="r") as file:
        shown = next(file.decode(video=0))

    assert (shown.width, shown.height, shown.format.name) == (64, 48, "rgb24")
    assert set(bytes(shown.planes[0])[: 64 * 3]) == {128}


def test_a_lower_quality_is_a_smaller_file() -> None:
    picture = grey(126)
    luma = picture.planes[0]
    luma.update(bytes(number * 37 % 200 + 20 for number in range(luma.buffer_size)))
    sizes = [len(jpeg(picture, quality=quality)) for quality in (1, 50, 90, 100)]

    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


@pytest.mark.parametrize(
    ("name", "begin"), [("a.png", b"\x89PNG"), ("a.PNG", b"\x89PNG"), ("a.jpg", b"\xff\xd8")]
)
def test_the_ending_chooses(name: str, begin: bytes) -> None:
    assert encode(grey(126), Path(name)).startswith(begin)


def quarters(picture: av.VideoFrame) -> list[int]:
    """Return the brightness in the middle of each quarter, row by row."""
    luma = picture.planes[0]
    view = memoryview(luma)
    return [
        view[picture.height * y // 4 * luma.line_size + picture.width * x // 4]
        for y in (1, 3)
        for x in (1, 3)
    ]


@pytest.mark.parametrize(
    ("rotation", "dark", "size"),
    [(0, 0, (64, 48)), (90, 1, (48, 64)), (180, 3, (64, 48)), (270, 2, (48, 64))],
)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "gray"])
def test_a_picture_is_turned_clockwise(
    rotation: int, dark: int, size: tuple[int, int], pixel_format: str
) -> None:
    turned = upright(grey_picture(64, 48, 200).reformat(format=pixel_format), rotation)

    assert (turned.width, turned.height, turned.format.name) == (*size, pixel_format)
    assert [value < 100 for value in quarters(turned)] == [at == dark for at in range(4)]


def test_a_turned_picture_keeps_its_colours() -> None:
    picture = grey(126)
    picture.colorspace, picture.color_range = int(Colorspace.ITU709), int(ColorRange.JPEG)
    turned = upright(picture, 270)

    assert (turned.colorspace, turned.color_range) == (Colorspace.ITU709, ColorRange.JPEG)
    assert bytes(turned.planes[0])[:1] == bytes(picture.planes[0])[:1]


def test_a_picture_of_odd_size_can_be_turned() -> None:
    turned = upright(grey(126, width=63, height=47), 90)

    assert (turned.width, turned.height) == (47, 63)


def test_files_stand_upright() -> None:
    for name in ("a.png", "a.jpg"):
        content = encode(grey(126), Path(name), rotation=90)
        with av.open(io.BytesIO(content), mode="r") as file:
            shown = next(file.decode(video=0))
        assert (shown.width, shown.height) == (48, 64)
