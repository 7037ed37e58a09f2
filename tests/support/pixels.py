"""Pictures of one colour, for tests of what becomes of them.

It must not know Qt.
"""

from __future__ import annotations

import av
from mqcam_viewer.desktop.converter import Converter, Picture
from mqcam_viewer.frames import Frame

RED_601 = (81, 90, 240)
RED_709 = (63, 102, 240)


def flat(width: int, height: int, colour: tuple[int, int, int]) -> av.VideoFrame:
    """Return a decoded picture of one colour, in luma and two chromas of video range."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, colour, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def picture(
    width: int = 320,
    height: int = 180,
    colour: tuple[int, int, int] = RED_601,
    decoded_at: float = 0.0,
) -> Picture:
    """Return a picture as the engine leaves it for the screen."""
    frame = Frame(picture=flat(width, height, colour), rtp_timestamp=0, decoded_at=decoded_at)
    return Converter().convert(frame)


def askew(frame: av.VideoFrame, rotation: int) -> Picture:
    """Return a picture for the screen that is still to be turned, clockwise in degrees."""
    return Converter().convert(
        Frame(picture=frame, rtp_timestamp=0, decoded_at=0.0, rotation=rotation)
    )
