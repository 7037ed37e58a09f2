"""Read a recorded file as a player would, and hear what FFmpeg finds wrong with it.

It must not know how the file was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import av.logging

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What a file holds; times in seconds, ``complaints`` are FFmpeg's warnings and errors."""

    pictures: list[av.VideoFrame]
    times: list[float]
    keyframes: list[float]
    duration_s: float
    complaints: list[str]

    @property
    def rotation(self) -> int:
        """Return how far a player turns the pictures clockwise, in degrees."""
        return -self.pictures[0].rotation % 360


def play(path: Path) -> Playback:
    """Demultiplex and decode a whole file."""
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture(local=False) as messages, av.open(str(path)) as file:
            stream = file.streams.video[0]
            packets = [packet for packet in file.demux(stream) if packet.size]
            times = [(seconds(packet.pts, stream), packet.is_keyframe) for packet in packets]
            duration_s = seconds(stream.duration or 0, stream)
        with av.logging.Capture(local=False) as more, av.open(str(path)) as file:
            pictures = list(file.decode(video=0))
    finally:
        av.logging.restore_default_callback()
        av.logging.set_level(None)
    return Playback(
        pictures=pictures,
        times=[at for at, _ in times],
        keyframes=[at for at, is_keyframe in times if is_keyframe],
        duration_s=duration_s,
        complaints=[text for _, _, text in (*messages, *more)],
    )


def seek(path: Path, at_s: float) -> av.VideoFrame:
    """Return the first picture that is shown after jumping to a moment."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        file.seek(round(at_s / (stream.time_base or 1)), stream=stream)
        return next(file.decode(video=0))


def seconds(ticks: int | None, stream: av.VideoStream) -> float:
    """Return a time of a stream in seconds."""
    return float((ticks or 0) * (stream.time_base or 0))
