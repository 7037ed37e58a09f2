"""One picture of a camera, as soon as there is one: its first keyframe, then good-bye.

It must not know files: ``picture`` makes one of what comes out of here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import av
from mqcam.errors import StageTimeout, StreamEnded

from mqcam_viewer.absence import no_picture
from mqcam_viewer.picture import upright

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from mqcam.depacketiser import VideoUnit

    from mqcam_viewer.client import Client
    from mqcam_viewer.units import ReceivedUnit

PICTURE_S: Final = 10.0
"""How long the first picture may take after the connection."""


async def take_snapshot(client: Client, camera: str, *, timeout_s: float = PICTURE_S) -> VideoFrame:
    """Return the first picture of a camera, upright; the session is over then.

    Raises SessionError and BrokerError, StageTimeout when no picture comes in time, StreamEnded.
    """
    first: asyncio.Future[VideoUnit] = asyncio.get_running_loop().create_future()

    def take(received: ReceivedUnit) -> None:
        if received.unit.keyframe and not first.done():
            first.set_result(received.unit)

    stream = client.watch(camera, is_decoding=False)
    with stream.units(take):
        async with stream:
            ended = asyncio.create_task(stream.ended(), name="end of the stream")
            waits: set[asyncio.Future[Any]] = {first, ended}
            try:
                await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ended.cancel()
                end = (await asyncio.gather(ended, return_exceptions=True))[0]
    if first.done():
        return await asyncio.to_thread(decode, first.result())
    if isinstance(end, StreamEnded):
        raise end
    raise StageTimeout("picture", timeout_s, no_picture(client.known().get(camera)))


def decode(keyframe: VideoUnit) -> VideoFrame:
    """Return the picture of a keyframe, upright; raises StreamEnded when it is damaged."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    try:
        frames = [*decoder.decode(av.Packet(keyframe.data)), *decoder.decode(None)]
    except av.FFmpegError:
        frames = []
    for frame in frames:
        if isinstance(frame, av.VideoFrame):
            return upright(frame, keyframe.rotation)
    raise StreamEnded("not-decodable", "the camera's picture cannot be decoded")
