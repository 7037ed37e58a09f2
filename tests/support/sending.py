"""What the tests of the camera's sending half share: agreed terms, units, a wire that remembers.

It must not know what is looked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from mqcam.sdp import (
    ABS_SEND_TIME_URI,
    MID_URI,
    ORIENTATION_URI,
    PLAYOUT_DELAY_URI,
    TRANSPORT_WIDE_CC_URI,
    VideoParameters,
)
from mqcam.srtp import Scratch
from mqcam.steadyclock import SteadyClock
from mqcam_device.media import AccessUnit
from mqcam_device.rate.path import PathRate
from mqcam_device.sending.egress import MediaEgress
from mqcam_device.sending.parcels import Parcels
from mqcam_device.sending.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import av
    from mqcam.connection import Connection

ALL_EXTENSIONS = {
    MID_URI: 1,
    ABS_SEND_TIME_URI: 2,
    TRANSPORT_WIDE_CC_URI: 3,
    PLAYOUT_DELAY_URI: 4,
    ORIENTATION_URI: 5,
}
SSRC, RTX_SSRC = 0x1111_1111, 0x2222_2222
FRAME_NS = 33_333_333
TAG = b"[16 bytes of tag"


def video(
    extensions: dict[str, int] | None = None, *, mid: str = "0", has_rtx: bool = True
) -> VideoParameters:
    """Return what was agreed about a video."""
    return VideoParameters(
        mid=mid,
        payload_type=96,
        rtx_payload_type=97 if has_rtx else None,
        profile_level_id="42e01f",
        feedback=(),
        extensions=ALL_EXTENSIONS if extensions is None else extensions,
        local_ssrc=SSRC,
        local_rtx_ssrc=RTX_SSRC if has_rtx else None,
    )


def unit(seq: int, *, size: int = 3000, layer: str = "main", keyframe: bool = False) -> AccessUnit:
    """Return a unit with one slice whose bytes are its own."""
    kind = b"\x65" if keyframe else b"\x61"
    data = b"\0\0\0\1" + kind + (b"%s-%d " % (layer.encode(), seq) * size)[:size]
    return AccessUnit(data, seq * FRAME_NS, keyframe=keyframe, seq=seq, layer=layer)


class Sealed:
    """Stands for SRTP: it remembers each packet that was to be encrypted, and tags it."""

    tag_bytes = len(TAG)

    def __init__(self) -> None:
        self.scratch = Scratch()
        self.packets: list[bytes] = []

    def seal(self, offsets: Sequence[int], lengths: Sequence[int]) -> None:
        """Tag the packets at these places."""
        for offset, length in zip(offsets, lengths, strict=True):
            self.packets.append(bytes(self.scratch.view[offset : offset + length]))
            self.scratch.view[offset + length : offset + length + len(TAG)] = TAG


class Wire:
    """A route that remembers what was handed to it, packet by packet."""

    def __init__(self, *, prefix_bytes: int = 0) -> None:
        self.prefix_bytes = prefix_bytes
        self.is_full = False
        self.packets: list[bytes] = []
        self.runs: list[int] = []

    def send(self, run: memoryview, stride: int) -> bool:
        """Take a run, unless full."""
        if self.is_full:
            return False
        for begin in range(0, len(run), stride):
            self.packets.append(bytes(run[begin + self.prefix_bytes : begin + stride]))
        self.runs.append(-(-len(run) // stride))
        return True

    def close(self) -> None:
        """Hold nothing."""


@contextlib.asynccontextmanager
async def sending(
    camera: Connection,
    on_keyframe_wanted: Callable[[float], None] = lambda _: None,
    rotation: Callable[[], int] = lambda: 0,
) -> AsyncIterator[MediaEgress]:
    """Run a camera's way out on a connection that stands."""
    egress = MediaEgress(
        camera,
        parcels=Parcels(epoch=0),
        scratch=Scratch(),
        pulse=Pulse(clock=time.monotonic, call_later=asyncio.get_running_loop().call_later),
        report_clock=SteadyClock(),
        path=PathRate(start_bps=1_000_000, ceiling_bps=4_000_000, now=0.0),
        bitrate_bps=lambda: 1_000_000,
        rotation=rotation,
        on_keyframe_wanted=on_keyframe_wanted,
    )
    egress.start()
    try:
        yield egress
    finally:
        egress.stop()


async def send_pictures(egress: MediaEgress, packets: Sequence[av.Packet[Any]]) -> None:
    """Send encoded pictures, 100 a second."""
    for seq, packet in enumerate(packets):
        assert egress.send(AccessUnit(bytes(packet), seq * FRAME_NS, packet.is_keyframe, seq))
        await asyncio.sleep(0.01)
