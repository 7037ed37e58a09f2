"""Load picamera2, or say what to do for it to be there.

It must not know cameras. Nothing else imports picamera2 or libcamera, and nothing before `load`:
they are the system's, not of our environment, and only the capture child may hold them.
"""

from __future__ import annotations

import gc
import logging
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mqcam.errors import SourceError

from mqcam_device.sources.picamera.names import OLDEST

_INSTALL = "sudo apt install python3-picamera2 --no-install-recommends"
_VENV = "mqcam's environment must see it: python3 -m venv --system-site-packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What we take from picamera2 and libcamera; ``names`` declares how it is used."""

    version: str
    picamera: Any
    mapped_array: Any
    encoder: Any
    h264_encoder: Any
    output: Any
    transform: Any
    colour_space: Any


def load() -> Library:
    """Import the libraries; raises SourceError with what to install."""
    _quieten()
    try:
        package = import_module("picamera2")
        encoders = import_module("picamera2.encoders")
        # By its own name: ``encoders.H264Encoder`` is another class where there is no VideoCore.
        hardware = import_module("picamera2.encoders.h264_encoder")
        outputs = import_module("picamera2.outputs")
        libcamera = import_module("libcamera")
    except ModuleNotFoundError as error:
        raise SourceError("picamera", explain_missing(error.name or "")) from error
    except (ImportError, OSError, RuntimeError, ValueError, AttributeError) as error:
        # numpy of another ABI is a ValueError, a missing shared library an OSError.
        reason = f"picamera2 cannot be loaded ({error}); install it anew: {_INSTALL}"
        raise SourceError("picamera", reason) from error
    found = installed_version()
    check_version(found)
    _forget_garbage()
    return Library(
        version=found,
        picamera=package.Picamera2,
        mapped_array=package.MappedArray,
        encoder=encoders.Encoder,
        h264_encoder=hardware.H264Encoder,
        output=outputs.Output,
        transform=libcamera.Transform,
        colour_space=libcamera.ColorSpace,
    )


def explain_missing(module: str) -> str:
    """Return what to do about a module that is not there."""
    if module.partition(".")[0] in {"picamera2", "libcamera"}:
        return f"{module} is not installed: {_INSTALL}; {_VENV}"
    return f"picamera2 lacks the module {module}, which comes with it: {_INSTALL}; {_VENV}"


def installed_version() -> str:
    """Return picamera2's version; empty where it was copied into place by hand."""
    try:
        return version("picamera2")
    except PackageNotFoundError:
        return ""


def check_version(text: str) -> None:
    """Raise SourceError for a version that is too old; one that is unknown is believed."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
    if numbers and numbers < OLDEST:
        needed = ".".join(map(str, OLDEST))
        reason = f"picamera2 {text} is too old, {needed} or newer is needed: sudo apt update && "
        raise SourceError("picamera", reason + "sudo apt full-upgrade")


@cache
def _forget_garbage() -> None:
    """Keep what is loaded out of the collections after each camera: they are fast then."""
    gc.collect()
    gc.freeze()


def _quieten() -> None:
    """Keep what both libraries say about every start out of the journal, but not their errors."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # read when libcamera is loaded
    logging.getLogger("picamera2").setLevel(logging.ERROR)
