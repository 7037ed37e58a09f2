"""The configuration that a camera begins with: the source that fits what is connected.

It must not look for cameras nor write files: what was found comes in, choice and text go out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from mqcam.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

CameraKind = Literal["picamera", "usb"]

_PREFERRED: Final[tuple[CameraKind, ...]] = ("picamera", "usb")
_WORDS: Final = {
    "picamera": "on the ribbon cable there is",
    "usb": "there is none on the ribbon cable, and on USB there is",
}
_TEXT: Final = """\
# Configuration of this camera. 'mqcam-device import' has made it, once: now it is yours, and no
# import or update changes it. Every other key: device/device.example.yaml in the clone of mqcam.
credentials: {credentials}

# {why}
source:
  kind: {kind}
{camera}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A camera that ``mqcam-device cameras`` lists."""

    kind: CameraKind
    id: str
    model: str
    trouble: str = ""
    """Why it is not to be taken: it cannot be used, or a running agent has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """All cameras that are there, and what is said about those that could not be found."""

    cameras: tuple[Found, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(not each.trouble for each in self.cameras)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The source of a new configuration, and why it is this one."""

    kind: CameraKind | Literal["pattern"]
    camera: str | None = None
    """The stable id; None where there is nothing to mix it up with."""
    why: str


def read_cameras(text: str) -> Sighting:
    """Return what ``mqcam-device cameras --json`` printed; raise SourceError if it is no list."""
    try:
        printed = json.loads(text)
        return Sighting(
            cameras=tuple(
                Found(
                    kind=each["kind"],
                    id=str(each["id"]),
                    model=str(each["model"]),
                    # Of one that can be used it says which agent uses it.
                    trouble=str(each["text"]),
                )
                for each in printed["cameras"]
                if each["kind"] in _PREFERRED
            ),
            notes=tuple(str(note) for note in printed["notes"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError("cameras", "mqcam-device printed no list of them") from error


def choose(seen: Sighting, *, taken: str = "", is_one_of_several: bool = False) -> Choice:
    """Return the source for a new configuration: a Pi camera, else a USB camera, else the pattern.

    ``taken`` is the text of this machine's other configurations: a camera whose id stands there
    belongs to another agent. ``is_one_of_several`` names the camera by its id in any case.
    """
    free = [each for each in seen.cameras if not each.trouble and json.dumps(each.id) not in taken]
    for kind in _PREFERRED:
        of_kind = [each for each in free if each.kind == kind]
        if not of_kind:
            continue
        first = of_kind[0]
        is_named = is_one_of_several or sum(each.kind == kind for each in seen.cameras) > 1
        return Choice(
            kind=kind,
            camera=first.id if is_named else None,
            why=f"{kind}: {_WORDS[kind]} {_counted(of_kind)}.",
        )
    said = [f"{each.model}: {each.trouble or 'another agent has it'}" for each in seen.cameras]
    told = "; ".join(_plain(text) for text in (*said, *seen.notes))
    because = f"no camera can be used ({told})" if told else "no camera was found"
    return Choice(kind="pattern", why=f"pattern: {because}. {_LATER}")


def without_knowing(reason: str) -> Choice:
    """Return the choice where the cameras could not be listed."""
    text = f"which cameras there are could not be told ({_plain(reason)})"
    return Choice(kind="pattern", why=f"pattern: {text}. {_LATER}")


_LATER: Final = "Once there is one, write 'picamera' or 'usb' here."


def _counted(cameras: Sequence[Found]) -> str:
    first = _plain(cameras[0].model) or "a camera"
    return first if len(cameras) == 1 else f"{first}, the first of {len(cameras)}"


def _plain(text: str) -> str:
    """Return one line that YAML takes in a comment: a USB camera says of itself what it likes."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def text_of(choice: Choice, *, credentials: str) -> str:
    """Return the configuration as text; ``credentials`` is the name of the file beside it."""
    # A JSON string is a YAML string too, whatever characters a camera puts into its id.
    camera = "" if choice.camera is None else f"  camera: {json.dumps(choice.camera)}\n"
    return _TEXT.format(credentials=credentials, why=choice.why, kind=choice.kind, camera=camera)
