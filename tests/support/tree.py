"""The files of the checkout, for the tests that judge them.

It must not know what is judged: it lists and reads.
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SOURCE_FOLDERS = {
    "mqcam": ROOT / "signaling/mqcam",
    "mqcam_device": ROOT / "device/mqcam_device",
    "mqcam_viewer": ROOT / "viewer/mqcam_viewer",
    "mqcam_broker": ROOT / "broker-config/mqcam_broker",
}


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """List the files that git knows or would add, in this checkout as it is now."""
    listed = subprocess.run(
        # The owner of the checkout may be another user: we only read.
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def tracked(suffix: str, *, under: str = "") -> list[Path]:
    """List the tracked files below a folder whose name ends so."""
    return [
        p for p in tracked_files() if p.name.endswith(suffix) and p.is_relative_to(ROOT / under)
    ]


def source_modules() -> list[Path]:
    """List the Python files that users install."""
    return [p for folder in SOURCE_FOLDERS.values() for p in tracked(".py", under=str(folder))]


def name_of(path: Path) -> str:
    """Return a file's name as people say it: its path from the root of the checkout."""
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str | None:
    """Return a file's text, or None for one that holds none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
