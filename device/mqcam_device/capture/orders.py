"""What the agent told the capture child and its camera has yet to obey: the newest of each kind.

It must not know sources or sockets. The reading thread puts, the camera's thread takes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeAlias

from mqcam_device.capture import wire

if TYPE_CHECKING:
    from collections.abc import Hashable

Order: TypeAlias = (
    wire.Start | wire.Reopen | wire.Activate | wire.Keyframe | wire.Bitrate | wire.Framerate
)

ORDERS = (
    wire.Start,
    wire.Reopen,
    wire.Activate,
    wire.Keyframe,
    wire.Bitrate,
    wire.Framerate,
)
_STANDING = (wire.Activate, wire.Bitrate, wire.Framerate)


class Orders:
    """Orders for one thread, bounded by their kinds and layers: a newer one replaces an older.

    What holds on is remembered, for the source that comes after this one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[Hashable, Order] = {}
        self._standing: dict[Hashable, Order] = {}
        self._is_closed = False

    def put(self, order: Order) -> None:
        """Note an order; never blocks."""
        key = (type(order), getattr(order, "layer", None))
        with self._changed:
            self._waiting[key] = order
            if isinstance(order, _STANDING):
                self._standing[key] = order
            self._changed.notify()

    def take(self) -> Order | None:
        """Wait for the next order; None when closed."""
        with self._changed:
            while not (self._waiting or self._is_closed):
                self._changed.wait()
            if self._is_closed:
                return None
            return self._waiting.pop(next(iter(self._waiting)))

    def standing(self) -> tuple[Order, ...]:
        """Return all that still holds, for a new source: what waits of it is done with that."""
        with self._changed:
            for key in self._standing:
                self._waiting.pop(key, None)
            return tuple(self._standing.values())

    def close(self) -> None:
        """End the taking thread; what waits is forgotten."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
