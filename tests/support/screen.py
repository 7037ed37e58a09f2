"""Whether Qt can run here, and how its tests load it: without a screen, or on one of their own.

It must not know the window.
"""

from __future__ import annotations

import os
from functools import cache

ENVIRONMENT = {"QT_QPA_PLATFORM": "offscreen", "PYTEST_QT_API": "pyside6"}


@cache
def problem() -> str | None:
    """Return why Qt cannot run here, None if it can."""
    try:
        import PySide6.QtWidgets as _widgets  # noqa: F401, PLC0415
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
