"""Memory that pictures are written to, and how that went."""

from __future__ import annotations

import enum


class _Plane:
    def __init__(self, fd: int = -1, offset: int = 0, length: int = 0) -> None:
        self.fd, self.offset, self.length = fd, offset, length


class _PlaneMetadata:
    def __init__(self, bytes_used: int = 0) -> None:
        self.bytes_used = bytes_used


class _FrameStatus(enum.Enum):
    Success = 0
    Error = 1
    Cancelled = 2


class FrameMetadata:
    """How the last picture in a buffer came out."""

    Status = _FrameStatus
    Plane = _PlaneMetadata

    def __init__(self) -> None:
        self.status = _FrameStatus.Success
        self.sequence = 0
        self.timestamp = 0
        self.planes: list[_PlaneMetadata] = []


class FrameBuffer:
    Plane = _Plane

    def __init__(self, planes: list[_Plane], cookie: int = 0) -> None:
        self.planes, self.cookie = planes, cookie
        self.metadata = FrameMetadata()


class FrameBufferAllocator:
    """Would take memory from the camera; picamera2 brings its own."""

    def __init__(self, camera: object) -> None:
        raise NotImplementedError
