"""One picture asked for: where it is to be written, and what is to change before it is taken."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .buffers import FrameBuffer
    from .control import ControlId
    from .streams import Stream


class _RequestStatus(enum.Enum):
    Pending = 0
    Complete = 1
    Cancelled = 2


class _Reuse(enum.Enum):
    Default = 0
    ReuseBuffers = 1


class Request:
    Status = _RequestStatus
    Reuse = _Reuse

    def __init__(self, cookie: int = 0) -> None:
        self.cookie = cookie
        self.sequence = 0
        self.status = _RequestStatus.Pending
        self.buffers: dict[Stream, FrameBuffer] = {}
        self.metadata: dict[ControlId, Any] = {}
        self._wanted: dict[ControlId, Any] = {}

    @property
    def has_pending_buffers(self) -> bool:
        return self.status is _RequestStatus.Pending

    def add_buffer(self, stream: Stream, buffer: FrameBuffer) -> None:
        self.buffers[stream] = buffer

    def set_control(self, control: ControlId, value: Any) -> None:
        control._check(value)
        self._wanted[control] = value

    def reuse(self) -> None:
        self.status = _RequestStatus.Pending
        self.metadata, self._wanted = {}, {}
