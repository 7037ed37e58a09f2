"""The verb ``cameras``: what there is, why it cannot be used, and what to write to use it.

It must not know how cameras are found.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import textwrap
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

from mqcam import exits
from mqcam.errors import ConfigError, ControlError

from mqcam_device import folders
from mqcam_device.board import read_model
from mqcam_device.control import ask, running
from mqcam_device.enumeration import enumerate_cameras
from mqcam_device.settings import load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mqcam_device.enumeration import Enumeration, FoundCamera

ASK_S: Final = 2.0
_LABEL: Final = 10
_WIDEST: Final = 100


def run(options: argparse.Namespace) -> int:
    """Print what there is; the exit code says whether there is any."""
    users = tuple(_agents(_runtime_dir(options.config)))
    has_picamera = any(kind == "picamera" for _name, kind, _camera in users)
    found = enumerate_cameras(kinds_here(read_model()), is_opening=not has_picamera)
    cameras = tuple(with_user(camera, found.cameras, users) for camera in found.cameras)
    found = replace(found, cameras=cameras)
    if options.json:
        print(json.dumps(asdict(found)))  # noqa: T201 - a command line is printed here
    else:
        columns = min(shutil.get_terminal_size().columns, _WIDEST)
        print(text_of(found, columns=columns))  # noqa: T201
    sys.stdout.flush()
    return exits.OK if found.cameras else exits.FAILURE


def kinds_here(model: str) -> tuple[str, ...]:
    """Return the kinds to look for on a board: nobody expects to be told of Pi cameras on a PC."""
    is_pi = "Raspberry Pi" in model
    # Looked for, never loaded: that is for a process of its own.
    has_library = importlib.util.find_spec("picamera2") is not None
    return ("picamera", "usb") if is_pi or has_library else ("usb",)


def text_of(found: Enumeration, *, columns: int) -> str:
    """Return the list for a person: each camera with the line to paste, then the notes."""
    if not found.cameras and not found.notes:
        return "no camera is plugged in; a network camera is named by its address: 'kind: rtsp'"
    blocks = ["\n".join(_lines(camera, columns)) for camera in found.cameras]
    if not found.cameras:
        blocks.append("no camera can be used here")
    blocks += [textwrap.fill(note, columns) for note in found.notes]
    return "\n\n".join(blocks)


def yaml_of(camera: FoundCamera) -> str:
    """Return the line of the configuration that means this camera."""
    return f"source: {{kind: {camera.kind}, camera: {json.dumps(camera.id)}}}"


def with_user(
    camera: FoundCamera,
    cameras: Sequence[FoundCamera],
    users: Iterable[tuple[str, str, str | None]],
) -> FoundCamera:
    """Say which running agent has the camera; one that names none has the first of its kind."""
    first = next(each.id for each in cameras if each.kind == camera.kind)
    for name, kind, id_ in users:
        if kind == camera.kind and camera.is_meant(id_ or first):
            return replace(camera, usable=True, text=f"by the running agent '{name}'")
    return camera


def _lines(camera: FoundCamera, columns: int) -> Iterator[str]:
    yield f"{camera.model} ({'Pi camera' if camera.kind == 'picamera' else 'USB camera'})"
    rows = {
        "": "" if camera.usable else camera.text,
        "in use": camera.text if camera.usable else "",
        "sizes": ", ".join(camera.sizes),
        "formats": ", ".join(camera.formats) if camera.kind == "usb" else "",
        "encoder": " or ".join(camera.encoders),
    }
    for label, value in rows.items():
        if value:
            head = f"  {label or 'not usable':{_LABEL}} "
            yield textwrap.fill(
                value, columns, initial_indent=head, subsequent_indent=" " * len(head)
            )
    # Not wrapped, however long: it is there to be copied.
    yield f"  {'write':{_LABEL}} {yaml_of(camera)}"


def _runtime_dir(config: Path) -> Path | None:
    """Return where a configuration puts the control socket; there need be none."""
    try:
        return load_settings(config).runtime_dir
    except ConfigError:
        return None


def _agents(runtime_dir: Path | None) -> Iterator[tuple[str, str, str | None]]:
    """Yield name, kind of source and camera of each agent that runs here and answers us."""
    for place in folders.places_to_ask(runtime_dir):
        for name in running(place):
            try:
                status: Mapping[str, object] = ask(name, "status", place, timeout_s=ASK_S)
            except ControlError:
                continue
            camera = status.get("camera")
            yield name, str(status.get("kind", "")), None if camera is None else str(camera)
