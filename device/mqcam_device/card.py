"""The boot partition of an SD card, on which a credentials file may arrive from another machine.

It must not know what the file says: it finds, erases, and leaves a word for whoever holds the card.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mqcam.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOT_FOLDERS: Final = (Path("/boot/firmware"), Path("/boot"))
"""Where Raspberry Pi OS mounts the partition that any machine can read; the second until 2023."""
SUFFIXES: Final = (".mqcam", ".device.yaml")
"""How a camera's credentials file may be called; the second is what ``add-device`` writes."""
REFUSED: Final = "{name}.refused.txt"


def arrivals(folders: Iterable[Path] = BOOT_FOLDERS) -> list[Path]:
    """Return every file on the boot partition that is called like a credentials file, by name."""
    found: dict[tuple[int, int], Path] = {}
    for folder in folders:
        for path in _listed(folder):
            # Not what macOS puts beside a file that it copies: ``._front.mqcam``.
            if path.name.startswith(".") or not path.name.endswith(SUFFIXES):
                continue
            with contextlib.suppress(OSError):
                status = path.stat()
                found.setdefault((status.st_dev, status.st_ino), path)
    return sorted(found.values())


def is_overwritten(path: Path) -> bool:
    """Tell whether nothing is in a file but what `erase` writes: the power went before its end."""
    try:
        content = read_bounded(path)
    except OSError:
        return False
    return bool(content) and not content.strip(b"\0")


def erase(path: Path) -> None:
    """Overwrite a file where it lies, then remove it; raise OSError.

    The blocks that the file system sees hold nothing of it any more. What the flash below has
    copied elsewhere meanwhile, nobody can reach from here.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    for word in _listed(path.parent):  # of this file, and of others that lay there before
        if word.name.endswith(tuple(REFUSED.format(name=suffix) for suffix in SUFFIXES)):
            with contextlib.suppress(OSError):  # a folder is none of ours
                word.unlink()
    _sync(path.parent)


def leave_word(path: Path, sentence: str) -> None:
    """Write beside a file why it was refused, for who reads the card elsewhere; raise OSError."""
    # Not mqcam.files: this partition knows no modes and refuses to change them.
    word = path.parent / REFUSED.format(name=path.name)
    with word.open("w", encoding="utf-8", newline="\r\n") as file:
        file.write(f"{sentence}\n")
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
