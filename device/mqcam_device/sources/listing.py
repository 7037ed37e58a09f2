"""Which cameras there are, as a program: ``python -m mqcam_device.sources.listing KIND``.

One line of JSON on standard output. It must not capture. Whoever starts it gives it a deadline:
libcamera may hang in a driver, and a camera library is loaded in no process that must live on.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from mqcam_device.sources.listed import Listed, Listing, words_of_sizes
from mqcam_device.sources.picamera.presence import list_picameras
from mqcam_device.sources.usb.cameras import PREFERENCE, list_cameras

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from mqcam_device.sources.usb.cameras import UsbCamera

_OWN: Final = "the camera's own"
_SOFTWARE: Final = "x264"


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
        aliases=(camera.node, *camera.others),
        model=camera.name,
        sizes=words_of_sizes(rates),
        formats=formats,
        encoders=tuple(encoders),
        usable=not camera.trouble,
        text=camera.trouble,
    )


@contextlib.contextmanager
def _silent_output() -> Iterator[TextIO]:
    """Give standard output to us alone: camera libraries print what they like."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        yield output


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Not sys.exit: picamera2's threads and libcamera's end may hang with a broken camera.
    os._exit(code)
