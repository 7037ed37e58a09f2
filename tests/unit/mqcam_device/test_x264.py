from __future__ import annotations

import random
from typing import TYPE_CHECKING

import av
import pytest
from av.video.frame import VideoFrame
from mqcam import h264
from mqcam.errors import SourceError
from mqcam_device.media import BT601, BT709, MIN_BITRATE_BPS
from mqcam_device.sources.pattern import Pattern
from mqcam_device.sources.raw import matrix_of
from mqcam_device.x264 import X264, probe_profile_level_id
from support.films import grey_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_NS = 33_333_333


def encoder(
    width: int = 320,
    height: int = 240,
    fps: float = 30,
    bitrate_bps: int = 500_000,
    max_bitrate_bps: int = 4_000_000,
) -> X264:
    return X264(
        width=width,
        height=height,
        fps=fps,
        bitrate_bps=bitrate_bps,
        max_bitrate_bps=max_bitrate_bps,
    )


def kinds(unit: bytes) -> list[int]:
    return [h264.nal_type(nal) for nal in h264.iterate_nals(unit)]


def pictures(width: int = 320, height: int = 240) -> Pattern:
    return Pattern(width=width, height=height, fps=30, label="x")


def test_each_picture_comes_out_at_once() -> None:
    x264, pattern = encoder(), pictures()
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    for index in range(10):
        unit = x264.encode(pattern.read(index), index * FRAME_NS)
        assert len(decoder.decode(av.Packet(unit))) == 1


def test_the_first_picture_is_a_keyframe_with_its_parameter_sets() -> None:
    x264 = encoder()
    found = kinds(x264.encode(grey_picture(320, 240, 99), 0))
    assert [kind for kind in found if kind != h264.SEI] == [h264.SPS, h264.PPS, h264.IDR_SLICE]


def test_keyframes_come_on_request_only() -> None:
    x264, pattern = encoder(), pictures()
    found = []
    for index in range(300):
        if index == 150:
            x264.request_keyframe()
        unit = x264.encode(pattern.read(index * FRAME_NS), index * FRAME_NS)
        if h264.is_keyframe(unit):
            found.append(index)
            assert {h264.SPS, h264.PPS} <= set(kinds(unit))
        assert not h264.has_b_slices(unit)
    assert found == [0, 150]


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1280, 720)])
def test_up_to_720p_a_picture_is_one_slice(size: tuple[int, int]) -> None:
    x264, pattern = encoder(*size), pictures(*size)
    for index in range(3):
        unit = x264.encode(pattern.read(index * FRAME_NS), index * FRAME_NS)
        slices = [kind for kind in kinds(unit) if kind in (h264.SLICE, h264.IDR_SLICE)]
        assert len(slices) == 1


@pytest.mark.parametrize("max_bitrate_bps", [4_000_000, 10_000_000])
def test_a_changed_bit_rate_is_held_within_the_first_second(max_bitrate_bps: int) -> None:
    """A path that carries less gets less at once, or its queue would fill."""
    x264 = encoder(1280, 720, bitrate_bps=2_500_000, max_bitrate_bps=max_bitrate_bps)
    pattern = pictures(1280, 720)
    bits = []
    for second, bitrate_bps in enumerate([2_500_000] * 3 + [800_000] * 3 + [2_500_000] * 3):
        assert x264.set_bitrate(bitrate_bps) == bitrate_bps
        bits.append(0)
        for index in range(30):
            at_ns = (30 * second + index) * FRAME_NS
            unit = x264.encode(pattern.read(at_ns), at_ns)
            assert h264.is_keyframe(unit) == (at_ns == 0)
            bits[-1] += len(unit) * 8
    assert bits[1:3] == pytest.approx([2_500_000] * 2, rel=0.15)
    assert bits[3] <= 800_000 * 1.2
    assert bits[4:6] == pytest.approx([800_000] * 2, rel=0.15)
    assert bits[6] >= 2_500_000 * 0.8
    assert bits[7:] == pytest.approx([2_500_000] * 2, rel=0.15)


@pytest.mark.parametrize("bitrate_bps", [1_000_000, 4_000_000, 8_000_000])
def test_the_ceiling_is_reached_and_not_exceeded(bitrate_bps: int) -> None:
    x264 = encoder(1280, 720, bitrate_bps=bitrate_bps, max_bitrate_bps=bitrate_bps)
    film = moving_noise(1280, 720)
    bits = [8 * len(x264.encode(next(film), index * FRAME_NS)) for index in range(90)]
    assert sum(bits[30:]) / 2 == pytest.approx(bitrate_bps, rel=0.05)


def moving_noise(width: int, height: int) -> Iterator[VideoFrame]:
    """Yield pictures that take all the bits they can get."""
    noise = random.Random(1).randbytes(2 * width * height)  # noqa: S311 - a picture
    frame = grey_picture(width, height, 99)
    plane = frame.planes[0]
    while True:
        for start in range(0, width * height, 7919):
            plane.update(noise[start : start + plane.buffer_size])
            yield frame


@pytest.mark.parametrize("bitrate_bps", [800_000, 1_500_000, 4_000_000])
def test_a_keyframe_takes_no_more_than_a_sixth_of_a_second(bitrate_bps: int) -> None:
    """It must cross the path before the next pictures are late; the first one too."""
    x264, pattern = encoder(1280, 720, bitrate_bps=bitrate_bps), pictures(1280, 720)
    keyframes = []
    for index in range(240):
        if index % 60 == 0:
            x264.request_keyframe()
        unit = x264.encode(pattern.read(index * FRAME_NS), index * FRAME_NS)
        if h264.is_keyframe(unit):
            keyframes.append(len(unit) * 8)
    assert len(keyframes) == 4
    assert max(keyframes) <= bitrate_bps / 6


@pytest.mark.parametrize("fps", [5, 15, 30])
def test_the_bit_rate_holds_at_any_frame_rate(fps: int) -> None:
    x264, pattern = encoder(640, 480, fps=fps, bitrate_bps=400_000), pictures(640, 480)
    step_ns = 1_000_000_000 // fps
    sizes = [len(x264.encode(pattern.read(i * step_ns), i * step_ns)) * 8 for i in range(20 * fps)]
    assert sum(sizes[10 * fps :]) / 10 == pytest.approx(400_000, rel=0.25)


def test_a_bit_rate_out_of_range_is_moved_into_it() -> None:
    x264 = encoder(max_bitrate_bps=1_000_000)
    assert x264.set_bitrate(1) == MIN_BITRATE_BPS
    assert x264.set_bitrate(9_000_000) == 1_000_000


def test_moments_that_repeat_or_go_back_do_no_harm() -> None:
    x264 = encoder()
    frame = grey_picture(320, 240, 99)
    assert all(x264.encode(frame, at_ns) for at_ns in (5_000, 5_000, 0, 6_000))


def test_the_profile_is_read_from_the_stream() -> None:
    assert (
        probe_profile_level_id(width=1280, height=720, fps=30, max_bitrate_bps=4_000_000)
        == "42c01f"
    )


def test_a_size_that_cannot_be_encoded_is_refused_with_a_sentence() -> None:
    with pytest.raises(SourceError, match="321x240"):
        encoder(321, 240)


def test_frames_may_come_from_any_decoder() -> None:
    """A decoded B picture is not encoded as one."""
    frame = VideoFrame(320, 240, "yuv420p")
    frame.pict_type = av.video.frame.PictureType.B
    x264 = encoder()
    x264.encode(frame, 0)
    assert not h264.has_b_slices(x264.encode(frame, FRAME_NS))


@pytest.mark.parametrize("matrix", [BT709, BT601])
@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 720)])
def test_the_stream_says_how_its_colours_are_meant(width: int, height: int, matrix: int) -> None:
    """A viewer that had to guess would take a small picture as BT.601."""
    x264 = X264(
        width=width,
        height=height,
        fps=30,
        bitrate_bps=500_000,
        max_bitrate_bps=4_000_000,
        matrix=matrix,
    )
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    shown = decoder.decode(av.Packet(x264.encode(grey_picture(width, height, 99), 0)))[0]

    assert (shown.colorspace, shown.color_range) == (matrix, 1)
    assert (decoder.color_primaries, decoder.color_trc) == (matrix, matrix)


@pytest.mark.parametrize(("height", "matrix"), [(720, BT709), (576, BT601)])
def test_a_picture_that_does_not_say_its_colours_is_judged_by_its_height(
    height: int, matrix: int
) -> None:
    assert matrix_of(grey_picture(64, height, 99)) == matrix


def test_the_pattern_is_drawn_in_the_colours_that_it_says() -> None:
    assert matrix_of(pictures().read(0)) == BT709
