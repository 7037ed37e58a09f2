"""The verb ``snapshot``: one picture of the running agent's camera, for whoever aims it.

It must not know cameras. The file is written here, by whoever asks, never by the agent.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mqcam import exits
from mqcam.errors import ControlError, RecordingFailed, UsageError
from mqcam.files import reason

from mqcam_device.asking import whom_to_ask
from mqcam_device.control import ask
from mqcam_device.settings import load_settings

if TYPE_CHECKING:
    import argparse

STANDARD_OUTPUT: Final = "-"
SUFFIXES: Final = frozenset({".jpg", ".jpeg"})

_SEGMENT: Final = struct.Struct(">BBH")
_FRAME_SIZE: Final = struct.Struct(">xHH")
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers SOF0 to SOF15 of JPEG (ITU-T T.81, table B.1); the others in between are tables."""


def run(options: argparse.Namespace) -> int:
    """Save one picture; raises MqcamError."""
    is_piped = options.file == STANDARD_OUTPUT
    if is_piped and options.json:
        raise UsageError("standard output takes the picture or the JSON", "leave one of them out")
    path = Path(options.file)
    if not is_piped:
        check_target(path)
    name, folder = whom_to_ask(load_settings(options.config))
    picture = _picture(ask(name, "snapshot", folder))
    if is_piped:
        sys.stdout.buffer.write(picture)
        return exits.OK
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise RecordingFailed(str(path), reason(error)) from error
    width, height = jpeg_size(picture)
    told = {"camera": name, "path": str(path), "width": width, "height": height}
    line = (
        json.dumps({**told, "bytes": len(picture)}) if options.json else f"{path}  {width}x{height}"
    )
    print(line)  # noqa: T201 - a command line is printed here
    return exits.OK


def check_target(path: Path) -> None:
    """Judge a file's name before anything is done for it; raises UsageError, RecordingFailed."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is no name of a picture", "end it in .jpg")
    if path.is_dir():
        raise RecordingFailed(str(path), "is a folder, not a file")
    if not path.parent.is_dir():
        raise RecordingFailed(str(path), "its folder does not exist")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise RecordingFailed(str(path), "may not be written by this user")


def jpeg_size(picture: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG picture; (0, 0) where it does not say them."""
    at = 2
    while at + _SEGMENT.size + _FRAME_SIZE.size <= len(picture):
        _, marker, length = _SEGMENT.unpack_from(picture, at)
        if marker in _FRAMES:
            height, width = _FRAME_SIZE.unpack_from(picture, at + _SEGMENT.size)
            return width, height
        at += 2 + length
    return 0, 0


def _picture(reply: dict[str, object]) -> bytes:
    try:
        return base64.b64decode(str(reply["jpeg"]), validate=True)
    except (KeyError, binascii.Error) as error:
        text = "the running agent is of another release than this command: restart it"
        raise ControlError("other-release", text) from error
