from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from mqcam_viewer.desktop.memory import MAX_CAMERAS, Memory, load, store

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 2, 12, 0).astimezone()


def test_what_was_stored_is_remembered(tmp_path: Path) -> None:
    memory = Memory(chosen="front", seen={"front": NOON, "door": NOON})
    store(tmp_path / "new" / "window.json", memory)

    assert load(tmp_path / "new" / "window.json") == memory


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"chosen": 1}',
        b'{"chosen": null, "seen": {"a": "x"}}',
        b'{"chosen": null, "seen": {"a": 1e300}}',
    ],
)
def test_a_memory_that_cannot_be_read_is_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "window.json").write_bytes(content)

    assert load(tmp_path / "window.json") == Memory()
    assert load(tmp_path / "no such file") == Memory()


def test_a_memory_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store(tmp_path / "file" / "window.json", Memory())


def test_the_file_stays_small(tmp_path: Path) -> None:
    store(tmp_path / "w", Memory(seen={f"camera-{at}": NOON for at in range(MAX_CAMERAS + 9)}))

    assert len(load(tmp_path / "w").seen) == MAX_CAMERAS
