"""A /dev of V4L2 nodes that are ordinary files, and the ioctls that answer for them.

``tests/unit/mqcam_device/sources/test_v4l2.py`` holds its numbers to linux/videodev2.h.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam_device.sources import v4l2

if TYPE_CHECKING:
    from pathlib import Path

Sizes = dict[tuple[int, int], tuple[int, ...]]

CAMERA = v4l2.CAP_VIDEO_CAPTURE | v4l2.CAP_STREAMING
METADATA = 0x0080_0000 | v4l2.CAP_STREAMING


@dataclass(slots=True)
class FakeNode:
    """One node: its formats by V4L2's letters, their sizes, and of each size the frame rates."""

    card: str
    bus: str
    driver: str = "uvcvideo"
    flags: int = CAMERA
    formats: dict[str, Sizes] = field(default_factory=dict)
    controls: dict[int, int] = field(default_factory=dict)
    error: int = 0


class FakeDevices:
    """A folder with nodes and udev's links; ``ioctl`` stands in for `fcntl.ioctl`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._nodes: dict[int, FakeNode] = {}

    def plug(self, name: str, node: FakeNode, *, by_id: str = "", by_path: str = "") -> str:
        """Add a node with the links that udev would make; returns its path."""
        path = self.folder / name
        path.touch()
        self._nodes[path.stat().st_ino] = node
        for folder, link in (("by-id", by_id), ("by-path", by_path)):
            if link:
                place = self.folder / "v4l" / folder
                place.mkdir(parents=True, exist_ok=True)
                (place / link).symlink_to(path)
        return str(path)

    def ioctl(self, fd: int, request: int, buffer: bytearray) -> int:
        """Answer like the driver of the node that is open under this descriptor."""
        node = self._nodes[os.fstat(fd).st_ino]
        if node.error:
            raise OSError(node.error, os.strerror(node.error))
        answers = {
            v4l2.QUERYCAP: _capability,
            v4l2.ENUM_FMT: _format,
            v4l2.ENUM_FRAMESIZES: _size,
            v4l2.ENUM_FRAMEINTERVALS: _interval,
            v4l2.QUERYCTRL: _control,
            v4l2.S_CTRL: _set_control,
        }
        if request not in answers:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        try:
            answers[request](node, buffer)
        except (IndexError, KeyError) as error:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from error
        return 0


def _capability(node: FakeNode, buffer: bytearray) -> None:
    both = CAMERA | METADATA  # what the whole device has, as the kernel says it for each node
    struct.pack_into(
        "=16s32s32s3I",
        buffer,
        0,
        node.driver.encode(),
        node.card.encode(),
        node.bus.encode(),
        0x0606_0000,
        both | v4l2.CAP_DEVICE_CAPS,
        node.flags,
    )


def _format(node: FakeNode, buffer: bytearray) -> None:
    (index,) = struct.unpack_from("=I", buffer)
    code = list(node.formats)[index]
    buffer[12:44] = b"of some kind".ljust(32, b"\0")
    buffer[44:48] = code.encode()


def _size(node: FakeNode, buffer: bytearray) -> None:
    index, code = struct.unpack_from("=I4s", buffer)
    size = list(node.formats[code.decode()])[index]
    struct.pack_into("=3I", buffer, 8, v4l2.DISCRETE, *size)


def _interval(node: FakeNode, buffer: bytearray) -> None:
    index, code, width, height = struct.unpack_from("=I4s2I", buffer)
    rate = node.formats[code.decode()][width, height][index]
    struct.pack_into("=3I", buffer, 16, v4l2.DISCRETE, 1, rate)


def _control(node: FakeNode, buffer: bytearray) -> None:
    (control,) = struct.unpack_from("=I", buffer)
    struct.pack_into("=I", buffer, 4, 1 + 0 * node.controls[control])


def _set_control(node: FakeNode, buffer: bytearray) -> None:
    control, value = struct.unpack_from("=Ii", buffer)
    node.controls[control] += value
