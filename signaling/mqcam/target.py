"""The file into which a person wants a picture: judged before anything is done for it.

It must not know cameras, nor what is written into the file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mqcam.errors import RecordingFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def check_target(path: Path, *, suffixes: Collection[str], advice: str) -> None:
    """Judge a file's name and place; raises RecordingFailed, and UsageError with the advice."""
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path} is no name of a picture", advice)
    if path.is_dir():
        raise RecordingFailed(str(path), "is a folder, not a file")
    if not path.parent.is_dir():
        raise RecordingFailed(str(path), "its folder does not exist")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise RecordingFailed(str(path), "may not be written by this user")
