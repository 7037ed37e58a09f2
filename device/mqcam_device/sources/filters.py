"""FFmpeg's filters in a row, for pictures of one shape: one goes in, one comes out.

It must not know which filters, nor what the pictures are of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.filter import Graph
from av.video.frame import VideoFrame
from mqcam.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    Step = tuple[str, str]
    """A filter's name and its argument."""


class Filters:
    """A row of filters, built for pictures like ``frame``.

    ``color_range`` is that of the pictures in FFmpeg's words, ``name`` the source for errors.
    """

    def __init__(
        self, name: str, frame: VideoFrame, steps: Iterable[Step], *, color_range: str
    ) -> None:
        self._name = name
        # The graph is kept because its filters do not keep it: they would point into freed memory.
        self._graph = graph = Graph()
        if hasattr(graph, "threads"):  # not in PyAV 14
            graph.threads = 1
        self._source = graph.add(
            "buffer",
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
            f":time_base=1/1000000:range={color_range}",
        )
        self._sink = graph.add("buffersink")
        row = (graph.add(step, argument) for step, argument in steps)
        graph.link_nodes(self._source, *row, self._sink).configure()

    def apply(self, frame: VideoFrame) -> VideoFrame:
        """Return what comes out; its colour matrix is no longer said. Raises SourceError."""
        self._source.push(frame)
        filtered = self._sink.pull()
        if not isinstance(filtered, VideoFrame):
            raise SourceError(self._name, "the filters gave no picture")
        return filtered
