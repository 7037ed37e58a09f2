"""A USB camera's pictures are decoded in the memory that its mode needs."""

from __future__ import annotations

import av
import pytest
from av.packet import Packet
from mqcam_device.sources.jpeg import encode_jpeg
from mqcam_device.sources.usb.cameras import Mode
from mqcam_device.sources.usb.pictures import _decoder_for

MODE = Mode(format="mjpeg", width=64, height=48, fps=30.0)
SIZE_AT = 5
"""Of the height, behind the beginning of the frame header (ITU-T T.81, B.2.2)."""


def claiming(height: int, width: int) -> bytes:
    """Return a picture that claims to be of another size, with bytes enough to be believed."""
    made = bytearray(encode_jpeg(av.VideoFrame(MODE.width, MODE.height, "yuv420p")))
    at = made.index(b"\xff\xc0") + SIZE_AT
    made[at : at + 4] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(made[:-2]) + bytes(200_000) + b"\xff\xd9"


def test_picture_of_the_mode_is_decoded() -> None:
    (frame,) = _decoder_for(MODE).decode(Packet(claiming(48, 64)))

    assert (frame.width, frame.height) == (64, 48)


def test_picture_that_claims_to_be_huge_takes_no_memory() -> None:
    with pytest.raises(av.FFmpegError):
        _decoder_for(MODE).decode(Packet(claiming(4000, 4000)))
