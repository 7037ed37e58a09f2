"""Which cameras there are, as a program: ``python -m mqcam_device.sources.listing KIND``.

One line of JSON on standard output. It must not capture. Whoever starts it gives it a deadline:
libcamera may hang in a driver, and a camera library is loaded in no process that must live on.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mqcam_device.sources.usbcameras import PREFERENCE, list_cameras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mqcam_device.sources.usbcameras import UsbCamera

    Opener = Callable[[int], Any]
    """Opens one of picamera2's cameras by its number."""

HARDWARE_ENCODER: Final = Path("/dev/video11")
NODES: Final = Path("/dev")
MODEL: Final = Path("/proc/device-tree/model")
INSTALL: Final = "sudo apt install -y --no-install-recommends python3-picamera2"

_OWN: Final = "the camera's own"
_HARDWARE: Final = "the Pi's own (/dev/video11)"
_SOFTWARE: Final = "x264"
_OF_USB: Final = "/usb"
"""In the ids of cameras that libcamera sees on USB, which are listed as such (camera.md 1.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One camera; ``text`` says why it is not ``usable``, ``kind`` is the configuration's."""

    kind: str
    id: str
    model: str
    sizes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()
    usable: bool = True
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All cameras of one kind, and what is to be said about the kind as a whole."""

    cameras: tuple[Listed, ...] = ()
    notes: tuple[str, ...] = ()


def main(arguments: Sequence[str]) -> int:
    """Print the cameras of a kind; ``picamera --closed`` opens none to ask for its sizes."""
    kind, *options = arguments or [""]
    with _silent_output() as output:
        if kind == "picamera":
            listing = list_picameras(is_opening="--closed" not in options)
        elif kind == "usb":
            listing = list_usb()
        else:
            sys.stderr.write("mqcam_device.sources.listing is started by mqcam-device cameras\n")
            return 2
        output.write(json.dumps(asdict(listing)) + "\n")
    return 0


def list_usb(cameras: Iterable[UsbCamera] | None = None) -> Listing:
    """Return the USB cameras."""
    found = list_cameras() if cameras is None else cameras
    return Listing(cameras=tuple(_usb(camera) for camera in found))


def list_picameras(
    *,
    is_opening: bool,
    load: Callable[[], Any] | None = None,
    nodes: Path = NODES,
    model: Path = MODEL,
    encoder: Path = HARDWARE_ENCODER,
) -> Listing:
    """Return the cameras that picamera2 sees; those it may open are asked for their sizes."""
    try:
        library = (load or _load_picamera2)()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are listed
        return _nothing(_why_no_library(error, model))
    encoders = (_HARDWARE if encoder.exists() else _SOFTWARE,)
    cameras = []
    for number, info in enumerate(library.global_camera_info()):
        if _OF_USB in info["Id"]:
            continue
        sizes, text = _sizes(library, number) if is_opening else ((), "")
        cameras.append(
            Listed(
                kind="picamera",
                id=str(info["Id"]),
                model=str(info.get("Model", "unknown")),
                sizes=sizes,
                formats=("YUV420",),
                encoders=encoders,
                usable=not text,
                text=text,
            )
        )
    if not cameras:
        return _nothing(_why_no_camera(nodes, model))
    return Listing(cameras=tuple(cameras))


def _nothing(why: str) -> Listing:
    return Listing(notes=(why,) if why else ())


def _load_picamera2() -> Any:
    from picamera2 import Picamera2  # type: ignore[import-not-found]  # noqa: PLC0415

    return Picamera2


def _sizes(library: Opener, number: int) -> tuple[tuple[str, ...], str]:
    """Return the sizes of the sensor's modes, or why the camera cannot be opened."""
    try:
        camera = library(number)
    except (RuntimeError, IndexError):
        return (), "in use by another program, or its cable is loose"
    try:
        rates: dict[tuple[int, int], float] = {}
        for mode in camera.sensor_modes:
            size, fps = mode.get("size"), float(mode.get("fps", 0))
            if size is not None:
                rates[size] = max(rates.get(size, 0.0), fps)
    except (RuntimeError, KeyError, TypeError, ValueError):
        return (), ""  # it opens: which modes it has is not worth more
    finally:
        with contextlib.suppress(RuntimeError):
            camera.close()
    return tuple(_words(size, fps) for size, fps in sorted(rates.items(), reverse=True)), ""


def _usb(camera: UsbCamera) -> Listed:
    formats = tuple(
        each for each in PREFERENCE if any(mode.format == each for mode in camera.modes)
    )
    rates: dict[tuple[int, int], float] = {}
    for mode in camera.modes:
        size = (mode.width, mode.height)
        rates[size] = max(rates.get(size, 0.0), mode.fps)
    encoders = [_OWN] if "h264" in formats else []
    if set(formats) - {"h264"}:
        encoders.append(_SOFTWARE)
    return Listed(
        kind="usb",
        id=camera.id,
        model=camera.name,
        sizes=tuple(_words(size, fps) for size, fps in sorted(rates.items(), reverse=True)),
        formats=formats,
        encoders=tuple(encoders),
        usable=not camera.trouble,
        text=camera.trouble,
    )


def _words(size: tuple[int, int], fps: float) -> str:
    return f"{size[0]}x{size[1]}@{fps:.0f}" if fps else f"{size[0]}x{size[1]}"


def _is_pi(model: Path) -> bool:
    try:
        return "Raspberry Pi" in model.read_text("utf-8", "replace")
    except OSError:
        return False


def _why_no_library(error: Exception, model: Path) -> str:
    if not isinstance(error, ModuleNotFoundError):
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"Pi cameras cannot be used: picamera2 does not load here ({reason})"
    if not _is_pi(model):
        return ""  # nobody expects one on a PC
    return (
        f"Pi cameras cannot be used: the Python package {error.name or 'picamera2'} is missing. "
        f"Install it with '{INSTALL}'; the environment that mqcam runs in must see the system's "
        "packages (docs/raspberry-pi.md)"
    )


def _why_no_camera(nodes: Path, model: Path) -> str:
    """Say why picamera2 sees none; it does not tell a camera it may not open from no camera."""
    media = sorted(nodes.glob("media*"))
    if media and not any(os.access(node, os.R_OK | os.W_OK) for node in media):
        return (
            "this user may not look at the cameras: 'sudo usermod -aG video $USER', then log in "
            "again"
        )
    if not _is_pi(model):
        return ""
    return (
        "no Pi camera is seen: check that both ends of its cable sit straight and are locked, "
        "and start the Pi anew"
    )


@contextlib.contextmanager
def _silent_output() -> Any:
    """Give standard output to us alone: camera libraries print what they like."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        yield output


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Not sys.exit: picamera2's threads and libcamera's end may hang with a broken camera.
    os._exit(code)
