"""One picture out of an H.264 stream, for snapshots: decoded from the keyframe before it.

It must not know where the stream comes from.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import av
from av.packet import Packet
from mqcam.errors import SourceError

from mqcam_device.sources.jpeg import encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.frame import VideoFrame


MAX_PIXELS: Final = 139_264 * 256
"""Of the largest picture that H.264 knows (level 6.2, A.3.1): no more memory is taken for one."""


def decode_newest(units: Sequence[bytes], *, deadline: float) -> bytes:
    """Return the last picture as JPEG, or the one that is reached by then; raises SourceError.

    The first unit is a keyframe; ``deadline`` is of `time.monotonic`.
    """
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    newest: VideoFrame | None = None
    try:
        for unit in units:
            for frame in context.decode(Packet(unit)):
                newest = frame
            if newest is not None and time.monotonic() > deadline:
                break
        for frame in context.decode(None):
            newest = frame
        if newest is not None:
            return encode_jpeg(newest)
    except (av.FFmpegError, ValueError, KeyError) as error:
        reason = f"the picture cannot be decoded ({type(error).__name__})"
        raise SourceError("snapshot", reason) from error
    raise SourceError("snapshot", "the camera's pictures cannot be decoded")
