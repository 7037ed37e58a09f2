from __future__ import annotations

import io

import av
from mqcam_viewer.picture import jpeg


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
