"""A viewer's credentials in other forms than the file: a line of text, and a code of squares.

It must not know who asked. Both are as secret as the file, so that they are shown on a terminal or
where somebody asked for them, and nowhere else.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.errors import UsageError
from mqcam.qr import SUFFIXES, terminal_qr, write_qr
from mqcam.uri import credentials_uri

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam.credentials import Credentials

UNLIMITED_COLUMNS = 10_000
"""What is not a terminal has no width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """What is to be shown beside the file, and the picture that is to be written."""

    has_code: bool = False
    has_line: bool = False
    picture: Path | None = None


def wanted_forms(*, qr: bool, uri: bool, picture: Path | None) -> Forms:
    """Return what was asked for, on a terminal the code in any case unless a picture is made.

    Raises UsageError for a picture that cannot be written; asked before anybody is let in.
    """
    if picture is not None and picture.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{picture} is no name of a code's picture", "end it in .png or .svg")
    if picture is not None and (picture.exists() or not picture.parent.is_dir()):
        raise UsageError(f"{picture} exists already or has no folder", "give another --qr-file")
    is_shown = sys.stdout.isatty() and picture is None and not uri
    return Forms(has_code=qr or is_shown, has_line=uri, picture=picture)


def show(credentials: Credentials, file: Path, forms: Forms) -> None:
    """Print and write the forms; one that does not fit is told and changes nothing."""
    if not (forms.has_code or forms.has_line or forms.picture):
        return
    text = credentials_uri(credentials)
    print(f"What follows is {file} in another form for all its cameras, and as secret: who sees it")
    ways = ["scan the code"] * (forms.has_code or forms.picture is not None)
    ways += ["hand the line to: mqcam-viewer pair"] * forms.has_line
    print(f"is {credentials.name}. To use it, {', or '.join(ways)}")
    if forms.picture is not None:
        try:
            write_qr(forms.picture, text)
            print(f"The code is in {forms.picture}; delete it when it has been scanned.")
        except UsageError as error:
            print(f"No picture of the code: {error}")
    if forms.has_code:
        _draw(text, credentials.name)
    if forms.has_line:
        print(text)


def _draw(text: str, name: str) -> None:
    columns, rows = _size()
    try:
        code = terminal_qr(text, columns)
    except UsageError as error:
        print(f"No code: {error}.")
        _say_otherwise(name)
        return
    print(code)
    if (needed := code.count("\n") + 2) > rows:
        print(f"The code has {needed} rows with the prompt, this terminal {rows}: make its letters")
        print("smaller or its window higher.")
        _say_otherwise(name)


def _say_otherwise(name: str) -> None:
    print("Or hand over the file; or have a picture of the code, which makes new credentials:")
    print(f"  mqcam-broker add-viewer {name} --replace --qr-file {name}.png")


def _size() -> tuple[int, int]:
    if not sys.stdout.isatty():
        return UNLIMITED_COLUMNS, UNLIMITED_COLUMNS
    size = shutil.get_terminal_size()
    return size.columns, size.lines
