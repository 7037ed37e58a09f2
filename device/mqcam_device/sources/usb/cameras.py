"""Which USB cameras there are, under ids that stay the same over reboots, and what each can.

It must not capture: it opens a node, asks, and closes it. The kernel numbers ``/dev/videoN`` anew
at each boot, so a camera's id is the name that udev gives it: by its serial number
(``/dev/v4l/by-id``), or by its socket (``by-path``) where two cameras could have the same.
"""

from __future__ import annotations

import errno
import fcntl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mqcam.errors import SourceError

from mqcam_device.sources.v4l2 import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mqcam_device.sources.v4l2 import Capability

    Ioctl = Callable[[int, int, bytearray], object]

DEVICES: Final = Path("/dev")

FORMATS: Final = {"H264": "h264", "MJPG": "mjpeg", "JPEG": "mjpeg", "YUYV": "yuyv422"}
"""V4L2's names of what we can use, and FFmpeg's for them; the best comes first."""

PREFERENCE: Final = ("h264", "mjpeg", "yuyv422")

_PI_DRIVERS: Final = frozenset(
    {"unicam", "rp1-cfe", "pispbe", "bcm2835-isp", "bcm2835-codec", "rpi-hevc-dec"}
)
"""Parts of a Raspberry Pi that have nodes like cameras: their pictures come through picamera2."""

_NODE_PREFIX: Final = "video"
_GONE: Final = frozenset({errno.ENODEV, errno.ENXIO, errno.EIO})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One size in one of `PREFERENCE`'s formats, with its highest frame rate (0: not told)."""

    format: str
    width: int
    height: int
    fps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbCamera:
    """One camera; ``trouble`` is a sentence where its modes could not be asked for."""

    id: str
    name: str
    node: str
    bus: str = ""
    modes: tuple[Mode, ...] = ()
    trouble: str = ""
    others: tuple[str, ...] = ()
    """Names that lead to it today, but are no id."""


def list_cameras(*, devices: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl) -> list[UsbCamera]:
    """Return the cameras in the order of their ids; never raises for a device that fails."""
    found = []
    nodes = (path for path in devices.glob(f"{_NODE_PREFIX}*") if _digits(path).isdigit())
    for path in sorted(nodes, key=lambda path: int(_digits(path))):
        camera = _look_at(path, devices, ioctl)
        if camera is not None:
            found.append(camera)
    return sorted(_with_certain_ids(found), key=lambda camera: camera.id)


def find_camera(
    wanted: str | None, *, devices: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl
) -> UsbCamera:
    """Return the camera of an id, or the only one; raises SourceError with a sentence."""
    cameras = list_cameras(devices=devices, ioctl=ioctl)
    ids = ", ".join(camera.id for camera in cameras)
    if wanted is None:
        if len(cameras) == 1:
            return cameras[0]
        if not cameras:
            raise SourceError("usb", "no USB camera is plugged in")
        raise SourceError("usb", f"there are several cameras: name one as 'camera' ({ids})")
    for camera in cameras:
        if wanted in {camera.id, camera.node, *camera.others}:
            return camera
    there = f"there is {ids}" if ids else "no USB camera is plugged in"
    raise SourceError("usb", f"the camera {wanted} is not there; {there}")


def explain(node: str, error: OSError) -> str:
    """Return why a node cannot be used, and what to do, for a person."""
    if isinstance(error, PermissionError):
        return f"this user may not open {node}: it must be in the group 'video'"
    if error.errno == errno.EBUSY:
        return f"another program uses {node}: end it ('fuser {node}' names it)"
    if error.errno in _GONE:
        return "the camera was unplugged, or its cable or power failed"
    return f"{node} does not work: {error.strerror or error}"


def _look_at(path: Path, devices: Path, ioctl: Ioctl) -> UsbCamera | None:
    """Return what is behind a node; None if it is no camera for us."""
    node = str(path)
    try:
        with Node(node, ioctl) as device:
            capability = device.capability()
            if not capability.is_capture or capability.driver in _PI_DRIVERS:
                return None
            modes, trouble = _modes(device, node)
    except OSError as error:
        names = _links(path, devices)
        if not any("usb" in each for each in names):  # what is not of USB may be anything
            return None
        return _describe(path, names, None, (), explain(node, error))
    if not modes and not trouble:
        return None
    return _describe(path, _links(path, devices), capability, modes, trouble)


def _modes(device: Node, node: str) -> tuple[tuple[Mode, ...], str]:
    modes: list[Mode] = []
    try:
        for code in device.formats():
            if code not in FORMATS:
                continue
            for width, height in device.sizes(code):
                fps = max(device.rates(code, (width, height)), default=0.0)
                modes.append(Mode(format=FORMATS[code], width=width, height=height, fps=fps))
    except OSError as error:
        return tuple(modes), explain(node, error)
    return tuple(modes), ""


def _describe(
    path: Path,
    names: Sequence[str],
    capability: Capability | None,
    modes: tuple[Mode, ...],
    trouble: str,
) -> UsbCamera:
    """Describe a camera under the best of its node's names, for `_with_certain_ids` to doubt."""
    bus = capability.bus if capability else ""
    id_, *others = [*names, *([bus] if bus else []), str(path)]
    return UsbCamera(
        id=id_,
        name=(capability.card if capability else "") or id_,
        node=str(path),
        bus=bus,
        modes=modes,
        trouble=trouble,
        others=tuple(others),
    )


def _links(path: Path, devices: Path) -> list[str]:
    """Return udev's names for a node: those by serial number first, then those by socket."""
    links = (
        link
        for folder in ("by-id", "by-path")
        for link in sorted((devices / "v4l" / folder).glob("*"))
    )
    return [link.name for link in links if link.resolve() == path.resolve()]


def _with_certain_ids(cameras: Sequence[UsbCamera]) -> Iterable[UsbCamera]:
    """Yield the cameras; those that look alike get the names of their sockets.

    Of two without a serial number, udev gives the one name to whichever it sees last, so that a
    second camera of that make without such a name means that the first one's is worth nothing.
    """
    for camera in cameras:
        alike = [each for each in cameras if each is not camera and each.name == camera.name]
        is_doubtful = any(not _is_by_serial(each) for each in alike)
        if is_doubtful and _is_by_serial(camera) and camera.others:
            # The name that may be the other's at the next boot leads nowhere from now on.
            yield replace(camera, id=camera.others[0], others=camera.others[1:])
        else:
            yield camera


def _is_by_serial(camera: UsbCamera) -> bool:
    return camera.id.startswith("usb-") and camera.id != camera.bus


def _digits(path: Path) -> str:
    return path.name.removeprefix(_NODE_PREFIX)
