"""One USB camera, opened through FFmpeg in the mode that fits, read without ever hanging in it.

It must not know encoders or what becomes of its packets.
"""

from __future__ import annotations

import errno
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import av
from mqcam.errors import SourceError

from mqcam_device.sources.usb.cameras import PREFERENCE, Mode, explain, find_camera
from mqcam_device.sources.v4l2 import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from mqcam_device.media import SourceSettings
    from mqcam_device.sources.feed import Bell
    from mqcam_device.sources.usb.cameras import UsbCamera

DEFAULT_SIZE: Final = (1280, 720)
TICKS_HZ: Final = 1_000_000
"""The kernel stamps pictures in microseconds of CLOCK_MONOTONIC (uvcvideo)."""

DESCRIPTORS: Final = Path("/proc/self/fd")


class Container(Protocol):
    """What is used of PyAV's `InputContainer`."""

    @property
    def streams(self) -> Any:
        """Its streams."""
        ...

    def demux(self) -> Iterator[Any]:
        """Yield packets, each when it comes."""
        ...

    def close(self) -> None:
        """Let the device go."""
        ...


class Host(Protocol):
    """Where cameras are: a machine, or what a test has for one."""

    def find(self, wanted: str | None) -> UsbCamera:
        """Return a camera; raises SourceError."""
        ...

    def set_control(self, node: str, control: int, value: int | None) -> bool:
        """Set a control if the device has it; a value of None only asks. Raises OSError."""
        ...

    def open(self, node: str, options: Mapping[str, str]) -> Container:
        """Open a device; raises FFmpegError."""
        ...


class Machine:
    """The devices of this machine."""

    def find(self, wanted: str | None) -> UsbCamera:
        """Return a camera; raises SourceError."""
        return find_camera(wanted)

    def set_control(self, node: str, control: int, value: int | None) -> bool:
        """Set a control if the device has it; a value of None only asks. Raises OSError."""
        with Node(node) as device:
            has_it = device.has_control(control)
            if has_it and value is not None:
                device.set_control(control, value)
        return has_it

    def open(self, node: str, options: Mapping[str, str]) -> Container:
        """Open a device through FFmpeg; raises FFmpegError."""
        return av.open(node, format="v4l2", options=dict(options))


def choose_mode(modes: Iterable[Mode], settings: SourceSettings, *, name: str) -> Mode:
    """Return the best mode of the wanted size and format; raises SourceError with what there is.

    Without a wanted size it is the largest within 1280x720.
    """
    is_flipped = settings.hflip or settings.vflip
    wanted = settings.input_format
    if wanted == "h264" and is_flipped:
        text = "H.264 that the camera makes cannot be mirrored here: set 'format' to mjpeg"
        raise SourceError(name, text)
    formats = (wanted,) if wanted != "auto" else PREFERENCE[1:] if is_flipped else PREFERENCE
    usable = [mode for mode in modes if mode.format in formats]
    if settings.width and settings.height:
        size = (settings.width, settings.height)
        fitting = [mode for mode in usable if (mode.width, mode.height) == size]
    else:
        within = [m for m in usable if m.width <= DEFAULT_SIZE[0] and m.height <= DEFAULT_SIZE[1]]
        most = max((mode.width * mode.height for mode in within), default=0)
        fitting = [mode for mode in within if mode.width * mode.height == most]
    if not fitting:
        sizes = sorted({(mode.width, mode.height) for mode in usable}, reverse=True)
        there = ", ".join(f"{width}x{height}" for width, height in sizes[:8]) or "nothing"
        in_format = "" if wanted == "auto" else f" in {wanted}"
        raise SourceError(
            name, f"it does not have the size that is wanted{in_format}; it has {there}"
        )
    return min(fitting, key=lambda mode: PREFERENCE.index(mode.format))


class UsbDevice:
    """A camera that is opened, read and closed by one thread; it may be opened again."""

    def __init__(self, settings: SourceSettings, host: Host) -> None:
        self._settings = settings
        self._host = host
        self._container: Container | None = None
        self._packets: Iterator[Any] = iter(())
        self._fd = -1
        self.name = settings.camera or "usb"
        self.node = ""
        self.fps = settings.fps
        self.mode = Mode(format="", width=0, height=0, fps=0.0)

    def open(self) -> None:
        """Find the camera and begin to capture; raises SourceError."""
        self.close()
        camera = self._host.find(self._settings.camera)
        if camera.trouble:
            raise SourceError(camera.id, camera.trouble)
        self.name, self.node = camera.id, camera.node
        self.mode = mode = choose_mode(camera.modes, self._settings, name=camera.id)
        wanted_fps = min(self._settings.fps, mode.fps or self._settings.fps)
        options = {
            "input_format": mode.format,
            "video_size": f"{mode.width}x{mode.height}",
            "framerate": str(Fraction(wanted_fps).limit_denominator(1001)),
            # Nothing is to be found out that was not asked for: no picture is held back for it.
            "probesize": "32",
            "analyzeduration": "0",
        }
        before = _descriptors(self.node)
        try:
            self._container = self._host.open(self.node, options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._trouble(error) from error
        opened = _descriptors(self.node) - before
        self._fd = min(opened, default=-1)
        self._packets = iter(self._container.demux())
        rate = self._container.streams.video[0].average_rate
        self.fps = float(rate) if rate else wanted_fps

    def read(self, timeout_s: float, bell: Bell) -> tuple[bytes, int | None] | None:
        """Return the next picture and its timestamp; None after the time-out or at the bell.

        It waits for the device before it asks FFmpeg, which could not be interrupted, and copies:
        FFmpeg's packets lie in the driver's memory, which closing takes away. Raises SourceError.
        """
        if self._fd >= 0 and not bell.wait(timeout_s, self._fd):
            return None
        try:
            packet = next(self._packets, None)
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", 0) == errno.EAGAIN or isinstance(error, av.InvalidDataError):
                return None  # a damaged picture, which the driver says
            raise self._trouble(error) from error
        if packet is None:
            raise SourceError(self.name, "it has ended by itself")
        return (bytes(packet), packet.pts) if packet.size else None

    def close(self) -> None:
        """Let the camera go; idempotent."""
        container, self._container = self._container, None
        self._packets, self._fd = iter(()), -1
        if container is not None:
            container.close()

    def _trouble(self, error: Exception) -> SourceError:
        number = getattr(error, "errno", None) or 0
        known = error if isinstance(error, OSError) else OSError(number, os.strerror(number))
        return SourceError(self.name, explain(self.node, known))


def _descriptors(node: str) -> set[int]:
    """Return the descriptors of this process under which a node is open."""
    found = set()
    place = Path(node).resolve()
    for each in DESCRIPTORS.iterdir():
        try:
            if each.readlink() == place:
                found.add(int(each.name))
        except OSError:
            continue  # the one with which we look
    return found
