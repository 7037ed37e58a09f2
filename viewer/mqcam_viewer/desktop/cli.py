"""``mqcam-viewer`` without a verb: open the window, or say what is missing for it.

It must not load Qt before it is known that Qt can run here; without a window all else must work.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam import exits
from mqcam.credentials import credentials_of

from mqcam_viewer import reach
from mqcam_viewer.desktop import display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from mqcam.commandline import Commands, Parser

    from mqcam_viewer.desktop.app import Watched

VERB = "window"
MISSING_EXTRA = "the window needs PySide6: pip install 'mqcam[viewer]'"


def add_verb(
    verbs: Commands,
    common: Parser,
    seconds: Callable[[str], float],
) -> None:
    """Add the window's arguments to the command line."""
    window = verbs.add_parser(VERB, parents=[common], help="open the window; also without COMMAND")
    window.add_argument(
        "--seconds",
        type=seconds,
        default=0.0,
        help="close after so many; exit 0 only if video was seen (0: never; default: %(default)g)",
    )
    window.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="where snapshots go, instead of ~/Pictures"
    )


def show(options: argparse.Namespace) -> int:
    """Show the window until it is closed; return the exit code. Raises CredentialsError."""
    credentials = credentials_of("viewer", options.credentials)
    if importlib.util.find_spec("PySide6") is None:
        return _refuse(MISSING_EXTRA, exits.USAGE)
    problem = display.problem(os.environ)
    if problem is not None:
        return _refuse(problem, exits.USAGE if "apt-get" in problem else exits.FAILURE)
    from mqcam_viewer.desktop.app import run  # noqa: PLC0415

    watched = run(
        credentials,
        ice=reach.settings(options),
        seconds=options.seconds or None,
        pictures=options.pictures,
    )
    return _report(watched, options)


def _report(watched: Watched, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(watched.as_json()))
    if options.seconds and not watched.pictures:
        return _refuse("no picture was shown", exits.FAILURE)
    return 0


def _refuse(text: str, code: int) -> int:
    print(f"mqcam-viewer: {text}", file=sys.stderr)
    return code
