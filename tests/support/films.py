"""Make tiny film files with PyAV, for tests of film sources.

It must not know the product: what it writes is what any camera or editor might write.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from av.container import OutputContainer

_TICKS = 1000


def grey_picture(width: int, height: int, shade: int, pixel_format: str = "yuv420p") -> VideoFrame:
    """Return a picture of one shade with a darker upper left quarter."""
    frame = VideoFrame(width, height, pixel_format)
    for index, plane in enumerate(frame.planes):
        value = shade if index == 0 else 128
        data = bytearray(bytes((value,)) * plane.buffer_size)
        if index == 0:
            dark = bytes((16,)) * (plane.width // 2)
            for line in range(plane.height // 2):
                data[line * plane.line_size : line * plane.line_size + len(dark)] = dark
        plane.update(bytes(data))
    return frame


def make_film(
    path: Path,
    *,
    width: int = 320,
    height: int = 240,
    at_ms: Sequence[int] = tuple(range(0, 1000, 40)),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    b_frames: int = 0,
    dot_aspect: Fraction | None = None,
    draw: Callable[[int], VideoFrame] | None = None,
) -> Path:
    """Write one picture per time stamp; its shade is 40 plus four times its index.

    ``draw`` makes other pictures, of the same size, from the index.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = stream.time_base = Fraction(1, _TICKS)
        if dot_aspect is not None:
            stream.codec_context.sample_aspect_ratio = dot_aspect
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "bf": str(b_frames), "b-adapt": "0"}
        for index, ms in enumerate(at_ms):
            if draw is not None:
                frame = draw(index)
            else:
                frame = grey_picture(width, height, 40 + index * 4 % 190, pixel_format)
            frame.pts, frame.time_base = ms, Fraction(1, _TICKS)
            _mux(container, stream.encode(frame))
        _mux(container, stream.encode(None))
    return path


def make_audio_only(path: Path) -> Path:
    """Write a tenth of a second of silence and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        assert isinstance(stream, av.AudioStream)
        frame = AudioFrame(format="s16", layout="mono", samples=800)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts = 8000, 0
        _mux(container, stream.encode(frame))
        _mux(container, stream.encode(None))
    return path


def _mux(
    container: OutputContainer,
    packets: Sequence[av.Packet[av.VideoStream] | av.Packet[av.AudioStream]],
) -> None:
    for packet in packets:
        container.mux(packet)
