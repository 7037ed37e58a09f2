from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import av
import pytest
from mqcam_viewer.desktop.pictures import save
from mqcam_viewer.frames import Frame
from support.pixels import flat

if TYPE_CHECKING:
    from pathlib import Path

FRAME = Frame(picture=flat(64, 36, (81, 90, 240)), rtp_timestamp=0, decoded_at=0.0)


def test_a_snapshot_is_a_jpeg_named_after_camera_and_time(tmp_path: Path) -> None:
    path = save(FRAME, "front", tmp_path / "new" / "folder")

    assert path.name.startswith("front 20")
    assert path.suffix == ".jpg"
    assert path.read_bytes()[:2] == b"\xff\xd8"


def test_a_snapshot_that_loses_nothing_is_a_png(tmp_path: Path) -> None:
    path = save(FRAME, "front", tmp_path, ending="png")

    assert path.read_bytes()[1:4] == b"PNG"


def test_a_snapshot_stands_upright(tmp_path: Path) -> None:
    path = save(replace(FRAME, rotation=90), "front", tmp_path)

    with av.open(str(path)) as file:
        shown = next(file.decode(video=0))
    assert (shown.width, shown.height) == (36, 64)


def test_no_snapshot_replaces_another_one(tmp_path: Path) -> None:
    saved = {save(FRAME, "front", tmp_path) for _ in range(5)}

    assert len(saved) == 5
    assert set(tmp_path.iterdir()) == saved


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        save(FRAME, "front", tmp_path / "file" / "folder")
