"""A camera's pictures are completed, checked, timed and numbered, or refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.h264 import iterate_nals, nal_type
from mqcam_device.sources.feed import MAX_PICTURE_BYTES, EncodedPicture, FeedInfo
from mqcam_device.sources.intake import DEFAULT_FPS, Intake, Unfit
from support.clips import encode, nals_of
from support.films import make_film
from support.rtp import stream_of

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit

NS = 1_000_000_000
RTP = FeedInfo(rate_hz=90_000, bits=32)


@pytest.fixture(scope="module")
def clip() -> list[bytes]:
    return encode(12, keyframes=(0, 6))


def bare(unit: bytes) -> bytes:
    return stream_of([nal for nal in nals_of(unit) if nal[0] & 0x1F in (1, 5)])


def sets_of(unit: bytes) -> bytes:
    return stream_of([nal for nal in nals_of(unit) if nal[0] & 0x1F in (7, 8)])


def take(subject: Intake, units: list[bytes], *, lost: int = -1) -> list[AccessUnit | None]:
    return [
        subject.take(EncodedPicture(data, 3000 * number, NS + number * NS // 30, number == lost))
        for number, data in enumerate(units)
    ]


def begun(info: FeedInfo = RTP) -> Intake:
    subject = Intake("camera")
    subject.begin(info)
    return subject


def test_first_unit_is_a_keyframe_with_its_parameter_sets(clip: list[bytes]) -> None:
    subject = begun()
    taken = take(subject, [*clip[3:6], *clip[6:]])

    assert taken[:3] == [None] * 3
    first = taken[3]
    assert first is not None
    assert first.keyframe
    assert [nal_type(nal) for nal in iterate_nals(first.data)][:2] == [7, 8]
    assert [unit.seq for unit in taken if unit] == list(range(6))


def test_picture_that_the_agent_could_not_be_handed_counts_as_lost(clip: list[bytes]) -> None:
    padding = b"\0\0\0\1\x06" + b"\xff" * MAX_PICTURE_BYTES
    subject = begun()
    taken = take(subject, [clip[0], clip[1] + padding, *clip[2:6], clip[6] + padding, *clip[7:]])

    assert [unit is not None for unit in taken] == [True] + [False] * 11


def test_parameter_sets_of_the_description_stand_before_each_keyframe(clip: list[bytes]) -> None:
    subject = begun(FeedInfo(rate_hz=90_000, parameter_sets=sets_of(clip[0])))
    assert subject.parameters is not None
    assert (subject.parameters.width, subject.parameters.height) == (320, 240)

    taken = take(subject, [bare(unit) for unit in clip])

    assert [unit.keyframe for unit in taken if unit] == [True, *[False] * 5, True, *[False] * 5]
    assert all(unit.data.startswith(sets_of(clip[0])) for unit in taken if unit and unit.keyframe)


def test_after_a_loss_nothing_comes_before_the_next_keyframe(clip: list[bytes]) -> None:
    taken = take(begun(), clip, lost=3)

    assert [unit is not None for unit in taken] == [True] * 3 + [False] * 3 + [True] * 6
    assert [unit.seq for unit in taken if unit] == list(range(9))


def test_frame_rate_is_told_then_measured(clip: list[bytes]) -> None:
    subject = begun(FeedInfo(rate_hz=90_000, bits=32, fps=12.0))
    assert subject.fps == 12.0
    assert begun().fps == DEFAULT_FPS

    take(subject, clip)

    assert subject.fps == pytest.approx(30, abs=0.1)


def test_time_and_number_go_on_over_connections(clip: list[bytes]) -> None:
    subject = begun()
    before = [unit for unit in take(subject, clip) if unit]
    subject.begin(RTP)
    after = [unit for unit in take(subject, clip) if unit]

    units = before + after
    assert [unit.seq for unit in units] == list(range(24))
    times = [unit.captured_ns for unit in units]
    assert times == sorted(set(times))


def test_b_frames_are_refused_with_what_to_change(tmp_path_factory: pytest.TempPathFactory) -> None:
    import av  # noqa: PLC0415 - one test's

    path = make_film(tmp_path_factory.mktemp("films") / "b.h264", b_frames=2)
    with av.open(str(path)) as container:
        units = [bytes(each) for each in container.demux(video=0) if each.size]

    with pytest.raises(Unfit, match="set the camera's B-frames to 0"):
        take(begun(), units)


@pytest.mark.parametrize(
    ("sps", "words"),
    [
        ("677a001fbcb202802dd8", "set it to Baseline, Main or High"),
        ("674d401ef40503da1000000300100000030329f142aa", "progressive"),
    ],
)
def test_what_viewers_cannot_show_is_refused(sps: str, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        begun(FeedInfo(rate_hz=90_000, parameter_sets=stream_of([bytes.fromhex(sps)])))
