"""The cameras of this machine, asked for in processes that may hang or crash instead of this one.

It must not know camera libraries: only how to ask, and what an answer looks like.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LISTING: Final = "mqcam_device.sources.listing"
DEADLINE_S: Final = 20.0
"""As a capture child has: a Pi Zero 2 that has just started loads picamera2 from its card for many
seconds, and asks a sensor for its modes for some more."""
KILLED_S: Final = 1.0
QUIET: Final = {"LIBCAMERA_LOG_LEVELS": "*:ERROR"}
_KINDS: Final = {"picamera": "Pi cameras", "usb": "USB cameras"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCamera:
    """One camera; ``kind`` and ``id`` are what the configuration says to mean it.

    ``sizes`` are such as 1280x720@30. ``text`` says why it is not ``usable``. ``aliases`` lead to
    it too, but not at every boot.
    """

    kind: str
    id: str
    aliases: tuple[str, ...]
    model: str
    sizes: tuple[str, ...]
    formats: tuple[str, ...]
    encoders: tuple[str, ...]
    usable: bool
    text: str

    def is_meant(self, wanted: str) -> bool:
        """Tell whether the configuration means this camera."""
        return wanted in {self.id, *self.aliases}


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """All that was found, and what a person should know about what was not."""

    cameras: tuple[FoundCamera, ...]
    notes: tuple[str, ...]


def enumerate_cameras(
    kinds: Sequence[str] = tuple(_KINDS),
    *,
    is_opening: bool = True,
    deadline_s: float = DEADLINE_S,
    start: Callable[[Sequence[str]], subprocess.Popen[str]] | None = None,
) -> Enumeration:
    """Return the cameras of these kinds, side by side, within the deadline and a little.

    Without ``is_opening`` no Pi camera is opened to ask for its sizes: a running agent has it.
    """
    begin = start or _start
    closed = () if is_opening else ("--closed",)
    deadline = time.monotonic() + deadline_s
    children = [(kind, begin((kind, *closed))) for kind in kinds]
    answers = [_answer(kind, child, deadline) for kind, child in children]
    return Enumeration(
        cameras=tuple(camera for answer in answers for camera in answer.cameras),
        notes=tuple(note for answer in answers for note in answer.notes),
    )


def _start(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", LISTING, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**QUIET, **os.environ},
    )


def _answer(kind: str, child: subprocess.Popen[str], deadline: float) -> Enumeration:
    name = _KINDS.get(kind, kind)
    try:
        said, _ = child.communicate(timeout=max(deadline - time.monotonic(), 0.1))
        return _read(json.loads(said))
    except subprocess.TimeoutExpired:
        child.kill()
        # One that hangs in a driver does not end even so: it is left to the kernel.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=KILLED_S)
        note = f"{name} do not answer: one of them hangs; take its power away, or start anew"
    except (ValueError, KeyError, TypeError):
        note = f"{name} could not be listed: the library that knows them ended with an error"
    return Enumeration(cameras=(), notes=(note,))


def _read(answer: dict[str, Any]) -> Enumeration:
    names = {each.name for each in fields(FoundCamera)}
    cameras = []
    for record in answer["cameras"]:
        values = {name: value for name, value in record.items() if name in names}
        lists = {
            name: tuple(str(each) for each in values[name])
            for name in ("aliases", "sizes", "formats", "encoders")
        }
        cameras.append(FoundCamera(**{**values, **lists}))
    return Enumeration(cameras=tuple(cameras), notes=tuple(str(each) for each in answer["notes"]))
