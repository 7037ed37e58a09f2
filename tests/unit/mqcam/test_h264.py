from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam import h264
from mqcam.errors import SourceError

START = b"\x00\x00\x00\x01"
SPS = bytes.fromhex("6742c01fd9005005bb016a02020280000003008000001e4780c19240")  # 1280x720
PPS = bytes.fromhex("68cb83cb20")
IDR = b"\x65\x88\x84\x0a"
P_SLICE = b"\x41\x9a\x24\x6c"  # first_mb 0, slice_type 5 (P)
B_SLICE = b"\x01\x9e\x41\x78"  # first_mb 0, slice_type 6 (B)


def annex_b(*nals: bytes) -> bytes:
    return b"".join(START + nal for nal in nals)


def test_nals_are_found_behind_long_and_short_start_codes() -> None:
    stream = START + SPS + b"\x00\x00\x01" + PPS + START + IDR
    assert list(h264.iterate_nals(stream)) == [SPS, PPS, IDR]


@pytest.mark.parametrize("stream", [b"", b"\x00", b"\x00\x00\x01", START, b"no start code"])
def test_a_stream_without_nals_yields_none(stream: bytes) -> None:
    assert list(h264.iterate_nals(stream)) == []
    assert not h264.is_keyframe(stream)
    assert not h264.has_b_slices(stream)


def test_a_picture_is_a_keyframe_by_its_first_slice() -> None:
    assert h264.is_keyframe(annex_b(b"\x09\xf0", SPS, PPS, IDR))
    assert not h264.is_keyframe(annex_b(SPS, PPS, P_SLICE))


def test_b_slices_are_told_from_others() -> None:
    assert h264.has_b_slices(annex_b(B_SLICE))
    assert not h264.has_b_slices(annex_b(P_SLICE))
    assert not h264.has_b_slices(annex_b(SPS, PPS, IDR))


def test_an_sps_tells_profile_level_and_size() -> None:
    sps = h264.parse_sps(SPS)
    assert (sps.profile_level_id, sps.width, sps.height) == ("42c01f", 1280, 720)


@pytest.mark.parametrize("nal", [b"", b"\x67", SPS[:5], PPS, b"\x67\x42\xc0\x1f" + bytes(40)])
def test_a_damaged_sps_is_refused(nal: bytes) -> None:
    with pytest.raises(SourceError, match="damaged"):
        h264.parse_sps(nal)


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_without_surprise(data: bytes) -> None:
    """Only SourceError comes out, and no walk is endless."""
    list(h264.iterate_nals(data))
    h264.is_keyframe(data)
    h264.has_b_slices(START + b"\x41" + data)
    h264.Normaliser().normalise(data)
    with contextlib.suppress(SourceError):
        h264.parse_sps(b"\x67" + data)


def exp_golomb(*numbers: int) -> str:
    return "".join(f"{number + 1:b}".zfill(2 * (number + 1).bit_length() - 1) for number in numbers)


def sps_of(width_mbs: int, height_mbs: int, *crops: int) -> bytes:
    """Return a Baseline SPS of a size in macroblocks, cropped left, right, top and bottom."""
    bits = exp_golomb(0, 0, 2, 1) + "0" + exp_golomb(width_mbs - 1, height_mbs - 1) + "11"
    bits += f"1{exp_golomb(*crops)}" if crops else "0"
    bits = f"{bits}1".ljust(-(-len(bits) // 8) * 8 + 8, "0")
    return b"\x67\x42\xe0\x1f" + int(bits, 2).to_bytes(len(bits) // 8)


def test_largest_picture_that_there_is_has_its_size() -> None:
    sps = h264.parse_sps(sps_of(512, 272))
    assert (sps.width, sps.height) == (8192, 4352)
    cropped = h264.parse_sps(sps_of(120, 68, 0, 0, 0, 4))
    assert (cropped.width, cropped.height) == (1920, 1080)


@pytest.mark.parametrize(
    "nal",
    [
        sps_of(1024, 1024),
        sps_of(1056, 1),
        sps_of(1, 2**31),
        sps_of(80, 45, 320, 320, 0, 0),
        sps_of(80, 45, 0, 0, 0, 2**31),
        SPS + bytes([1]) * h264.MAX_SET_BYTES,
    ],
)
def test_a_size_that_no_picture_has_is_damage(nal: bytes) -> None:
    with pytest.raises(SourceError, match="damaged"):
        h264.parse_sps(nal)


def test_endless_parameter_sets_are_not_kept() -> None:
    subject = h264.Normaliser()
    subject.add_parameter_sets(annex_b(SPS, PPS))
    subject.add_parameter_sets(annex_b(PPS + bytes([1]) * h264.MAX_SET_BYTES))
    subject.add_parameter_sets(annex_b(SPS + bytes([1]) * h264.MAX_SET_BYTES))

    assert subject.normalise(annex_b(IDR)) == (annex_b(SPS, PPS, IDR), True)


@given(st.lists(st.binary(min_size=1, max_size=20).map(lambda body: b"\x41" + body + b"\x80")))
def test_what_is_joined_comes_apart_again(bodies: list[bytes]) -> None:
    nals = [body for body in bodies if b"\x00\x00" not in body]
    assert list(h264.iterate_nals(annex_b(*nals))) == nals


class TestNormaliser:
    """What stands in front of a keyframe, whatever the encoder did."""

    def test_units_before_the_first_usable_keyframe_are_dropped(self) -> None:
        normaliser = h264.Normaliser()
        assert normaliser.normalise(annex_b(P_SLICE)) is None
        assert normaliser.normalise(annex_b(IDR)) is None
        assert normaliser.normalise(annex_b(SPS, PPS, IDR)) is not None
        assert normaliser.normalise(annex_b(P_SLICE)) == (annex_b(P_SLICE), False)

    def test_a_complete_keyframe_is_left_alone(self) -> None:
        unit = annex_b(SPS, PPS, IDR)
        assert h264.Normaliser().normalise(unit) == (unit, True)

    def test_remembered_sets_are_put_in_front_of_a_bare_keyframe(self) -> None:
        normaliser = h264.Normaliser()
        normaliser.add_parameter_sets(annex_b(SPS, PPS))
        assert normaliser.normalise(annex_b(IDR)) == (annex_b(SPS, PPS, IDR), True)

    def test_sets_that_come_ahead_in_a_unit_of_their_own_are_remembered(self) -> None:
        normaliser = h264.Normaliser()
        assert normaliser.normalise(annex_b(SPS, PPS)) is None
        assert normaliser.normalise(annex_b(IDR)) == (annex_b(SPS, PPS, IDR), True)

    def test_a_new_sps_forgets_the_picture_sets_of_the_former(self) -> None:
        normaliser = h264.Normaliser()
        normaliser.add_parameter_sets(annex_b(SPS, PPS))
        other = SPS[:3] + b"\x28" + SPS[4:]
        normaliser.add_parameter_sets(annex_b(other))
        assert normaliser.normalise(annex_b(IDR)) is None
        normaliser.add_parameter_sets(annex_b(PPS))
        assert normaliser.normalise(annex_b(IDR)) == (annex_b(other, PPS, IDR), True)
