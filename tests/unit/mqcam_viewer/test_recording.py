"""Recordings: playable at every moment, nothing missing, nobody else's file touched."""

from __future__ import annotations

import errno
import os
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import av
import pytest
from mqcam.depacketiser import VideoUnit
from mqcam.errors import RecordingFailed
from mqcam_viewer.boxes import matrix
from mqcam_viewer.recording import Recording
from mqcam_viewer.shelf import Shelf
from mqcam_viewer.units import ReceivedUnit
from support.pictures import encode_pictures
from support.playback import play, seek

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FPS = 30
NOON = 1_790_000_000.0

needs_rotation = pytest.mark.skipif(
    not hasattr(av.VideoFrame, "rotation"), reason="this PyAV does not tell the turn"
)


def film(count: int, *, every: int = 30, width: int = 320, rotation: int = 0) -> list[VideoUnit]:
    """Return encoded pictures, each ``every``-th a keyframe, 30 a second."""
    chunk = [bytes(packet) for packet in encode_pictures(every, width=width)]
    return [
        VideoUnit(
            data=chunk[number % every],
            rtp_timestamp=(number * 3000) % 2**32,
            ticks=number * 3000 + 777,
            keyframe=number % every == 0,
            arrived_at=number / FPS,
            rotation=rotation,
        )
        for number in range(count)
    ]


def feed(recording: Recording, units: Sequence[VideoUnit], *, session: int = 1) -> None:
    for unit in units:
        recording.add(ReceivedUnit(unit=unit, session=session))


def test_a_recording_holds_every_picture_at_its_time(tmp_path: Path) -> None:
    """It opens without a complaint and can be sought."""
    file = tmp_path / "garden.mp4"
    recording = Recording(Shelf(file, camera="garden"))
    feed(recording, film(100))
    recording.close()
    played = play(file)

    assert played.complaints == []
    assert len(played.pictures) == recording.frames == 100
    assert played.times == pytest.approx([number / FPS for number in range(100)])
    assert played.keyframes == pytest.approx([0, 1, 2, 3])
    assert played.duration_s == pytest.approx(100 / FPS)
    assert seek(file, 2.5).time == pytest.approx(2.0)
    assert recording.bytes_written == file.stat().st_size


@pytest.mark.parametrize("count", [31, 47, 62, 91])
def test_a_file_that_was_never_finished_can_be_played(tmp_path: Path, count: int) -> None:
    """As after kill -9: all but the last second is there."""
    file = tmp_path / "garden.mp4"
    recording = Recording(Shelf(file, camera="garden"))
    feed(recording, film(count))
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(file.read_bytes())
    recording.close()
    played = play(copy)

    assert played.complaints == []
    assert len(played.pictures) > count - 1 - FPS
    assert played.keyframes[:2] == pytest.approx([0, 1][: len(played.keyframes)])


def test_fragments_without_a_keyframe_are_written_each_second(tmp_path: Path) -> None:
    file = tmp_path / "garden.mp4"
    recording = Recording(Shelf(file, camera="garden"))
    feed(recording, film(100, every=300))

    assert file.read_bytes().count(b"moof") == 3
    recording.close()
    assert len(play(file).pictures) == 100


def test_a_segment_ends_at_the_next_keyframe(tmp_path: Path) -> None:
    """Files follow each other without a picture missing or twice."""
    shelf = Shelf(tmp_path, camera="garden")
    recording = Recording(shelf, segment_s=2.5, unix_time=lambda: NOON)
    feed(recording, film(200))
    recording.close()
    files = list(recording.paths)

    assert [path.name for path in files] == [
        "garden-20260921T141320Z.mp4",
        "garden-20260921T141320Z-2.mp4",
        "garden-20260921T141320Z-3.mp4",
    ]
    assert [len(play(path).pictures) for path in files] == [90, 90, 20]


def test_other_parameter_sets_begin_another_file(tmp_path: Path) -> None:
    small, large = film(30), film(30, width=640)
    for number, unit in enumerate(large):
        unit.ticks += 30 * 3000
        unit.arrived_at += number
    recording = Recording(Shelf(tmp_path / "garden.mp4", camera="garden"))
    feed(recording, [*small, *large])
    recording.close()

    widths = [play(path).pictures[0].width for path in recording.paths]
    assert widths == [320, 640]
    assert [path.name for path in recording.paths] == ["garden.mp4", "garden-2.mp4"]


@needs_rotation
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_players_turn_what_the_camera_could_not(tmp_path: Path, rotation: int) -> None:
    """FFmpeg reads the matrix of the track; the pictures are stored as they came."""
    file = tmp_path / "garden.mp4"
    recording = Recording(Shelf(file, camera="garden"))
    feed(recording, film(30, rotation=rotation))
    recording.close()
    played = play(file)

    assert played.complaints == []
    assert played.rotation == rotation
    assert {(each.width, each.height) for each in played.pictures} == {(320, 240)}


@needs_rotation
def test_a_camera_that_was_turned_meanwhile_begins_another_file(tmp_path: Path) -> None:
    before, after = film(30), film(30, rotation=90)
    for unit in after:
        unit.ticks += 30 * 3000
    recording = Recording(Shelf(tmp_path / "garden.mp4", camera="garden"))
    feed(recording, [*before, *after])
    recording.close()

    assert [play(path).rotation for path in recording.paths] == [0, 90]


@pytest.mark.parametrize(
    ("rotation", "first", "last"), [(90, (240, 0), (0, 320)), (270, (0, 320), (240, 0))]
)
def test_a_turned_picture_lies_at_the_origin_of_the_track(
    rotation: int, first: tuple[int, int], last: tuple[int, int]
) -> None:
    """Corner by corner, as ISO/IEC 14496-12 multiplies: (x, y, 1) times the matrix."""
    values = [each / 65_536 for each in struct.unpack("!9i", matrix(rotation, 320, 240))]
    a, b, _, c, d, _, x, y, _ = values

    assert (x, y) == first
    assert (320 * a + 240 * c + x, 320 * b + 240 * d + y) == last


def test_a_gap_is_as_long_in_the_file_as_it_was(tmp_path: Path) -> None:
    """Another session has other timestamps: arrival tells how long nothing came."""
    later = film(30)
    for unit in later:
        unit.ticks += 5_000_000
        unit.arrived_at += 31.0
    recording = Recording(Shelf(tmp_path / "garden.mp4", camera="garden"))
    feed(recording, film(30))
    recording.flush()
    feed(recording, later, session=2)
    recording.close()
    played = play(tmp_path / "garden.mp4")

    assert played.complaints == []
    assert len(played.pictures) == 60
    assert max(after - before for before, after in pairwise(played.times)) == pytest.approx(
        31.0 - 29 / FPS, abs=0.001
    )
    assert recording.gaps == 1
    assert recording.gap_ticks / 90_000 == pytest.approx(30.03, abs=0.01)


def test_a_file_of_that_name_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "garden.mp4"
    file.write_bytes(b"precious")
    recording = Recording(Shelf(file, camera="garden"))
    with pytest.raises(RecordingFailed, match="exists already"):
        feed(recording, film(1))

    assert file.read_bytes() == b"precious"


def test_a_full_disk_is_one_sentence_and_leaves_what_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "garden.mp4"
    recording = Recording(Shelf(file, camera="garden"))
    feed(recording, film(65))
    monkeypatch.setattr(os, "write", full_after(2000, os.write))
    with pytest.raises(RecordingFailed) as failure:
        feed(recording, film(120)[65:])
    monkeypatch.undo()
    recording.close()
    played = play(file)

    assert str(failure.value) == (
        f"{file}: cannot be written: the disk is full; 2.0 s were recorded and can be played"
    )
    assert played.complaints == []
    assert len(played.pictures) == recording.frames == 60


def test_a_disk_that_was_full_from_the_start_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "garden.mp4"
    monkeypatch.setattr(os, "write", full_after(10, os.write))
    with pytest.raises(RecordingFailed, match=r"disk is full$"):
        feed(Recording(Shelf(file, camera="garden")), film(1))

    assert not file.exists()


def test_only_old_files_of_this_camera_with_our_names_are_deleted(tmp_path: Path) -> None:
    """A file of another camera, one that the user named, a link and a folder all stay."""
    old = [
        "garden-20260901T000000Z.mp4",
        "garden-20260901T000000Z-2.mp4",
    ]
    kept = [
        "garden-20260921T140000Z.mp4",
        "garden-2-20260901T000000Z.mp4",
        "my-garden-20260901T000000Z.mp4",
        "garden-20260901T000000Z.mp4.bak",
        "garden-20269901T000000Z.mp4",
        "garden-wedding.mp4",
        "notes.txt",
    ]
    for name in (*old, *kept):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (NOON - 9e5, NOON - 9e5))
    touched = tmp_path / "garden-20260902T000000Z.mp4"
    touched.write_bytes(b"")  # an old name, but still being written, or restored
    (tmp_path / "garden-20260903T000000Z.mp4").mkdir()
    (tmp_path / "garden-20260904T000000Z.mp4").symlink_to(tmp_path / "notes.txt")
    recording = Recording(
        Shelf(tmp_path, camera="garden"), segment_s=60, keep_s=86_400, unix_time=lambda: NOON
    )
    feed(recording, film(1))
    recording.close()

    assert recording.deleted == len(old)
    assert not any((tmp_path / name).exists() for name in old)
    assert all((tmp_path / name).exists() for name in kept)
    assert touched.exists()
    assert len(list(tmp_path.iterdir())) == len(kept) + 4  # folder, link, touched, the new one


def full_after(limit: int, write: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
    """Return a write to a disk with so many bytes left: it takes a part, then nothing."""
    left = limit

    def limited(descriptor: int, data: Any) -> int:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, bytes(data)[:left])
        left -= written
        return written

    return limited
