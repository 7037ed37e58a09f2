"""Whether Qt can run here, and how its tests load it: without a screen, or on one of their own.

It must not know the window.
"""

from __future__ import annotations

import importlib
import os
import shutil
from functools import cache

ENVIRONMENT = {"QT_QPA_PLATFORM": "offscreen", "PYTEST_QT_API": "pyside6"}

PROGRAMS = ("Xvfb", "openbox", "xdotool", "import")
"""What shows a window to a test and presses its keys: an X server without a screen, a window
manager (for the focus), a hand, and an eye (ImageMagick's)."""

NO_SCREEN = "needs a screen of its own: apt-get install xvfb openbox xdotool imagemagick"


@cache
def problem() -> str | None:
    """Return why Qt cannot run here, None if it can."""
    try:
        importlib.import_module("PySide6.QtWidgets")
    except ImportError as error:
        return str(error)
    return None


def plugins() -> list[str]:
    """Return pytest's plugins for Qt; nothing where it cannot run, so that all else is tested."""
    if problem() is not None:
        return []
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return ["pytestqt.plugin"]


def is_complete() -> bool:
    """Tell whether a window can be shown on an X server of our own."""
    return problem() is None and all(map(shutil.which, PROGRAMS))
