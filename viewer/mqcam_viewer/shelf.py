"""Where recordings of a camera lie, what they are called, and which of them are old.

It must not know what is in them. Only files with names of our own making are ever deleted.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import re
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME_TIME: Final = "%Y%m%dT%H%M%SZ"
SUFFIX: Final = ".mp4"


class Shelf:
    """The place that a recording goes to: one named file, or a folder of files by time (UTC)."""

    def __init__(self, target: Path, *, camera: str) -> None:
        self.target = target
        self.is_folder = target.is_dir()
        self._camera = camera
        self._own = re.compile(
            rf"{re.escape(camera)}-(\d{{8}}T\d{{6}}Z)(?:-\d{{1,6}})?{re.escape(SUFFIX)}"
        )

    def names(self, unix_s: float) -> Iterator[Path]:
        """Yield names for a file that begins now, best first; the caller takes a free one."""
        if not self.is_folder:
            yield self.target
            for number in itertools.count(2):
                yield self.target.with_stem(f"{self.target.stem}-{number}")
        at = dt.datetime.fromtimestamp(unix_s, dt.UTC).strftime(NAME_TIME)
        yield self.target / f"{self._camera}-{at}{SUFFIX}"
        for number in itertools.count(2):
            yield self.target / f"{self._camera}-{at}-{number}{SUFFIX}"

    def delete_older(self, than_unix_s: float, *, but: Path | None = None) -> int:
        """Delete this camera's files of a folder that ended before; returns how many.

        Both the name and the file's own time must be older. What cannot be deleted stays.
        """
        if not self.is_folder:
            return 0
        count = 0
        for path in self.target.iterdir():
            if path != but and self._is_older(path, than_unix_s):
                with contextlib.suppress(OSError):
                    path.unlink()
                    count += 1
        return count

    def _is_older(self, path: Path, than_unix_s: float) -> bool:
        named = self._own.fullmatch(path.name)
        if named is None:
            return False
        try:
            begun = dt.datetime.strptime(named[1], NAME_TIME).replace(tzinfo=dt.UTC)
            status = path.lstat()
        except (ValueError, OSError):
            return False
        is_file = stat.S_ISREG(status.st_mode)
        return is_file and max(begun.timestamp(), status.st_mtime) < than_unix_s
