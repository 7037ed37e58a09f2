from __future__ import annotations

import pytest
from mqcam import h264
from mqcam_device.media import LOW
from mqcam_device.sources.picamera.units import UnitMaker
from support.clips import encode

MS = 1_000_000


def kinds(unit: bytes) -> list[int]:
    return [h264.nal_type(nal) for nal in h264.iterate_nals(unit)]


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return encode(6, keyframes=(0, 4))


def test_nothing_comes_before_the_first_keyframe(pictures: list[bytes]) -> None:
    maker = UnitMaker(LOW)
    made = [maker.make(data, number * MS) for number, data in enumerate(pictures[2:])]
    assert made[:2] == [None, None]
    assert made[2] is not None
    assert made[2].keyframe
    assert (made[2].seq, made[2].layer) == (0, LOW)


def test_numbers_and_times_grow_whatever_the_sensor_says(pictures: list[bytes]) -> None:
    maker = UnitMaker(LOW)
    made = [maker.make(data, at_ns) for data, at_ns in zip(pictures, (5, 7, 6), strict=False)]
    units = [unit for unit in made if unit is not None]
    assert [unit.seq for unit in units] == [0, 1, 2]
    assert [unit.captured_ns // 1000 for unit in units] == [0, 1, 2]


def test_a_new_encoder_begins_with_a_keyframe_and_the_numbers_go_on(
    pictures: list[bytes],
) -> None:
    maker = UnitMaker(LOW)
    for number, data in enumerate(pictures[:2]):
        maker.make(data, number * MS)
    maker.restart()
    assert maker.make(pictures[2], 2 * MS) is None
    unit = maker.make(pictures[4], 4 * MS)
    assert unit is not None
    assert unit.seq == 2
    assert kinds(unit.data)[:2] == [h264.SPS, h264.PPS]
