"""Decoded pictures to the pixels that the screen takes: BGRA, with their colour space said.

It must not know Qt. It runs in the engine's thread; PyAV lets other threads run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

if TYPE_CHECKING:
    import av

    from mqcam_viewer.frames import Frame

HD_HEIGHT = 720
"""From this height on a stream that does not say its colour space is taken as BT.709, as
browsers do; below it as BT.601."""

UNSPECIFIED = 2
"""What H.264 writes where an encoder says nothing (ITU-T H.273, table 4)."""


@dataclass(slots=True, kw_only=True)
class Picture:
    """One picture in BGRA; ``frame`` owns the pixels and must outlive whoever shows them.

    Whoever shows it turns it clockwise by ``rotation`` degrees: the pixels are not moved.
    """

    frame: av.VideoFrame
    decoded_at: float
    rotation: int = 0

    @property
    def width(self) -> int:
        """Return the width in pixels, before it is turned."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Return the height in pixels, before it is turned."""
        return self.frame.height

    @property
    def bytes_per_line(self) -> int:
        """Return the distance of two lines in memory."""
        return self.frame.planes[0].line_size

    @property
    def pixels(self) -> memoryview:
        """Return the pixels without a copy."""
        return memoryview(self.frame.planes[0])


class Converter:
    """Convert the pictures of one stream."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: Frame) -> Picture:
        """Return a picture in BGRA at its own size."""
        source = frame.picture
        is_full = source.color_range == ColorRange.JPEG
        converted = self._reformatter.reformat(
            source,
            format="bgra",
            src_colorspace=colour_space(source),
            src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            threads=1,  # one picture costs less than waking other threads
        )
        return Picture(frame=converted, decoded_at=frame.decoded_at, rotation=frame.rotation)


def colour_space(picture: av.VideoFrame) -> int:
    """Return the colour space that a picture says, or that its size suggests."""
    if picture.colorspace != UNSPECIFIED:
        return picture.colorspace
    return int(Colorspace.ITU709 if picture.height >= HD_HEIGHT else Colorspace.ITU601)
