"""Ask a V4L2 device what it is and what it can: the ioctls of linux/videodev2.h that this needs.

It must not know which devices there are, nor capture from one: FFmpeg does that. Own structures
instead of a library: docs/decisions/feeds.md.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

CAPABILITY: Final = struct.Struct("=16s32s32s6I")
FORMAT: Final = struct.Struct("=3I32s5I")
FRAME_SIZE: Final = struct.Struct("=11I")
FRAME_INTERVAL: Final = struct.Struct("=13I")
QUERY_CONTROL: Final = struct.Struct("=2I32s4i3I")
CONTROL: Final = struct.Struct("=Ii")

_READ, _WRITE = 2, 1


def _request(direction: int, number: int, form: struct.Struct) -> int:
    """Return an ioctl number as asm-generic/ioctl.h puts it together (x86 and ARM)."""
    return direction << 30 | form.size << 16 | ord("V") << 8 | number


QUERYCAP: Final = _request(_READ, 0, CAPABILITY)
ENUM_FMT: Final = _request(_READ | _WRITE, 2, FORMAT)
S_CTRL: Final = _request(_READ | _WRITE, 28, CONTROL)
QUERYCTRL: Final = _request(_READ | _WRITE, 36, QUERY_CONTROL)
ENUM_FRAMESIZES: Final = _request(_READ | _WRITE, 74, FRAME_SIZE)
ENUM_FRAMEINTERVALS: Final = _request(_READ | _WRITE, 75, FRAME_INTERVAL)

CAP_VIDEO_CAPTURE: Final = 0x0000_0001
CAP_STREAMING: Final = 0x0400_0000
CAP_DEVICE_CAPS: Final = 0x8000_0000
BUF_TYPE_VIDEO_CAPTURE: Final = 1
DISCRETE: Final = 1
CTRL_FLAG_DISABLED: Final = 1
CID_FORCE_KEY_FRAME: Final = 0x0099_09E5

_MOST_ANSWERS: Final = 256
"""No camera has more formats, sizes or rates; a driver that never ends must not hold us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a node says of itself; ``flags`` are those of this node, not of the whole device."""

    driver: str
    card: str
    bus: str
    flags: int

    @property
    def is_capture(self) -> bool:
        """Whether pictures can be streamed from it: not so from a camera's metadata node."""
        return bool(self.flags & CAP_VIDEO_CAPTURE and self.flags & CAP_STREAMING)


class Node:
    """An open device node. All methods may raise OSError; ``ioctl`` is `fcntl.ioctl`, or a fake."""

    def __init__(
        self, path: str, ioctl: Callable[[int, int, bytearray], object] = fcntl.ioctl
    ) -> None:
        self._ioctl = ioctl
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the node; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def capability(self) -> Capability:
        """Return what the node is."""
        answer = self._ask(QUERYCAP, CAPABILITY, bytes(CAPABILITY.size))
        driver, card, bus, _version, whole, own, *_ = answer
        flags = own if whole & CAP_DEVICE_CAPS else whole
        return Capability(driver=_text(driver), card=_text(card), bus=_text(bus), flags=flags)

    def formats(self) -> Iterator[str]:
        """Yield the formats' codes of four letters, such as MJPG."""
        for index in range(_MOST_ANSWERS):
            question = FORMAT.pack(index, BUF_TYPE_VIDEO_CAPTURE, 0, b"", 0, 0, 0, 0, 0)
            answer = self._next(ENUM_FMT, FORMAT, question)
            if answer is None:
                return
            yield answer[4].to_bytes(4, "little").decode("ascii", "replace").strip()

    def sizes(self, code: str) -> Iterator[tuple[int, int]]:
        """Yield the sizes of a format; of a range its smallest and its largest."""
        for index in range(_MOST_ANSWERS):
            question = FRAME_SIZE.pack(index, _number(code), *(0,) * 9)
            answer = self._next(ENUM_FRAMESIZES, FRAME_SIZE, question)
            if answer is None:
                return
            yield answer[3], answer[4] if answer[2] == DISCRETE else answer[6]
            if answer[2] != DISCRETE:
                yield answer[4], answer[7]
                return

    def rates(self, code: str, size: tuple[int, int]) -> Iterator[float]:
        """Yield the frame rates of a format at a size; of a range the highest."""
        for index in range(_MOST_ANSWERS):
            question = FRAME_INTERVAL.pack(index, _number(code), *size, *(0,) * 9)
            answer = self._next(ENUM_FRAMEINTERVALS, FRAME_INTERVAL, question)
            if answer is None:
                return
            numerator, denominator = answer[5], answer[6]
            if numerator:
                yield denominator / numerator
            if answer[4] != DISCRETE:
                return

    def has_control(self, control: int) -> bool:
        """Tell whether a control is there and not disabled."""
        question = QUERY_CONTROL.pack(control, 0, b"", 0, 0, 0, 0, 0, 0, 0)
        answer = self._next(QUERYCTRL, QUERY_CONTROL, question)
        return answer is not None and not answer[7] & CTRL_FLAG_DISABLED

    def set_control(self, control: int, value: int) -> None:
        """Set a control."""
        self._ask(S_CTRL, CONTROL, CONTROL.pack(control, value))

    def _next(self, request: int, form: struct.Struct, question: bytes) -> tuple[Any, ...] | None:
        """Ask for one entry of a list; None after its end."""
        try:
            return self._ask(request, form, question)
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOTTY}:
                return None
            raise

    def _ask(self, request: int, form: struct.Struct, question: bytes) -> tuple[Any, ...]:
        buffer = bytearray(question)
        self._ioctl(self._fd, request, buffer)
        return form.unpack(buffer)


def _number(code: str) -> int:
    return int.from_bytes(code.ljust(4).encode("ascii"), "little")


def _text(field: bytes) -> str:
    """Return a name without what would steer a terminal: a camera calls itself what it likes."""
    text = field.split(b"\x00", 1)[0].decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text).strip()
