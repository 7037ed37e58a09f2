"""Snapshots as files: where, under which name, never over another one.

It must not know Qt, nor streams.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from mqcam_viewer.picture import jpeg

if TYPE_CHECKING:
    from pathlib import Path

    import av


def save(picture: av.VideoFrame, camera: str, folder: Path) -> Path:
    """Write a picture as JPEG into a folder, which is made; return its path. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    content = jpeg(picture)
    stem = f"{camera} {time.strftime('%Y-%m-%d %H-%M-%S')}"
    for number in itertools.count(1):
        path = folder / (f"{stem}.jpg" if number == 1 else f"{stem} ({number}).jpg")
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            continue
        return path
    raise AssertionError("numbers do not end")
