"""Received pictures into files, as they are: nothing is decoded or encoded.

It must not know streams or an event loop; its calls block as long as the disk does. A failure is
``RecordingFailed``, and what was recorded until then can be played.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import RecordingFailed, SourceError
from mqcam.files import reason
from mqcam.h264 import PPS, SPS, iterate_nals, nal_type

from mqcam_viewer.boxes import TIMESCALE, ParameterSets, Sample
from mqcam_viewer.mp4 import Mp4File
from mqcam_viewer.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mqcam_viewer.shelf import Shelf
    from mqcam_viewer.units import ReceivedUnit

MAX_NAMED: Final = 100
"""Files that a summary names: the newest."""

GAP_TICKS: Final = TIMESCALE
"""A second without a picture is a gap."""

DELIMITER: Final = 9
ATTEMPTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was recorded; ``mqcam-viewer record --json`` prints it and its names are a contract.

    ``seconds`` is how long the files play together, ``gap_seconds`` how much of that shows nothing
    new because nothing came. ``frames_received`` came whole, ``frames_dropped`` of them were not
    recorded because the disk was too slow; ``frames_lost`` were seen but did not come whole, or
    needed one that did not.
    """

    camera: str
    path: str
    files: int
    paths: tuple[str, ...]
    seconds: float
    bytes: int
    frames: int
    frames_received: int
    frames_dropped: int
    frames_lost: int
    gaps: int
    gap_seconds: float
    reconnects: int
    deleted: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values for ``json.dumps``."""
        return asdict(self)


class Recording:
    """Write one camera's pictures onto a shelf.

    A new file begins after ``segment_s``, with the next keyframe, and when the parameter sets
    change, or how far the pictures are to be turned. Files that ended more than ``keep_s`` ago are
    deleted when one begins.
    """

    def __init__(
        self,
        shelf: Shelf,
        *,
        segment_s: float | None = None,
        keep_s: float | None = None,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self.gaps = 0
        self.gap_ticks = 0
        self.deleted = 0
        self.files = 0
        self.paths: deque[Path] = deque(maxlen=MAX_NAMED)
        self._shelf = shelf
        self._segment_s = segment_s
        self._keep_s = keep_s
        self._unix_time = unix_time
        self._timeline = Timeline()
        self._file: Mp4File | None = None
        self._last_ticks: int | None = None
        self._frames_before = 0
        self._bytes_before = 0
        self._seconds_before = 0.0

    @property
    def frames(self) -> int:
        """Return how many pictures were written."""
        return self._frames_before + (self._file.frames if self._file else 0)

    @property
    def bytes_written(self) -> int:
        """Return the size of all files."""
        return self._bytes_before + (self._file.bytes_written if self._file else 0)

    @property
    def seconds(self) -> float:
        """Return how long all files play."""
        return self._seconds_before + (self._file.seconds if self._file else 0.0)

    def add(self, received: ReceivedUnit) -> None:
        """Record a picture; the first one, and one after missing ones, must be a keyframe."""
        nals = list(iterate_nals(received.unit.data))
        sets = parameter_sets(nals) if received.unit.keyframe else None
        ticks = self._timeline.place(received)
        with self._failure_explained():
            if sets is not None and self._is_new_file_due(sets, received.unit.rotation, ticks):
                self._begin_file(sets, received.unit.rotation)
            if self._file is not None:
                self._note_gap(ticks)
                self._file.add(Sample(sample_data(nals), ticks, received.unit.keyframe))

    def flush(self) -> None:
        """Write what waits for its successor, because none comes."""
        if self._file is not None:
            with self._failure_explained():
                self._file.flush()

    def close(self) -> None:
        """Finish the file; may be repeated."""
        if self._file is not None:
            with self._failure_explained():
                self._close_file()

    def _is_new_file_due(self, sets: ParameterSets, rotation: int, ticks: int) -> bool:
        file = self._file
        if file is None or (file.sets, file.rotation) != (sets, rotation):
            return True
        length_s = file.seconds_at(ticks)
        return self._segment_s is not None and length_s >= self._segment_s

    def _begin_file(self, sets: ParameterSets, rotation: int) -> None:
        self._close_file()
        now = self._unix_time()
        if self._keep_s is not None:
            self.deleted += self._shelf.delete_older(now - self._keep_s)
        for attempt, path in enumerate(self._shelf.names(now)):
            try:
                self._file = Mp4File(path, sets, created_unix_s=int(now), rotation=rotation)
            except FileExistsError:
                # A file that the user named himself is never another one, at first.
                is_his_choice = not self._shelf.is_folder and self.files == 0
                if is_his_choice or attempt >= ATTEMPTS:
                    raise
            else:
                break
        self.files += 1
        if self._file is not None:
            self.paths.append(self._file.path)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        finally:
            self._count(file)

    def _count(self, file: Mp4File) -> None:
        self._frames_before += file.frames
        self._bytes_before += file.bytes_written
        self._seconds_before += file.seconds

    def _note_gap(self, ticks: int) -> None:
        if self._last_ticks is not None and ticks - self._last_ticks > GAP_TICKS:
            self.gaps += 1
            self.gap_ticks += ticks - self._last_ticks
        self._last_ticks = ticks

    @contextlib.contextmanager
    def _failure_explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, SourceError) as error:
            path = self._file.path if self._file else self._shelf.target
            if self._file is not None:
                file, self._file = self._file, None
                file.abandon()
                self._count(file)
            raise self._explained(error, path) from error

    def _explained(self, error: OSError | SourceError, path: Path) -> RecordingFailed:
        if isinstance(error, SourceError):
            return RecordingFailed(str(path), f"the camera's stream cannot be stored: {error}")
        why = "exists already" if isinstance(error, FileExistsError) else reason(error)
        if self.frames:
            why += f"; {self.seconds:.1f} s were recorded and can be played"
        return RecordingFailed(str(path), why)


def parameter_sets(nals: list[bytes]) -> ParameterSets | None:
    """Return those of a keyframe, None if it has not both kinds."""
    sps = [nal for nal in nals if nal_type(nal) == SPS]
    pps = tuple(dict.fromkeys(nal for nal in nals if nal_type(nal) == PPS))
    return ParameterSets(sps[-1], pps) if sps and pps else None


def sample_data(nals: list[bytes]) -> bytes:
    """Return a picture as a file holds it: lengths in front, what the header says left out."""
    return b"".join(
        len(nal).to_bytes(4) + nal for nal in nals if nal_type(nal) not in (SPS, PPS, DELIMITER)
    )
