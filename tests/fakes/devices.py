"""The device nodes of a board's codec and its memory for pictures, in a process without them.

picamera2 reaches them through ``open``, ``stat``, ``ioctl`` and ``poll``: `install` teaches these
calls of its own process the nodes that the scene names. Descriptors are real ones, of memory, so
that ``mmap`` and the rest work by themselves. It must never run in a process that runs tests: the
fake libcamera calls it in the process of the camera.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import fcntl
import io
import os
import select
from typing import TYPE_CHECKING, Any, Final

from fakes.video11 import CODEC, Video11
from videodev2 import _IOW, _IOWR, VIDIOC_QUERYCAP, VIDIOC_S_CTRL

if TYPE_CHECKING:
    from fakes.scene import CameraScene, Stage

HEAPS: Final = ("/dev/dma_heap/vidbuf_cached", "/dev/dma_heap/linux,cma")


class Allocation(ctypes.Structure):
    """``dma_heap_allocation_data`` of linux/dma-heap.h."""

    _fields_ = (
        ("len", ctypes.c_uint64),
        ("fd", ctypes.c_uint32),
        ("fd_flags", ctypes.c_uint32),
        ("heap_flags", ctypes.c_uint64),
    )


DMA_HEAP_IOCTL_ALLOC: Final = _IOWR("H", 0, Allocation)
DMA_BUF_IOCTL_SYNC: Final = _IOW("b", 0, ctypes.c_uint64)
DMA_BUF_SET_NAME: Final = _IOW("b", 1, ctypes.c_char_p)


HDR_CONTROL: Final = 0x009A0915
"""V4L2_CID_WIDE_DYNAMIC_RANGE: the imx708's own HDR."""

SENSORS: Final = "/sys/class/video4linux/"


class Sensor:
    """The node of a sensor: what libcamera does not set is set here."""

    def __init__(self, camera: CameraScene, stage: Stage) -> None:
        self._camera, self._stage = camera, stage

    def ioctl(self, request: int, argument: Any) -> int:
        if request != VIDIOC_S_CTRL or argument.id != HDR_CONTROL:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._stage.tell("sensor hdr", camera=self._camera.id, value=argument.value)
        return 0

    def ready(self, timeout_s: float) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held."""


class Card:
    """A node that only says whose it is."""

    def __init__(self, card: str) -> None:
        self._card = card

    def ioctl(self, request: int, argument: Any) -> int:
        if request != VIDIOC_QUERYCAP:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        argument.card[:] = self._card.encode().ljust(len(argument.card), b"\0")
        return 0

    def ready(self, timeout_s: float) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held."""


Node = Card | Sensor | Video11


class NodeFile(io.FileIO):
    """An open node; its descriptor is one of memory."""

    def __init__(self, board: Board, fd: int) -> None:
        super().__init__(fd, "rb+")
        self._board = board

    def close(self) -> None:
        if not self.closed:
            self._board.forget(self.fileno())
        super().close()


class Board:
    """The calls of a process, with the nodes of the scene beside those that really are there."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._nodes: dict[int, Node] = {}
        self._open, self._os_open, self._stat = builtins.open, os.open, os.stat
        self._lstat, self._readlink = os.lstat, os.readlink
        self._ioctl, self._poll = fcntl.ioctl, select.poll

    def install(self) -> None:
        """Put this board's calls in the place of the real ones, for good."""
        builtins.open = self.open
        os.open = self.os_open
        os.stat, os.lstat, os.readlink = self.stat, self.lstat, self.readlink
        fcntl.ioctl = self.ioctl
        select.poll = self.poll  # type: ignore[assignment,misc]

    def open(self, file: Any, *args: Any, **kwargs: Any) -> Any:
        if not self._is_node(file):
            return self._open(file, *args, **kwargs)
        memory = os.memfd_create("node")
        self._nodes[memory] = self._node(str(file), memory)
        return NodeFile(self, memory)

    def os_open(self, path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if path in HEAPS:
            return os.memfd_create("heap")
        return self._os_open(path, flags, *args, **kwargs)

    def stat(self, path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        stands_in = self._is_node(path) or self._link(path)
        return self._stat("/dev/null" if stands_in else path, *args, **kwargs)

    def lstat(self, path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        return self._lstat("/proc/self" if self._link(path) else path, *args, **kwargs)

    def readlink(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        return self._link(path) or self._readlink(path, *args, **kwargs)

    def ioctl(self, fd: Any, request: int, argument: Any = 0, mutate_flag: bool = True) -> Any:
        number = fd if isinstance(fd, int) else fd.fileno()
        request = as_signed(request)
        if request == DMA_HEAP_IOCTL_ALLOC:
            argument.fd = os.memfd_create("dmabuf")
            os.ftruncate(argument.fd, argument.len)
            return 0
        if request == DMA_BUF_IOCTL_SYNC:
            return 0
        if request == DMA_BUF_SET_NAME:
            return argument.encode()
        node = self._nodes.get(number)
        if node is None:
            return self._ioctl(fd, request, argument, mutate_flag)
        return node.ioctl(request, argument)

    def poll(self) -> Poll:
        return Poll(self._poll(), self._nodes)

    def forget(self, fd: int) -> None:
        """Close a node."""
        node = self._nodes.pop(fd, None)
        if node is not None:
            node.close()

    def _is_node(self, path: Any) -> bool:
        """Tell whether the scene has a node there."""
        if not is_below(path, "/dev/v"):
            return False
        return str(path) in self._stage.scene.devices or str(path) in self._sensors()

    def _node(self, path: str, memory: int) -> Node:
        sensors, devices = self._sensors(), self._stage.scene.devices
        if path in sensors:
            return Sensor(sensors[path], self._stage)
        card = devices[path]
        return Video11(memory, card, self._stage) if card == CODEC else Card(card)

    def _sensors(self) -> dict[str, CameraScene]:
        """Return the sensors by their nodes: webcams have none."""
        cameras = [each for each in self._stage.scene.cameras if not each.is_usb]
        return {f"/dev/v4l-subdev{index}": each for index, each in enumerate(cameras)}

    def _link(self, path: Any) -> str:
        """Return where a link leads by which the system says which sensor is behind a node."""
        if not is_below(path, SENSORS):
            return ""
        found: dict[str, str] = {}
        for node, camera in self._sensors().items():
            device = f"{SENSORS}{node.removeprefix('/dev/')}/device"
            found[f"{device}/driver/module"] = f"../../../../module/{camera.model}"
            found[f"{device}/of_node"] = f"../../../firmware/devicetree{camera.id}"
        return found.get(str(path), "")


class Poll:
    """``select.poll()`` that knows open nodes; one of them at a time, or only other descriptors."""

    def __init__(self, real: select.poll, nodes: dict[int, Node]) -> None:
        self._real, self._nodes = real, nodes
        self._watched: tuple[int, int] | None = None

    def register(self, fd: Any, mask: int = select.POLLIN | select.POLLOUT) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        if number in self._nodes:
            self._watched = number, mask
        else:
            self._real.register(fd, mask)

    def unregister(self, fd: Any) -> None:
        self._real.unregister(fd)

    def modify(self, fd: Any, mask: int) -> None:
        self._real.modify(fd, mask)

    def poll(self, timeout_ms: float | None = None) -> list[tuple[int, int]]:
        if self._watched is None:
            return self._real.poll(timeout_ms)
        number, mask = self._watched
        node = self._nodes.get(number)
        if node is None:
            return [(number, select.POLLNVAL)]
        events = node.ready((timeout_ms or 0) / 1000) & mask
        return [(number, events)] if events else []


def as_signed(request: int) -> int:
    """Return a request's number as videodev2 writes it; others write the same 32 bits unsigned."""
    return request - 2**32 if request >= 2**31 else request


def is_below(path: Any, start: str) -> bool:
    """Tell whether a path begins so; descriptors are no paths."""
    return not isinstance(path, int) and os.fspath(path)[: len(start)] == start


def install(stage: Stage) -> None:
    """Give this process the nodes of the scene, those included that a test adds later."""
    Board(stage).install()
