"""What is wrong with the units of one layer, in sentences: the contract of `mqcam_device.media`.

Pure: it must not know sources or clocks, and needs no pytest.
"""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

import av
from mqcam import h264
from mqcam.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam_device.conformance.witness import Arrival
    from mqcam_device.media import AccessUnit, LayerInfo

NS = 1_000_000_000
OLDEST_S = 0.25
"""How old a picture may be when it reaches the sink, in the middle: a hardware encoder and a
network camera hold some."""

FASTER = 1.3
"""By how much a source may exceed the frame rate that it says, jitter included."""

BITRATE_TOLERANCE = 0.2
SETTLED_AFTER_S, SETTLED_BY_S = 1.0, 2.0
"""Two seconds after a change, the second before has the new rate (issue 6)."""

PICTURES_TO_KEYFRAME = 2
"""A keyframe comes within two frame times of its request (issue 6)."""


def is_whole_keyframe(unit: AccessUnit) -> bool:
    """Tell whether a unit is an IDR picture with SPS and PPS in front of it."""
    kinds = [h264.nal_type(nal) for nal in h264.iterate_nals(unit.data)]
    if h264.IDR_SLICE not in kinds:
        return False
    return {h264.SPS, h264.PPS} <= set(kinds[: kinds.index(h264.IDR_SLICE)])


def wrong_labels(units: Sequence[AccessUnit]) -> list[str]:
    """Judge the flag ``keyframe`` by what is in the units."""
    found = []
    for unit in units:
        if unit.keyframe and not is_whole_keyframe(unit):
            found.append(f"unit {unit.seq} is said to be a keyframe: no IDR behind SPS and PPS")
        elif not unit.keyframe and h264.is_keyframe(unit.data):
            found.append(f"unit {unit.seq} is an IDR picture and not said to be a keyframe")
    return found


def wrong_start(units: Sequence[AccessUnit]) -> list[str]:
    """Judge the first unit of a layer that was resumed."""
    if not units:
        return ["no unit came"]
    if not is_whole_keyframe(units[0]):
        return [f"unit {units[0].seq} comes first and is no IDR picture behind SPS and PPS"]
    return []


def wrong_parameters(
    units: Sequence[AccessUnit], layer: LayerInfo, profile_level_id: str | None
) -> list[str]:
    """Judge sizes, and the profile if one was announced for this layer, by every SPS."""
    found = []
    for unit in units:
        for nal in h264.iterate_nals(unit.data):
            if h264.nal_type(nal) != h264.SPS:
                continue
            try:
                said = h264.parse_sps(nal)
            except SourceError as error:
                found.append(f"unit {unit.seq}: {error}")
                continue
            if (said.width, said.height) != (layer.width, layer.height):
                announced = f"{layer.width}x{layer.height}"
                text = f"unit {unit.seq} is {said.width}x{said.height}, announced is {announced}"
                found.append(text)
            if profile_level_id is not None and said.profile_level_id != profile_level_id:
                text = f"has the profile {said.profile_level_id}, announced is {profile_level_id}"
                found.append(f"unit {unit.seq} {text}")
    return found


def wrong_numbers(units: Sequence[AccessUnit]) -> list[str]:
    """Judge ``seq``: it grows by one."""
    return [
        f"unit {other.seq} follows unit {one.seq}"
        for one, other in pairwise(units)
        if other.seq != one.seq + 1
    ]


def wrong_times(arrivals: Sequence[Arrival], layer: LayerInfo) -> list[str]:
    """Judge ``captured_ns``: each a microsecond later at least, never of the future, and young.

    Only of a stretch without pauses can the frame rate be judged.
    """
    found = []
    for one, other in pairwise(arrivals):
        if other.unit.captured_ns // 1000 <= one.unit.captured_ns // 1000:
            found.append(f"unit {other.unit.seq} was taken no later than the one before")
    ages_s = [(each.at_ns - each.unit.captured_ns) / NS for each in arrivals]
    if min(ages_s, default=0.0) < 0:
        found.append(f"a unit was taken {-min(ages_s):.6f} s after it was handed over")
    if ages_s and statistics.median(ages_s) > OLDEST_S:
        median_s = statistics.median(ages_s)
        found.append(f"units are {median_s:.3f} s old when they are handed over: another clock?")
    return found + wrong_pace([each.unit for each in arrivals], layer.fps_max)


def wrong_pace(units: Sequence[AccessUnit], fps: float) -> list[str]:
    """Judge the frame rate of units: no more than ``fps``; a late picture is no fault."""
    gaps_ns = [other.captured_ns - one.captured_ns for one, other in pairwise(units)]
    if not gaps_ns:
        return ["there are not two units"]
    found_fps = NS / max(statistics.median(gaps_ns), 1)
    if found_fps > fps * FASTER:
        return [f"there are {found_fps:.1f} pictures per second, at most {fps:g} are announced"]
    return []


def wrong_pictures(units: Sequence[AccessUnit]) -> list[str]:
    """Decode: each unit gives one picture, at once, and none is reordered (no B-frames)."""
    decoder = av.CodecContext.create("h264", "r")
    if not isinstance(decoder, av.VideoCodecContext):
        return ["this PyAV has no decoder for H.264"]
    decoder.thread_count = 1  # threads would hold pictures back
    found = []
    for unit in units:
        if h264.has_b_slices(unit.data):
            found.append(f"unit {unit.seq} has B slices: pictures would come late")
        try:
            pictures = decoder.decode(av.Packet(unit.data))
        except av.FFmpegError as error:
            found.append(f"unit {unit.seq} cannot be decoded: {error}")
            continue
        if len(pictures) != 1:
            found.append(f"unit {unit.seq} gave {len(pictures)} pictures instead of one at once")
    return found


def wrong_keyframe_delay(arrivals: Sequence[Arrival], asked_ns: int) -> list[str]:
    """Judge by pictures taken since the request, so that a busy machine is no fault."""
    pictures = 0
    for each in arrivals:
        if each.at_ns <= asked_ns:
            continue
        pictures += each.unit.captured_ns > asked_ns
        if each.unit.keyframe and pictures > PICTURES_TO_KEYFRAME:
            return [f"the keyframe was picture {pictures} after its request"]
        if each.unit.keyframe:
            return []
    return ["no keyframe came after its request"]


def wrong_bitrate(units: Sequence[AccessUnit], changed_ns: int, bitrate_bps: int) -> list[str]:
    """Judge the second before two seconds have passed since the change."""
    begin_ns = changed_ns + int(SETTLED_AFTER_S * NS)
    end_ns = changed_ns + int(SETTLED_BY_S * NS)
    bits = sum(8 * len(unit.data) for unit in units if begin_ns <= unit.captured_ns < end_ns)
    found_bps = bits / (SETTLED_BY_S - SETTLED_AFTER_S)
    if abs(found_bps - bitrate_bps) > BITRATE_TOLERANCE * bitrate_bps:
        said = f"{bitrate_bps / 1000:.0f} kbit/s were said to be applied"
        return [f"{said}, {found_bps / 1000:.0f} came in the second second after"]
    return []


def wrong_jpeg(jpeg: bytes, width: int, height: int) -> list[str]:
    """Judge a snapshot."""
    decoder = av.CodecContext.create("mjpeg", "r")
    if not isinstance(decoder, av.VideoCodecContext):
        return ["this PyAV has no decoder for JPEG"]
    decoder.thread_count = 1
    try:
        (picture,) = decoder.decode(av.Packet(jpeg))
    except (av.FFmpegError, ValueError) as error:
        return [f"the snapshot is no JPEG picture: {error}"]
    if (picture.width, picture.height) != (width, height):
        return [f"the snapshot is {picture.width}x{picture.height} instead of {width}x{height}"]
    return []
