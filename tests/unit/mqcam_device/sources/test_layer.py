from __future__ import annotations

from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam import h264
from mqcam_device.media import LOW, MAIN, LayerInfo
from mqcam_device.sources.layer import EncodedLayer, Thinning, low_layer
from mqcam_device.sources.pattern import Pattern

FRAME_NS = 33_333_333
MS = 1_000_000


def main_layer(width: int = 1280, height: int = 720, fps: float = 30.0) -> LayerInfo:
    return LayerInfo(
        name=MAIN,
        width=width,
        height=height,
        fps_min=fps,
        fps_max=fps,
        bitrate_range_bps=(100_000, 4_000_000),
    )


def low(main: LayerInfo) -> LayerInfo:
    return low_layer(main, max_bitrate_bps=4_000_000)


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ((1280, 720), (640, 360)),
        ((1920, 1080), (640, 360)),
        ((1024, 768), (480, 360)),
        ((2592, 1944), (480, 360)),
        ((1080, 1920), (202, 360)),
        ((1366, 768), (640, 360)),
        ((1282, 722), (640, 360)),
        ((640, 360), (640, 360)),
        ((320, 240), (320, 240)),
        ((642, 322), (640, 320)),
        ((32, 32), (32, 32)),
        ((4096, 32), (640, 16)),
    ],
)
def test_the_low_layer_keeps_the_shape_within_its_bounds(
    main: tuple[int, int], expected: tuple[int, int]
) -> None:
    layer = low(main_layer(*main))
    assert (layer.width, layer.height) == expected


@given(st.integers(16, 2048), st.integers(16, 2048))
def test_the_low_layer_is_even_and_never_larger_than_main(
    half_width: int, half_height: int
) -> None:
    main = main_layer(2 * half_width, 2 * half_height)
    layer = low(main)
    assert layer.width % 2 == layer.height % 2 == 0
    assert 0 < layer.width <= min(main.width, 640)
    assert 0 < layer.height <= min(main.height, 360)


@pytest.mark.parametrize(
    ("main", "expected"),
    [(30, 15), (29.97, 14.985), (25, 12.5), (24, 12), (60, 15), (50, 12.5), (15, 15), (10, 10)],
)
def test_the_low_layer_takes_every_picture_or_every_second_and_so_on(
    main: float, expected: float
) -> None:
    layer = low(main_layer(fps=main))
    assert layer.fps_max == layer.fps_min == pytest.approx(expected)


def test_the_low_layer_has_no_more_bits_than_main_may_have() -> None:
    assert low(main_layer()).bitrate_range_bps == (100_000, 400_000)
    assert low_layer(main_layer(), max_bitrate_bps=250_000).bitrate_range_bps == (100_000, 250_000)
    assert low_layer(main_layer(), max_bitrate_bps=50_000).bitrate_range_bps == (100_000, 100_000)


@given(st.lists(st.integers(-12, 12), min_size=60, max_size=60))
def test_every_second_picture_is_taken_whatever_their_times_jitter(jitter_ms: list[int]) -> None:
    thinning = Thinning(source_fps=30, fps=15)
    begun_ns = 10**12
    at_ns = [begun_ns + i * FRAME_NS + ms * MS for i, ms in enumerate(jitter_ms)]
    taken = [i for i, each in enumerate(at_ns) if thinning.takes(each)]
    assert taken[0] == 0
    assert {b - a for a, b in pairwise(taken)} <= {1, 2, 3}
    assert 28 <= len(taken) <= 32


def test_pictures_that_come_seldom_are_all_taken() -> None:
    thinning = Thinning(source_fps=30, fps=15)
    assert all(thinning.takes(10**12 + i * 250 * MS) for i in range(20))


def test_a_picture_that_is_wanted_is_taken_and_the_pace_goes_on_from_it() -> None:
    thinning = Thinning(source_fps=30, fps=15)
    taken = [i for i in range(12) if thinning.takes(10**12 + i * FRAME_NS, is_wanted=i == 5)]
    assert taken == [0, 2, 4, 5, 7, 9, 11]


def test_after_a_pause_the_pace_begins_anew() -> None:
    thinning = Thinning(source_fps=30, fps=15)
    begun_ns = 10**12
    assert thinning.takes(begun_ns)
    later_ns = begun_ns + 3600 * 10**9
    taken = [i for i in range(6) if thinning.takes(later_ns + i * FRAME_NS)]
    assert taken == [0, 2, 4]


def test_units_are_numbered_scaled_and_within_their_rate() -> None:
    layer = EncodedLayer(
        low(main_layer()), bitrate_bps=300_000, thinning=Thinning(source_fps=30, fps=15)
    )
    pattern = Pattern(width=1280, height=720, fps=30, label="x")
    units = []
    for index in range(180):
        if index == 90:
            layer.set_bitrate(150_000)
        at_ns = 10**12 + index * FRAME_NS
        unit = layer.encode(pattern.read(at_ns), at_ns)
        if unit is not None:
            assert unit.captured_ns == at_ns
            units.append(unit)
    assert [unit.seq for unit in units] == list(range(90))
    assert [unit.layer for unit in units] == [LOW] * 90
    assert [unit.seq for unit in units if unit.keyframe] == [0]
    sps = next(nal for nal in h264.iterate_nals(units[0].data) if h264.nal_type(nal) == h264.SPS)
    assert (h264.parse_sps(sps).width, h264.parse_sps(sps).height) == (640, 360)
    assert sum(len(unit.data) for unit in units[:45]) * 8 / 3 == pytest.approx(300_000, rel=0.2)
    assert sum(len(unit.data) for unit in units[60:]) * 8 / 2 == pytest.approx(150_000, rel=0.2)


def test_a_layer_that_rested_goes_on_with_a_keyframe_and_its_numbers() -> None:
    layer = EncodedLayer(main_layer(320, 240), bitrate_bps=300_000)
    pattern = Pattern(width=320, height=240, fps=30, label="x")
    units = []
    for index in range(6):
        if index == 3:
            layer.rest()
        if index == 5:
            layer.request_keyframe()
        units.append(layer.encode(pattern.read(index), index * FRAME_NS))
    assert [unit and (unit.seq, unit.keyframe) for unit in units] == [
        (0, True),
        (1, False),
        (2, False),
        (3, True),
        (4, False),
        (5, True),
    ]


def test_main_takes_every_picture_however_close() -> None:
    layer = EncodedLayer(main_layer(320, 240), bitrate_bps=300_000)
    pattern = Pattern(width=320, height=240, fps=30, label="x")
    assert all(layer.encode(pattern.read(i), i * MS) for i in range(5))


def test_the_low_picture_is_the_main_one_in_its_colours() -> None:
    pattern = Pattern(width=1280, height=720, fps=30, label="x")
    layer = EncodedLayer(low(main_layer()), bitrate_bps=400_000)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    for index in range(4):
        frame = pattern.read(index * FRAME_NS)
        unit = layer.encode(frame, index * FRAME_NS)
        assert unit is not None
        (shown,) = decoder.decode(av.Packet(unit.data))
    assert shown.colorspace == frame.colorspace
    for plane in range(3):
        assert mean(shown, plane) == pytest.approx(mean(frame, plane), abs=3)


def mean(frame: av.VideoFrame, index: int) -> float:
    """Return the mean of a plane's upper half, where the bars are."""
    plane = frame.planes[index]
    data = memoryview(plane)
    rows = [data[y * plane.line_size :][: plane.width] for y in range(plane.height // 2)]
    return sum(map(sum, rows)) / (plane.width * len(rows))
