"""A libcamera in pure Python: as much of the Raspberry Pi's bindings as the real picamera2 needs.

The folder named by MQCAM_FAKE_CAMERA says which cameras there are and what goes wrong
(``fakes.scene``); with it come the device nodes of the board (``fakes.devices``). Without it there
are no cameras and nothing else of the process changes. ``tests/repo/test_fake_libcamera.py`` holds
the names to the real bindings.
"""

from __future__ import annotations

from . import _libcamera, controls, properties
from ._libcamera import (
    Camera,
    CameraConfiguration,
    CameraManager,
    ColorSpace,
    ControlId,
    ControlInfo,
    ControlType,
    FrameBuffer,
    FrameBufferAllocator,
    FrameMetadata,
    Orientation,
    PixelFormat,
    Point,
    Rectangle,
    Request,
    SensorConfiguration,
    Size,
    Stream,
    StreamConfiguration,
    StreamFormats,
    StreamRole,
    Transform,
    log_set_level,
)

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
    "_libcamera",
    "controls",
    "log_set_level",
    "properties",
]
