"""The verb ``snapshot``: one picture of the running agent's camera, for whoever aims it.

It must not know cameras. The file is written here, by whoever asks, never by the agent.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mqcam import exits, target
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
_START: Final = b"\xff\xd8"
_EXIF: Final = 0xE1
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers SOF0 to SOF15 of JPEG (ITU-T T.81, table B.1); the others in between are tables."""
_ORIENTATIONS: Final = {90: 6, 180: 3, 270: 8}
"""By how much a viewer must turn it clockwise, as Exif numbers that (CIPA DC-008, tag 0x0112)."""
_EXIF_HEAD: Final = b"Exif\0\0MM\0*" + struct.pack(">LH", 8, 1)
"""Big-endian, and one directory of one entry right behind."""
_TAG, _SHORT = 0x0112, 3


def run(options: argparse.Namespace) -> int:
    """Save one picture; raises MqcamError."""
    is_piped = options.file == STANDARD_OUTPUT
    if is_piped and options.json:
        raise UsageError("standard output takes the picture or the JSON", "leave one of them out")
    path = Path(options.file)
    if not is_piped:
        check_target(path)
    name, folder = whom_to_ask(load_settings(options.config))
    picture, rotation = _picture(ask(name, "snapshot", folder))
    picture = with_rotation(picture, rotation)
    if is_piped:
        sys.stdout.buffer.write(picture)
        return exits.OK
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise RecordingFailed(str(path), reason(error)) from error
    width, height = jpeg_size(picture)
    if rotation % 180:
        width, height = height, width
    told = {"camera": name, "path": str(path), "width": width, "height": height}
    line = (
        json.dumps({**told, "bytes": len(picture)}) if options.json else f"{path}  {width}x{height}"
    )
    print(line)  # noqa: T201 - a command line is printed here
    return exits.OK


def check_target(path: Path) -> None:
    """Judge a file's name before anything is done for it; raises UsageError, RecordingFailed."""
    target.check_target(path, suffixes=SUFFIXES, advice="end it in .jpg")


def with_rotation(picture: bytes, rotation: int) -> bytes:
    """Write into a JPEG by how many degrees clockwise it is to be turned, as programs know it."""
    is_picture = picture.startswith(_START) and len(picture) >= len(_START) + _SEGMENT.size
    if rotation not in _ORIENTATIONS or not is_picture:
        return picture
    at, rest = len(_START), picture[len(_START) :]
    _, marker, length = _SEGMENT.unpack_from(picture, at)
    if marker == _EXIF:  # a camera library's: of two, programs may read either
        rest = picture[at + 2 + length :]
    entry = struct.pack(">HHLHH", _TAG, _SHORT, 1, _ORIENTATIONS[rotation], 0)
    body = _EXIF_HEAD + entry + bytes(4)
    return _START + _SEGMENT.pack(0xFF, _EXIF, len(body) + 2) + body + rest


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


def _picture(reply: dict[str, Any]) -> tuple[bytes, int]:
    try:
        return base64.b64decode(reply["jpeg"], validate=True), int(reply["rotation"])
    except (KeyError, TypeError, ValueError) as error:
        text = "the running agent is of another release than this command: restart it"
        raise ControlError("other-release", text) from error
