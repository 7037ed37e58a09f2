"""One MP4 file that can be played at every moment of its making, also after a crash or power cut.

It must not know where pictures come from, nor that other files exist. Every failure is an OSError.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from mqcam_viewer.boxes import (
    TIMESCALE,
    FragmentStart,
    ParameterSets,
    Sample,
    duration,
    fragment,
    header,
    index,
)

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_FRAGMENT_TICKS: Final = TIMESCALE
"""So much is lost at most when the program is killed: a second."""

USUAL_TICKS: Final = TIMESCALE // 30
"""How long a last picture is shown when it was the only one."""


class Mp4File:
    """Write pictures of one stream; the file must not exist yet.

    A fragment begins with each keyframe, and after a second. The first picture is a keyframe.
    Players turn its pictures clockwise by ``rotation`` degrees.
    """

    def __init__(
        self, path: Path, sets: ParameterSets, *, created_unix_s: int, rotation: int = 0
    ) -> None:
        self.path = path
        self.sets = sets
        self.rotation = rotation
        self.frames = 0
        self._begin_ticks: int | None = None
        self._end_ticks = 0
        self._interval_ticks = USUAL_TICKS
        self._samples: list[Sample] = []
        self._fragments = 0
        self._starts: list[FragmentStart] = []
        head, self._duration_at = header(sets, created_unix_s=created_unix_s, rotation=rotation)
        self._good_bytes = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o644)
        try:
            self._append(head)
        except OSError:
            self._give_up()
            path.unlink()
            raise

    @property
    def seconds(self) -> float:
        """Return how long the written part plays."""
        return self._end_ticks / TIMESCALE

    @property
    def bytes_written(self) -> int:
        """Return the size of the written part."""
        return self._good_bytes

    def seconds_at(self, ticks: int) -> float:
        """Return where in the file a moment of the recording is."""
        return (ticks - (ticks if self._begin_ticks is None else self._begin_ticks)) / TIMESCALE

    def add(self, sample: Sample) -> None:
        """Take a picture; earlier ones are written when it begins a fragment. Raises OSError."""
        if self._begin_ticks is None:
            self._begin_ticks = sample.ticks
        ticks = sample.ticks - self._begin_ticks
        if self._samples:
            first = self._samples[0]
            self._interval_ticks = min(ticks - self._samples[-1].ticks, LONGEST_FRAGMENT_TICKS)
            if sample.is_sync or ticks - first.ticks >= LONGEST_FRAGMENT_TICKS:
                self._write(end_ticks=ticks)
        self._samples.append(Sample(sample.data, ticks, sample.is_sync))

    def flush(self) -> None:
        """Write what waits for its successor; what comes later leaves a gap. Raises OSError."""
        if self._samples:
            self._write(end_ticks=self._samples[-1].ticks + self._interval_ticks)

    def close(self) -> None:
        """Write the rest and the index. Raises OSError, closed and playable even then."""
        try:
            self.flush()
            self._append(index(self._starts))
            os.pwrite(self._descriptor, duration(self._end_ticks), self._duration_at)
            os.fsync(self._descriptor)
        except OSError:
            self._give_up()
            raise
        os.close(self._descriptor)

    def abandon(self) -> None:
        """Close after a failure: what was written stays and can be played."""
        self._give_up()

    def _write(self, *, end_ticks: int) -> None:
        samples = self._samples
        offset = self._good_bytes
        self._append(fragment(self._fragments + 1, samples, end_ticks=end_ticks))
        self._fragments += 1
        if samples[0].is_sync:
            self._starts.append(FragmentStart(samples[0].ticks, offset))
        self.frames += len(samples)
        self._end_ticks = end_ticks
        self._samples = []

    def _append(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._good_bytes += len(content)

    def _give_up(self) -> None:
        """Cut off half a fragment, which a full disk leaves."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._good_bytes)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
