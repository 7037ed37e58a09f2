"""Which cameras picamera2 sees, and why it sees none or is not there.

It must not capture: a camera is opened only to be asked for its sizes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import SourceError

from mqcam_device.sources.listed import Listed, Listing, words_of_sizes
from mqcam_device.sources.picamera import videocore

if TYPE_CHECKING:
    from collections.abc import Callable

    Opener = Callable[[int], Any]
    """Opens one of picamera2's cameras by its number."""

NODES: Final = Path("/dev")
SYSTEM: Final = Path("/usr/lib/python3/dist-packages")
"""Where Debian's packages for Python lie; an environment sees them only if it was made so."""
INSTALL: Final = "sudo apt install -y --no-install-recommends python3-picamera2"

_HARDWARE: Final = f"the Pi's own ({videocore.ENCODER})"
_SOFTWARE: Final = "x264"
_OF_USB: Final = "/usb"
"""In the ids of cameras that libcamera sees on USB: they are listed as such."""


def list_picameras(
    *,
    is_opening: bool,
    load: Callable[[], Any] | None = None,
    nodes: Path = NODES,
    may_open: Callable[[Path, int], bool] = os.access,
    system: Path = SYSTEM,
    has_encoder: Callable[[], bool] = videocore.has_encoder,
) -> Listing:
    """Return the cameras that picamera2 sees; those it may open are asked for their sizes."""
    try:
        library = (load or _load_picamera2)()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are listed
        return Listing(notes=(_why_no_library(error, system),))
    encoder, trouble = _encoder(has_encoder)
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
                encoders=(encoder,),
                usable=not (text or trouble),
                text=text or trouble,
            )
        )
    if not cameras:
        return Listing(notes=(_why_no_camera(nodes, may_open),))
    return Listing(cameras=tuple(cameras))


def _load_picamera2() -> Any:
    from picamera2 import Picamera2  # noqa: PLC0415 - in this process alone

    return Picamera2


def _encoder(has_encoder: Callable[[], bool]) -> tuple[str, str]:
    """Return the encoder that the cameras will have, and why it cannot be used."""
    try:
        return (_HARDWARE if has_encoder() else _SOFTWARE), ""
    except SourceError as error:
        return _HARDWARE, error.reason


def _sizes(library: Opener, number: int) -> tuple[tuple[str, ...], str]:
    """Return the sizes of the sensor's modes, or why the camera cannot be opened."""
    try:
        camera = library(number)
    except (RuntimeError, IndexError):
        return (), "another program has it, or its cable is loose"
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
    return words_of_sizes(rates), ""


def _why_no_library(error: Exception, system: Path) -> str:
    if not isinstance(error, ModuleNotFoundError):
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"Pi cameras cannot be used: picamera2 does not load here ({reason})"
    if error.name == "picamera2" and (system / "picamera2").is_dir():
        return (
            "Pi cameras cannot be used: picamera2 is installed, but this command's environment does"
            f" not see it ({sys.prefix}): use the one that 'sudo ./install-device' makes, "
            "/opt/mqcam/bin/mqcam-device"
        )
    return (
        f"Pi cameras cannot be used: {error}. Install picamera2 with '{INSTALL}'; the environment "
        "that mqcam runs in must see the system's packages (docs/raspberry-pi.md)"
    )


def _why_no_camera(nodes: Path, may_open: Callable[[Path, int], bool]) -> str:
    """Say why picamera2 sees none; it does not tell a camera it may not open from no camera."""
    media = sorted(nodes.glob("media*"))
    if media and not any(may_open(node, os.R_OK | os.W_OK) for node in media):
        return (
            "this user may not look at the cameras: 'sudo usermod -aG video $USER', then log in "
            "again"
        )
    return (
        "no Pi camera is seen: check that both ends of its cable sit straight and are locked, "
        "and start the Pi anew"
    )
