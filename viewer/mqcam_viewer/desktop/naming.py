"""Names by which the style sheet finds a widget.

It must not know what a widget does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

W = TypeVar("W", bound="QWidget")


def named(name: str, widget: W) -> W:
    """Give a widget its name; return it."""
    widget.setObjectName(name)
    return widget
