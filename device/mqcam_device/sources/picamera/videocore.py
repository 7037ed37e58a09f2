"""The VideoCore's encoder through V4L2, as far as picamera2 does not offer it.

It must not know picamera2. Structures and numbers are those of linux/videodev2.h and
linux/v4l2-controls.h; our own, because the module that picamera2 takes them from has two names.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from typing import TYPE_CHECKING, Final

from mqcam.errors import SourceError

from mqcam_device.sources.v4l2 import QUERYCAP, S_CTRL

if TYPE_CHECKING:
    from io import FileIO

ENCODER: Final = "/dev/video11"
_CARD: Final = b"bcm2835-codec"
"""Whose the node must be: on a Pi 5 with some USB cameras that name is one of theirs."""

CID_BITRATE: Final = 0x0099_09CF


class Capability(ctypes.Structure):
    """``struct v4l2_capability``."""

    _fields_ = (
        ("driver", ctypes.c_uint8 * 16),
        ("card", ctypes.c_uint8 * 32),
        ("bus_info", ctypes.c_uint8 * 32),
        ("version", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("device_caps", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    )


class Control(ctypes.Structure):
    """``struct v4l2_control``."""

    _fields_ = (("id", ctypes.c_uint32), ("value", ctypes.c_int32))


def has_encoder(path: str = ENCODER) -> bool:
    """Tell whether the VideoCore's encoder is there (Pi 0 to 4); raises SourceError if locked."""
    if not os.path.exists(path):  # noqa: PTH110 - a device node, no file
        return False
    capability = Capability()
    try:
        with open(path, "rb+", buffering=0) as node:  # noqa: PTH123
            fcntl.ioctl(node, QUERYCAP, capability)
    except PermissionError as error:
        reason = f"{path} may not be opened: put the user that runs mqcam into the group video"
        raise SourceError("picamera", reason) from error
    except OSError:
        return False
    return bytes(capability.card).startswith(_CARD)


def set_control(node: FileIO, number: int, value: int) -> None:
    """Set one control of an open encoder; raises OSError."""
    fcntl.ioctl(node, S_CTRL, Control(id=number, value=value))
