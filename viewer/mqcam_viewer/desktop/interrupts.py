"""SIGINT and SIGTERM end the window as its close button does.

It must not know what is closed. Python runs a handler only between two of its own steps, and none
happens while Qt waits: the number of the signal goes through a socket that Qt watches.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from typing import TYPE_CHECKING

from PySide6.QtCore import QSocketNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUMBERS = (signal.SIGINT, signal.SIGTERM)
ROOM_BYTES = 64


@contextlib.contextmanager
def heard(action: Callable[[], object]) -> Iterator[None]:
    """Call ``action`` in Qt's thread for each signal inside the block."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    notifier = QSocketNotifier(reading.fileno(), QSocketNotifier.Type.Read)

    def tell() -> None:
        with contextlib.suppress(BlockingIOError):
            reading.recv(ROOM_BYTES)
        action()

    notifier.activated.connect(tell)
    before = {number: signal.signal(number, lambda *_: None) for number in NUMBERS}
    descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        notifier.setEnabled(False)
        notifier.activated.disconnect(tell)
        reading.close()
        writing.close()
