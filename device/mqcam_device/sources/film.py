"""A film file as a source: decoded, fitted into the wanted size, paced by its own timestamps.

It must not know encoders or viewers. The file's name comes from the configuration, never from
the network.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import av
from mqcam.errors import SourceError

from mqcam_device.sources.fitter import Fitter, natural_size
from mqcam_device.sources.raw import NS, RawInfo

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_GAP_S = 0.25
"""A picture that stands longer is shown again, so that silence always means a fault."""

_LATE_S = 0.5
_DEFAULT_FPS = 25.0
_FPS_RANGE = (1.0, 240.0)
_MAX_JUMP_S = 60.0


class Film:
    """A `RawSource` over a media file, played again and again."""

    def __init__(self, path: str, *, width: int | None, height: int | None, fps: float) -> None:
        self._path = path
        self._wanted = (width, height) if width and height else None
        self._cap_fps = fps
        self._frames: Generator[tuple[VideoFrame, float]] | None = None
        self._fitter: Fitter | None = None
        self._next: tuple[VideoFrame, float] | None = None
        self._shown: VideoFrame | None = None
        self._film_fps = _DEFAULT_FPS
        self._round_s = 0.0
        self._dot_aspect = 1.0
        self._begun_ns = 0
        self._offset_s = 0.0
        self._last_s = 0.0
        self._is_repeat_due = False

    def open(self) -> RawInfo:
        """Decode the first picture to learn the size; raises SourceError."""
        self._frames = self._decode_for_ever()
        frame, _ = self._next = next(self._frames)
        self._fitter = Fitter(
            self._wanted or natural_size(frame, self._dot_aspect), self._dot_aspect
        )
        return self._describe()

    def begin(self, now_ns: int) -> None:
        """Go on where the film was left: its next picture is due now."""
        self._begun_ns = now_ns
        self._offset_s = self._peek()[1]
        self._last_s = self._offset_s

    def due_ns(self, now_ns: int) -> int:
        """Return when the next picture is due; one too late for its time is left out."""
        frame_s = self._peek()[1]
        late_s = (now_ns - self._begun_ns) / NS - (frame_s - self._offset_s)
        if late_s > _LATE_S:  # this machine is too slow or slept: go on from here
            self.begin(now_ns)
            frame_s = self._offset_s
        self._is_repeat_due = frame_s - self._last_s > MAX_GAP_S
        due_s = self._last_s + MAX_GAP_S if self._is_repeat_due else frame_s
        return self._begun_ns + int((due_s - self._offset_s) * NS)

    def read(self, captured_ns: int) -> VideoFrame:
        """Return the picture that is due, fitted; the pace does not depend on the moment."""
        del captured_ns
        if self._is_repeat_due and self._shown is not None:
            self._last_s += MAX_GAP_S
            return self._shown
        frame, self._last_s = self._peek()
        self._next = None
        if self._fitter is None:
            raise SourceError(self._path, "the film is not open")
        self._shown = self._fitter.fit(frame)
        return self._shown

    def set_framerate(self, fps: float) -> RawInfo:
        """Leave pictures out above this rate."""
        self._cap_fps = fps
        return self._describe()

    def close(self) -> None:
        """Close the file."""
        if self._frames is not None:
            self._frames.close()
        self._frames = self._next = self._shown = self._fitter = None

    def _peek(self) -> tuple[VideoFrame, float]:
        if self._frames is None:
            raise SourceError(self._path, "the film is not open")
        if self._next is None:
            self._next = next(self._frames)
        return self._next

    def _describe(self) -> RawInfo:
        if self._fitter is None:
            raise SourceError(self._path, "the film is not open")
        fps = min(self._film_fps, self._cap_fps)
        width, height = self._fitter.size
        return RawInfo(width=width, height=height, fps_min=min(fps, 1 / MAX_GAP_S), fps_max=fps)

    def _decode_for_ever(self) -> Generator[tuple[VideoFrame, float]]:
        """Yield pictures with their time in seconds, growing across the loop's seam."""
        start_s = 0.0
        while True:
            self._round_s = 0.0
            for frame, at_s in self._decode_once():
                yield frame, start_s + at_s
            if not self._round_s:
                raise SourceError(self._path, "not one of its pictures can be decoded")
            start_s += self._round_s

    def _decode_once(self) -> Iterator[tuple[VideoFrame, float]]:
        """Yield each picture and its time from the film's start in seconds.

        The file is opened anew for each round: not every format can seek to its start.
        """
        with open_film(self._path) as container:
            stream = container.streams.video[0]
            self._film_fps = _frame_rate(stream)
            self._dot_aspect = float(stream.sample_aspect_ratio or 1) or 1.0
            length_s = 1 / self._film_fps
            first_s: float | None = None
            last_s = -length_s
            next_shown_s = 0.0
            for frame in _decode(container, stream):
                at_s = last_s + length_s
                if frame.time is not None:
                    first_s = frame.time if first_s is None else first_s
                    if last_s < frame.time - first_s < last_s + _MAX_JUMP_S:
                        at_s = frame.time - first_s
                last_s = at_s
                self._round_s = at_s + length_s
                interval_s = 1 / self._cap_fps
                if at_s + length_s / 4 < next_shown_s:
                    continue
                next_shown_s = max(next_shown_s + interval_s, at_s)
                yield frame, at_s


def open_film(path: str) -> InputContainer:
    """Open a media file that has a video stream; raises SourceError with a sentence."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise SourceError(path, "this is a directory, name a film file in it")
        if not stat.S_ISREG(mode):
            raise SourceError(path, "this is not a regular file")
        container = av.open(path)
    except FileNotFoundError as error:
        raise SourceError(path, "there is no such file") from error
    except PermissionError as error:
        raise SourceError(path, "this user may not read the file; see its permissions") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = "this is not a media file, or it is damaged"
        raise SourceError(path, f"{reason} ({type(error).__name__})") from error
    if not container.streams.video:
        container.close()
        raise SourceError(path, "there is no video in this file")
    return container


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield what can be decoded; a damaged packet costs its own pictures only."""
    stream.codec_context.thread_count = 1  # each thread would cost pictures' worth of memory
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.InvalidDataError:
                continue
    except (av.FFmpegError, OSError):
        return  # the file ends here: what came before is played again


def _frame_rate(stream: VideoStream) -> float:
    rate = stream.average_rate or stream.guessed_rate
    fps = float(rate) if rate else _DEFAULT_FPS
    return min(max(fps, _FPS_RANGE[0]), _FPS_RANGE[1])
