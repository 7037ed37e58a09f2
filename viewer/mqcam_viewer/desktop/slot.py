"""The newest picture on its way from the engine's thread to the screen's.

It must not know Qt, nor who looks: a picture that nobody took is replaced and counted.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mqcam_viewer.desktop.converter import Picture


class Slot:
    """Hold at most one picture; any thread may put and take."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._picture: Picture | None = None
        self.replaced = 0

    def put(self, picture: Picture) -> bool:
        """Leave a picture; return True if the slot was empty, so that someone must be told."""
        with self._lock:
            was_empty = self._picture is None
            self._picture = picture
            self.replaced += not was_empty
        return was_empty

    def take(self) -> Picture | None:
        """Return the newest picture, None if it was taken already."""
        with self._lock:
            picture, self._picture = self._picture, None
        return picture
