"""What ``snapshot`` and ``record`` take and tell."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import RecordingFailed, UsageError
from mqcam_viewer.keeping import duration, progress, quality, shelf, tell
from mqcam_viewer.recording import Summary

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY = Summary(
    camera="garden",
    path="garden.mp4",
    files=1,
    paths=("garden.mp4",),
    seconds=62.5,
    bytes=7_800_000,
    frames=1875,
    frames_received=1875,
    frames_dropped=0,
    frames_lost=0,
    gaps=0,
    gap_seconds=0.0,
    reconnects=0,
    deleted=0,
)


def options(
    file: Path, *, segment: float | None = None, keep: float | None = None
) -> argparse.Namespace:
    return argparse.Namespace(file=file, segment=segment, keep=keep, camera="garden")


@pytest.mark.parametrize("text", ["", "10", "0s", "-1m", "1 h", "7days", "nan"])
def test_a_duration_needs_a_number_and_a_unit(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="10m"):
        duration(text)


@pytest.mark.parametrize("text", ["0", "101"])
def test_a_quality_has_a_range(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="100"):
        quality(text)


def test_a_folder_for_segments_is_made(tmp_path: Path) -> None:
    assert shelf(options(tmp_path / "new", segment=600)).is_folder


def test_a_target_must_fit_what_is_asked(tmp_path: Path) -> None:
    wrong = [
        options(tmp_path / "film.avi"),
        options(tmp_path, keep=60),
        options(tmp_path / "film.mp4", segment=600),
        options(tmp_path, segment=1),
    ]
    for each in wrong:
        with pytest.raises(UsageError):
            shelf(each)


def test_a_file_that_is_there_is_refused_before_the_camera_is_asked(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(RecordingFailed, match="exists already"):
        shelf(options(tmp_path / "film.mp4"))


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed, match="does not exist"):
        shelf(options(tmp_path / "no" / "such", segment=600))


def test_progress_is_one_line_that_is_written_anew(capsys: pytest.CaptureFixture[str]) -> None:
    show = progress()
    show(SUMMARY)
    show(replace(SUMMARY, gaps=2))
    shown = capsys.readouterr().err

    assert "\n" not in shown
    assert shown.count("\r") == 2
    assert "0:01:02  1875 frames  7.8 MB  garden.mp4" in shown
    assert shown.endswith("gaps 2")


def test_json_is_one_object_with_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    tell(SUMMARY, is_json=True)

    assert list(json.loads(capsys.readouterr().out)) == [
        "camera",
        "path",
        "files",
        "paths",
        "seconds",
        "bytes",
        "frames",
        "frames_received",
        "frames_dropped",
        "frames_lost",
        "gaps",
        "gap_seconds",
        "reconnects",
        "deleted",
    ]


def test_people_are_told_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    tell(replace(SUMMARY, gaps=1, gap_seconds=4.2, frames_lost=3), is_json=False)
    told = capsys.readouterr().out

    assert "1 gap, 4.2 s without a picture" in told
    assert "3 pictures are missing" in told
