"""A first look at a credentials file, before anything is installed that could read it properly.

It must not know YAML: it knows what such a file looks like when ``mqcam-broker`` has written it.
What passes here is judged once more, to the last signature, by ``mqcam-device import``.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_BYTES: Final = 64 * 1024
KEYS: Final = frozenset(
    {
        *("kind", "name", "broker", "namespace", "server_name", "ca", "username", "password"),
        *("identity", "owner", "owner_number", "certificate", "grant", "turn", "turn_secret"),
    }
)
"""As in ``mqcam.credentials``; a test compares them."""
_KEY: Final = re.compile(r"([a-z_]+):(?:\s+(.*))?")
_OURS: Final = re.compile(r"^(kind|broker|credentials|identity|certificate):", re.MULTILINE)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAMAGED: Final = "is damaged ({what}): copy it once more from where 'mqcam-broker' wrote it"
_WRITTEN_BY: Final = "those are written by 'mqcam-broker add-device'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A file that looks like the credentials of a device."""

    path: Path
    name: str


def first_look(path: Path) -> Paper:
    """Return whose credentials ``path`` holds; raise Refused, which repeats nothing of the file."""
    content, mode = _read(path)
    text = content.decode("utf-8", "replace")
    if "\0" in text or not _OURS.search(text):
        raise Refused(f"{path}: this is no credentials file: {_WRITTEN_BY}")
    if re.search(r"^credentials:", text, re.MULTILINE):
        raise Refused(f"{path}: this is a camera's configuration, no credentials: {_WRITTEN_BY}")
    _refuse_readable_by_others(path, mode)
    values = dict(_top(path, text))
    for key in values.keys() - KEYS:
        raise _damaged(path, f"no credentials have a key '{key}'")
    if values.get("kind") == "viewer":
        raise Refused(
            f"{path}: these are a viewer's credentials, which open cameras and are none: "
            f"{_WRITTEN_BY}"
        )
    _refuse_incomplete(path, text, values)
    return Paper(path=path, name=values["name"])


def _read(path: Path) -> tuple[bytes, int]:
    """Return what a file holds, and its mode."""
    try:
        # Without O_NONBLOCK a named pipe in the file's place would block for ever.
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Refused(f"{path}: is not a regular file")
            content = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise Refused(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    if len(content) > LIMIT_BYTES:
        raise Refused(f"{path}: this is no credentials file: {_WRITTEN_BY}")
    return content, stat.S_IMODE(status.st_mode)


def _refuse_readable_by_others(path: Path, mode: int) -> None:
    if mode & 0o077:
        raise Refused(
            f"{path}: is open to other users (mode {mode:04o}) and holds secrets: run chmod 600 "
            f"{path} (a USB stick knows no modes: copy it from there into your home first)"
        )


def _top(path: Path, text: str) -> Iterator[tuple[str, str]]:
    """Yield every key that stands at the beginning of a line, with what follows it there."""
    seen = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line[0] in "# \t-":
            continue  # nothing, a comment, or what belongs to the key above
        match = _KEY.fullmatch(line)
        if match is None:
            raise _damaged(path, f"line {number} is none of a credentials file")
        key, value = match[1], (match[2] or "").strip()
        if key in seen:
            raise _damaged(path, f"'{key}' stands there twice")
        seen.add(key)
        yield key, value.strip("'\"")


def _refuse_incomplete(path: Path, text: str, values: dict[str, str]) -> None:
    for key in ("kind", "name", "broker"):
        if key not in values:
            raise _damaged(path, f"'{key}' is missing")
    if values["kind"] != "device":
        raise _damaged(path, "its kind is neither device nor viewer")
    if not _NAME.fullmatch(values["name"]):
        raise _damaged(path, "its name is no name of a camera")
    if not {"identity", "certificate"} & set(values):
        raise Refused(
            f"{path}: names no identity: have it made anew with 'mqcam-broker add-device "
            f"{values['name']} --replace'"
        )
    begun, ended = (text.count(f"-----{word} CERTIFICATE-----") for word in ("BEGIN", "END"))
    if begun != ended or not text.endswith("\n"):
        raise _damaged(path, "its end is missing")


def _damaged(path: Path, what: str) -> Refused:
    return Refused(f"{path}: {_DAMAGED.format(what=what)}")
