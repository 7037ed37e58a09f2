"""Synthetic H.264 for tests: a track of encoded packets, as a camera's encoder would give them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.video

RTP_CLOCK_HZ = 90_000


def encode_pictures(
    count: int, *, width: int = 320, height: int = 240, b_frames: int = 0
) -> list[av.Packet[Any]]:
    """Encode ``count`` grey pictures with an IDR first and SPS and PPS in front of it."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.video.codeccontext.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, RTP_CLOCK_HZ)
    context.framerate = Fraction(30, 1)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
    if b_frames:
        context.options = {"preset": "ultrafast", "bf": str(b_frames), "b-adapt": "0"}
    packets: list[av.Packet[Any]] = []
    for number in range(count):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([(40 + number * 3) % 256]) * plane.buffer_size)
        frame.pts = number * RTP_CLOCK_HZ // 30
        frame.time_base = Fraction(1, RTP_CLOCK_HZ)
        packets += context.encode(frame)
    packets += context.encode(None)
    return packets
