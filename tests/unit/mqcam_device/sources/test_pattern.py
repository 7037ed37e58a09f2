from __future__ import annotations

import av
import pytest
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources import font
from mqcam_device.sources.canvas import Canvas, Colour, Plane, TextStyle
from mqcam_device.sources.marker import Marker, draw_marker, read_marker
from mqcam_device.sources.pattern import Pattern
from mqcam_device.x264 import X264

NS = 1_000_000_000


def plane(width: int, height: int, stride: int = 0) -> Plane:
    stride = stride or width
    return Plane(memoryview(bytearray(stride * height)), stride, width, height)


def luma_plane(frame: VideoFrame) -> Plane:
    luma = frame.planes[0]
    return Plane(memoryview(luma), luma.line_size, luma.width, luma.height)


def test_pictures_are_due_on_the_grid() -> None:
    pattern = Pattern(width=64, height=48, fps=30, label="")
    pattern.begin(NS)
    due = []
    for _ in range(4):
        due.append(pattern.due_ns(NS))
        pattern.read(due[-1])
    assert due == [NS, NS + 33_333_333, NS + 66_666_666, NS + 100_000_000]


def test_a_late_picture_does_not_drag_others_after_it() -> None:
    pattern = Pattern(width=64, height=48, fps=10, label="")
    pattern.begin(0)
    pattern.read(pattern.due_ns(0))
    assert pattern.due_ns(5 * NS + 20_000_000) == 5 * NS
    pattern.read(5 * NS + 20_000_000)
    assert pattern.due_ns(5 * NS + 20_000_000) == 5 * NS + 100_000_000


def test_another_frame_rate_changes_the_grid() -> None:
    pattern = Pattern(width=64, height=48, fps=30, label="")
    info = pattern.set_framerate(5)
    assert (info.fps_min, info.fps_max) == (5, 5)
    pattern.begin(0)
    pattern.read(0)
    assert pattern.due_ns(0) == NS // 5


@pytest.mark.parametrize(
    "size", [(32, 32), (64, 48), (66, 98), (322, 242), (720, 1280), (1920, 64)]
)
def test_any_even_size_can_be_drawn(size: tuple[int, int]) -> None:
    pattern = Pattern(width=size[0], height=size[1], fps=30, label="a-very-long-name-" * 5)
    for at_ns in range(0, 7 * NS, NS // 2):
        frame = pattern.read(at_ns)
    assert (frame.width, frame.height) == size


@pytest.mark.parametrize(
    ("width", "height", "bitrate_bps"),
    [(320, 240, 300_000), (640, 360, 300_000), (1280, 720, 300_000), (322, 242, 300_000)],
)
def test_the_marker_is_legible_in_every_decoded_picture(
    width: int, height: int, bitrate_bps: int
) -> None:
    pattern = Pattern(width=width, height=height, fps=30, label="cam")
    encoder = X264(
        width=width, height=height, fps=30, bitrate_bps=bitrate_bps, max_bitrate_bps=4_000_000
    )
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    markers = []
    for index in range(45):
        at_ns = (1_000 + index) * 33_333_333
        unit = encoder.encode(pattern.read(at_ns), at_ns)
        markers += [read_marker(frame) for frame in decoder.decode(av.Packet(unit))]
    assert markers == [Marker(i, (1_000 + i) * 33_333_333 // 1_000_000) for i in range(45)]


@given(st.integers(0, 2**24 - 1), st.integers(0, 2**40 - 1))
def test_any_marker_comes_back(frame: int, drawn_ms: int) -> None:
    picture = VideoFrame(320, 240, "yuv420p")
    draw_marker(luma_plane(picture), Marker(frame, drawn_ms))
    assert read_marker(picture) == Marker(frame, drawn_ms)


def test_a_picture_without_marker_reads_as_none() -> None:
    picture = VideoFrame(320, 240, "yuv420p")
    for shade in (0, 255):
        luma_plane(picture).fill(0, 0, 320, 240, shade)
        assert read_marker(picture) is None


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (40, 8)])
def test_tiny_pictures_have_no_marker_but_do_no_harm(size: tuple[int, int]) -> None:
    picture = VideoFrame(*size, "yuv420p")
    luma_plane(picture).fill(0, 0, *size, 0)
    assert read_marker(picture) is None


@given(st.integers(-9, 20), st.integers(-9, 20), st.integers(0, 20), st.integers(0, 20))
def test_drawing_is_clipped_to_the_plane(x: int, y: int, width: int, height: int) -> None:
    """Bytes between a row's end and the next row are never touched."""
    target = plane(8, 6, stride=12)
    target.fill(x, y, width, height, 7)
    target.stamp(x, y, [b"\x09" * width] * height)
    rows = [bytes(target.data[line * 12 : line * 12 + 12]) for line in range(6)]
    assert all(row[8:] == bytes(4) for row in rows)
    for line, row in enumerate(rows):
        inside = [x <= column < x + width and y <= line < y + height for column in range(8)]
        assert [value != 0 for value in row[:8]] == inside


def test_a_canvas_fills_luma_and_halved_chroma() -> None:
    canvas = Canvas(plane(8, 8), plane(4, 4), plane(4, 4))
    canvas.fill(4, 2, 2, 2, Colour(200, 90, 60))
    assert bytes(canvas.y.data).count(200) == 4
    assert bytes(canvas.u.data).index(90) == 1 * 4 + 2
    assert bytes(canvas.v.data).count(60) == 1


def test_text_rows_have_the_width_of_their_letters() -> None:
    style = TextStyle(scale=3, ink=200, paper=20)
    rows = style.rows("AB 1")
    assert len(rows) == style.height == 21
    assert {len(row) for row in rows} == {4 * style.advance}
    assert set(b"".join(rows)) == {20, 200}


def test_every_character_of_a_device_name_has_a_shape_of_its_own() -> None:
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:. "
    assert len({font.glyph(character) for character in names}) == len(names)
    assert font.glyph("a") == font.glyph("A")
    assert font.glyph("ß") not in {font.glyph(character) for character in names}


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 7, 8, 13])
def test_a_glyph_grows_by_any_factor(factor: int) -> None:
    grown = font.scaled(font.glyph("Q"), factor)
    assert (len(grown), len(grown[0])) == (7 * factor, 5 * factor)
