"""USB cameras for tests: nodes that can be waited for, and real streams that come out of them.

Each node is a named pipe: the camera's clock writes a byte into it for each picture, as a driver
makes its node readable; what FFmpeg would then take from the driver is a packet of a real encoder.
``tests/unit/mqcam_device/sources/usb/test_device.py`` holds the options to FFmpeg's own.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from fakes.v4l2_nodes import FakeDevices, FakeNode, Sizes
from mqcam_device.sources.usb.cameras import find_camera
from mqcam_device.sources.v4l2 import Node
from support.clips import encode
from support.films import grey_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from av.video.frame import VideoFrame
    from mqcam_device.sources.usb.cameras import UsbCamera

FORMATS = {"h264": "H264", "mjpeg": "MJPG", "yuyv422": "YUYV"}
GROUP = 30
"""Pictures from keyframe to keyframe."""


@dataclass(slots=True)
class Behaviour:
    """How a camera goes wrong; may be changed at any time."""

    open_error: int = 0
    read_error: int = 0
    is_stalled: bool = False
    is_damaged: bool = False
    closed: int = 0
    options: dict[str, str] = field(default_factory=dict)


class FakeHost:
    """A machine with one camera; a `Host`."""

    def __init__(
        self,
        folder: Path,
        fmt: str,
        *,
        fps: int = 30,
        size: tuple[int, int],
        draw: Callable[[int], VideoFrame] | None = None,
    ) -> None:
        self.behaviour = Behaviour()
        self.devices = FakeDevices(folder)
        sizes: Sizes = {size: (fps,)}
        self.node = FakeNode(card="Fake", bus="usb-1", formats={FORMATS[fmt]: sizes})
        self._path = self.devices.plug("video0", self.node, by_id="usb-Fake-index0", is_pipe=True)
        self._pictures = pictures(fmt, size, draw)
        self._fps = fps

    def find(self, wanted: str | None) -> UsbCamera:
        """Return the camera."""
        return find_camera(wanted, devices=self.devices.folder, ioctl=self.devices.ioctl)

    def open(self, node: str, options: Mapping[str, str]) -> FakeContainer:
        """Open the camera as FFmpeg does."""
        self.behaviour.options = dict(options)
        if self.behaviour.open_error:
            raise _ffmpeg_error(self.behaviour.open_error, node)
        return FakeContainer(self._path, self._pictures, self._fps, self.behaviour)

    def set_control(self, node: str, control: int, value: int | None) -> bool:
        """Set a control that the camera has."""
        with Node(node, self.devices.ioctl) as device:
            has_it = device.has_control(control)
            if has_it and value is not None:
                device.set_control(control, value)
        return has_it


@dataclass(frozen=True, slots=True)
class FakePacket:
    """One picture as the driver has it."""

    data: bytes
    pts: int

    @property
    def size(self) -> int:
        return len(self.data)

    def __bytes__(self) -> bytes:
        return self.data


@dataclass(frozen=True, slots=True)
class FakeStream:
    """What is asked of a stream."""

    average_rate: Fraction


@dataclass(frozen=True, slots=True)
class FakeStreams:
    """The streams of a container."""

    video: tuple[FakeStream, ...]


class FakeContainer:
    """What `av.open` returns for a camera."""

    def __init__(self, path: str, made: list[bytes], fps: int, behaviour: Behaviour) -> None:
        self.streams = FakeStreams((FakeStream(Fraction(fps)),))
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._made, self._fps, self._behaviour = made, fps, behaviour
        self._is_closed = threading.Event()
        self._driver = threading.Thread(target=self._drive, name="fake-driver", daemon=True)
        self._driver.start()

    def demux(self) -> Iterator[Any]:
        """Yield a packet for each byte that the driver wrote."""
        number = 0
        while True:
            if self._behaviour.read_error:
                raise _ffmpeg_error(self._behaviour.read_error, "video0")
            try:
                os.read(self._fd, 1)
            except BlockingIOError as error:
                raise AssertionError("it would have waited for ever in the driver") from error
            data = self._made[number % len(self._made)]
            if self._behaviour.is_damaged:
                data = data[: len(data) // 16]
            number += 1
            yield FakePacket(data, time.monotonic_ns() // 1000 - 5000)

    def close(self) -> None:
        """Let the device go."""
        self._is_closed.set()
        self._driver.join()
        os.close(self._fd)
        self._behaviour.closed += 1

    def _drive(self) -> None:
        while not self._is_closed.wait(1 / self._fps):
            if self._behaviour.read_error or not self._behaviour.is_stalled:
                os.write(self._fd, b"x")


def pictures(
    fmt: str, size: tuple[int, int], draw: Callable[[int], VideoFrame] | None = None
) -> list[bytes]:
    """Return pictures in a camera's format, each a little brighter than the one before.

    ``draw`` makes others from their numbers, of the same size.
    """
    width, height = size
    if fmt == "h264":
        return encode(GROUP, width=width, height=height)
    made = []
    for number in range(10):
        frame = draw(number) if draw else grey_picture(width, height, 60 + number * 8)
        if fmt == "yuyv422":
            made.append(bytes(frame.reformat(format="yuyv422").planes[0]))
            continue
        context = av.VideoCodecContext.create("mjpeg", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuvj422p"
        context.time_base = Fraction(1, 25)
        full = frame.reformat(format="yuvj422p", dst_color_range="JPEG")
        full.pts = 0
        made.append(b"".join(bytes(packet) for packet in context.encode(full)))
    return made


def _ffmpeg_error(number: int, node: str) -> Exception:
    """Return what PyAV raises for an error of the system."""
    try:
        av.error.err_check(-number, node)
    except Exception as error:  # noqa: BLE001 - that is what is wanted
        return error
    raise AssertionError(errno.errorcode[number])
