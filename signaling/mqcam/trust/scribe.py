"""One writer beside the event loop: what is asked for while it writes is written in one go after.

It must not know what is written. An SD card may take a second for what is lost at no power cut,
and the video must not wait for it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSE_S = 10.0
"""How long ``close`` waits for a disk."""


class Scribe:
    """Call ``write`` in a thread after each request, for many requests at once where they queue.

    ``write`` takes what is newest then and raises nothing.
    """

    def __init__(self, write: Callable[[], None], *, name: str) -> None:
        self._write = write
        self._name = name
        self._lock = threading.Lock()
        self._is_asked = False
        self._thread: threading.Thread | None = None

    def request(self) -> None:
        """Ask for a write that begins after this call."""
        with self._lock:
            self._is_asked = True
            if self._thread is None:
                # No daemon: a program that ends at once has written all the same.
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=False)
                self._thread.start()

    def close(self) -> None:
        """Wait, for ``CLOSE_S`` at most, until everything that was asked for is written."""
        thread = self._thread
        if thread is not None:
            thread.join(CLOSE_S)

    def _work(self) -> None:
        try:
            while self._takes_request():
                self._write()
        except BaseException:
            self._thread = None
            raise

    def _takes_request(self) -> bool:
        with self._lock:
            if not self._is_asked:
                self._thread = None
            is_asked, self._is_asked = self._is_asked, False
            return is_asked
