"""Snapshots as files: where, under which name, never over another one.

It must not know Qt, nor streams.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from mqcam_viewer.picture import encode

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam_viewer.frames import Frame


def save(frame: Frame, camera: str, folder: Path, *, ending: str = "jpg") -> Path:
    """Write a picture, upright, into a folder, which is made; return its path. Raises OSError.

    ``ending`` is ``jpg``, or ``png`` for one that loses nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = encode(frame.picture, folder / f"picture.{ending}", rotation=frame.rotation)
    stem = f"{camera} {time.strftime('%Y-%m-%d %H-%M-%S')}"
    for number in itertools.count(1):
        path = folder / (f"{stem}.{ending}" if number == 1 else f"{stem} ({number}).{ending}")
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            continue
        return path
    raise AssertionError("numbers do not end")
