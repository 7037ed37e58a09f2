"""A camera's raw pictures as an encoder takes them: yuv420p in video range, mirrored as wanted.

It must not know cameras or time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from mqcam.errors import SourceError

if TYPE_CHECKING:
    from av.filter.context import FilterContext


class Upright:
    """Converts pictures; builds a new filter when their shape changes."""

    def __init__(self, *, hflip: bool, vflip: bool) -> None:
        self._flips = [name for name, is_on in (("hflip", hflip), ("vflip", vflip)) if is_on]
        self._shape: tuple[int, int, str, int] | None = None
        # The graph is kept because its filters do not keep it: they would point into freed memory.
        self._filter: tuple[Graph, FilterContext, FilterContext] | None = None

    def turn(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture converted; its colour matrix stays."""
        matrix = frame.colorspace
        shape = (frame.width, frame.height, frame.format.name, int(frame.color_range))
        if shape != self._shape:
            self._filter = None if self._is_fit(frame) else self._build(frame)
            self._shape = shape
        if self._filter is None:
            return frame
        _, source, sink = self._filter
        source.push(frame)
        turned = sink.pull()
        if not isinstance(turned, VideoFrame):
            raise SourceError("usb", "the filter gave no picture")
        turned.colorspace = matrix
        return turned

    def _is_fit(self, frame: VideoFrame) -> bool:
        is_video_range = frame.color_range != ColorRange.JPEG
        return frame.format.name == "yuv420p" and is_video_range and not self._flips

    def _build(self, frame: VideoFrame) -> tuple[Graph, FilterContext, FilterContext]:
        # Decoders of motion JPEG say its full range by the old name of the format only.
        is_full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        graph = Graph()
        if hasattr(graph, "threads"):  # not in PyAV 14
            graph.threads = 1
        steps = [
            graph.add(
                "buffer",
                f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
                f":time_base=1/1000000:range={'pc' if is_full else 'tv'}",
            ),
            graph.add("scale", f"flags=bilinear:in_range={'pc' if is_full else 'tv'}:out_range=tv"),
            graph.add("format", "pix_fmts=yuv420p"),
            *(graph.add(name) for name in self._flips),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph, steps[0], steps[-1]
