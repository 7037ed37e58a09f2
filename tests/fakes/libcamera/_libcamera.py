"""Gathers what the compiled module of the real bindings holds, under its name.

picamera2 looks two classes up here instead of in the package.
"""

from __future__ import annotations

from .buffers import FrameBuffer, FrameBufferAllocator, FrameMetadata
from .camera import Camera
from .cameras import CameraManager
from .colours import ColorSpace
from .control import ControlId, ControlInfo, ControlType
from .geometry import Point, Rectangle, Size
from .request import Request
from .streams import (
    CameraConfiguration,
    PixelFormat,
    SensorConfiguration,
    Stream,
    StreamConfiguration,
    StreamFormats,
    StreamRole,
)
from .transform import Orientation, Transform

__all__ = [
    "Camera",
    "CameraConfiguration",
    "CameraManager",
    "ColorSpace",
    "ControlId",
    "ControlInfo",
    "ControlType",
    "FrameBuffer",
    "FrameBufferAllocator",
    "FrameMetadata",
    "Orientation",
    "PixelFormat",
    "Point",
    "Rectangle",
    "Request",
    "SensorConfiguration",
    "Size",
    "Stream",
    "StreamConfiguration",
    "StreamFormats",
    "StreamRole",
    "Transform",
    "log_set_level",
]


def log_set_level(category: str, level: str) -> None:
    """Set how much a part of libcamera logs: this one logs nothing."""
