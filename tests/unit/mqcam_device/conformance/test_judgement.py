"""What the conformance suite calls wrong, planted: each sentence can be provoked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam_device.conformance import judgement
from mqcam_device.conformance.witness import Arrival
from mqcam_device.media import MAIN, AccessUnit, LayerInfo
from support.pictures import encode_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAME_NS = 33_333_000
LAYER = LayerInfo(
    name=MAIN, width=320, height=240, fps_min=5, fps_max=30, bitrate_range_bps=(100_000, 500_000)
)
PROFILE = "42c00d"


def units_of(count: int = 6) -> list[AccessUnit]:
    """Return units that keep the contract."""
    packets = [bytes(packet) for packet in encode_pictures(count)]
    return [
        AccessUnit(data, (1 + index) * FRAME_NS, index == 0, index)
        for index, data in enumerate(packets)
    ]


def arrivals_of(units: Sequence[AccessUnit], late_ns: int = 1_000_000) -> list[Arrival]:
    return [Arrival(unit, unit.captured_ns + late_ns) for unit in units]


def without_parameters(unit: AccessUnit) -> AccessUnit:
    """Return a keyframe that lost what stood in front of its picture."""
    return replace(unit, data=unit.data[unit.data.rindex(b"\x00\x00\x01\x65") :])


def test_units_that_keep_the_contract_are_right() -> None:
    units = units_of()
    arrivals = arrivals_of(units)
    found = [
        *judgement.wrong_start(units),
        *judgement.wrong_labels(units),
        *judgement.wrong_parameters(units, LAYER, None),
        *judgement.wrong_numbers(units),
        *judgement.wrong_times(arrivals, LAYER),
        *judgement.wrong_pictures(units),
        *judgement.wrong_moments(units, units),
    ]
    assert found == []


def test_a_layer_may_not_begin_with_anything_but_a_whole_keyframe() -> None:
    units = units_of()
    assert judgement.wrong_start([]) == ["no unit came"]
    assert "unit 1 comes first" in judgement.wrong_start(units[1:])[0]
    assert "no IDR" in judgement.wrong_start([without_parameters(units[0])])[0]


def test_labels_must_say_what_is_inside() -> None:
    units = units_of()
    assert (
        "is said to be a keyframe" in judgement.wrong_labels([replace(units[1], keyframe=True)])[0]
    )
    assert "not said to be" in judgement.wrong_labels([replace(units[0], keyframe=False)])[0]
    assert "is said to be" in judgement.wrong_labels([without_parameters(units[0])])[0]


def test_size_and_profile_must_be_those_announced() -> None:
    units = units_of()
    (wrong_size,) = judgement.wrong_parameters(units, replace(LAYER, width=640), None)
    (wrong_profile,) = judgement.wrong_parameters(units, LAYER, "42c01f")
    assert "is 320x240, announced is 640x240" in wrong_size
    assert "announced is 42c01f" in wrong_profile


def test_numbers_must_grow_by_one() -> None:
    units = units_of()
    assert judgement.wrong_numbers([units[0], units[2]]) == ["unit 2 follows unit 0"]
    assert judgement.wrong_numbers([units[1], units[1]]) == ["unit 1 follows unit 1"]


@pytest.mark.parametrize(
    ("late_ns", "sentence"),
    [(-1_000, "0.000001 s after"), (400_000_000, "0.400 s old")],
)
def test_times_must_be_of_the_monotonic_clock(late_ns: int, sentence: str) -> None:
    found = judgement.wrong_times(arrivals_of(units_of(), late_ns), LAYER)
    assert len(found) == 1
    assert sentence in found[0]


def test_times_must_grow_by_a_microsecond() -> None:
    units = units_of()
    units[3] = replace(units[3], captured_ns=units[2].captured_ns + 999)
    (found,) = judgement.wrong_times(arrivals_of(units, 50_000_000), LAYER)
    assert found == "unit 3 was taken no later than the one before"


def test_layers_must_agree_on_when_a_picture_was_taken() -> None:
    units = units_of()
    assert judgement.wrong_moments(units, units[1::2]) == []
    later = [replace(unit, captured_ns=unit.captured_ns + 1) for unit in units[1:4]]
    (found,) = judgement.wrong_moments(units, later)
    assert "of 3 pictures of a layer 3 have a time that main has not, unit 1 the first" in found


def test_more_pictures_than_announced_are_wrong() -> None:
    units = units_of(8)
    (found,) = judgement.wrong_pace(units, fps=15)
    assert "30.0 pictures per second, at most 15" in found
    units[0] = replace(units[0], captured_ns=units[1].captured_ns - 1_000_000)  # late
    assert judgement.wrong_pace(units, fps=30) == []


def test_pictures_that_are_held_back_or_broken_are_wrong() -> None:
    units = units_of()
    torn = replace(units[2], data=b"\x00\x00\x01\x41")
    assert "unit 2" in judgement.wrong_pictures([*units[:2], torn])[0]
    reordered = [
        AccessUnit(bytes(packet), 0, False, index)
        for index, packet in enumerate(encode_pictures(8, b_frames=2))
    ]
    assert any("B slices" in text for text in judgement.wrong_pictures(reordered))


def test_a_keyframe_may_be_the_second_picture_after_its_request_and_no_later() -> None:
    arrivals = arrivals_of(units_of())
    for each in arrivals:
        each.unit.keyframe = each.unit.seq == 4
    asked_ns = arrivals[2].unit.captured_ns + 2_000_000
    assert judgement.wrong_keyframe_delay(arrivals, asked_ns) == []
    (late,) = judgement.wrong_keyframe_delay(arrivals, asked_ns - FRAME_NS)
    assert late == "the keyframe was picture 3 after its request"
    (never,) = judgement.wrong_keyframe_delay(arrivals[:4], asked_ns)
    assert never == "no keyframe came after its request"


@pytest.mark.parametrize(
    ("said_bps", "is_right"), [(240_000, True), (190_000, False), (310_000, False)]
)
def test_the_second_before_two_have_passed_must_have_the_new_rate(
    said_bps: int, *, is_right: bool
) -> None:
    sizes = [100_000, *[3000] * 29, *[1000] * 30, *[3000] * 30]  # 240 kbit in the second second
    units = [
        AccessUnit(bytes(size), at * FRAME_NS + 1_000_000, False, at)
        for at, size in enumerate(sizes)
    ]
    assert (judgement.wrong_bitrate(units, 0, said_bps, fps=30) == []) is is_right


def test_a_busy_machine_that_leaves_pictures_out_is_no_fault_of_the_rate() -> None:
    units = [
        AccessUnit(bytes(1000), at * FRAME_NS + 1_000_000, False, at) for at in range(0, 60, 2)
    ]
    assert judgement.wrong_bitrate(units, 0, 240_000, fps=30) == []
    assert judgement.wrong_bitrate(units, 0, 80_000, fps=30) != []
    assert judgement.wrong_bitrate(units, 0, 480_000, fps=30) != []
    assert judgement.wrong_bitrate([], 0, 100_000, fps=30) != []


def test_a_snapshot_must_be_a_picture_of_the_announced_size() -> None:
    assert "no JPEG" in judgement.wrong_jpeg(b"nothing", 320, 240)[0]
