"""What waits for the agent to read it: little, bounded, and never a torn stream.

It must not know sockets: the writer takes, the source's thread puts.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from mqcam_device.capture import wire
from mqcam_device.media import AccessUnit

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_UNITS = 30
MAX_BYTES = 2 * 1024 * 1024
_MAX_MESSAGES = 64


class Outbox:
    """Messages for one writer thread.

    Units beyond the bounds are dropped, with all that follow up to the next keyframe, which is
    asked for. Of other messages the oldest go first; there are never that many.
    """

    def __init__(self, request_keyframe: Callable[[str], None]) -> None:
        self._request_keyframe = request_keyframe
        self._changed = threading.Condition()
        self._messages: deque[wire.Message] = deque(maxlen=_MAX_MESSAGES)
        self._units: deque[AccessUnit] = deque()
        self._bytes = 0
        self._dropped: dict[str, int] = {}
        self._torn: set[str] = set()
        self._is_closed = False

    def put(self, message: wire.Message) -> None:
        """Queue a message; never blocks."""
        with self._changed:
            if isinstance(message, AccessUnit):
                self._put_unit(message)
            else:
                self._messages.append(message)
            self._changed.notify()

    def take(self) -> wire.Message | None:
        """Wait for the next message; None when closed and empty."""
        with self._changed:
            while not (self._messages or self._units or self._is_closed):
                self._changed.wait()
            if self._messages:
                return self._messages.popleft()
            if not self._units:
                return None
            unit = self._units.popleft()
            self._bytes -= len(unit.data)
            wanted = tuple(self._torn) if not self._units else ()
        for layer in wanted:  # there is room again
            self._request_keyframe(layer)
        return unit

    def close(self) -> None:
        """Let the writer finish what is queued and end."""
        with self._changed:
            self._is_closed = True
            self._units.clear()
            self._changed.notify_all()

    def _put_unit(self, unit: AccessUnit) -> None:
        layer = unit.layer
        is_full = len(self._units) >= MAX_UNITS or self._bytes + len(unit.data) > MAX_BYTES
        has_room = not self._units or not is_full
        is_usable = unit.keyframe or layer not in self._torn
        if has_room and is_usable and not self._is_closed:
            if layer in self._torn:
                self._torn.discard(layer)
                self._messages.append(wire.Dropped(units=self._dropped.pop(layer), layer=layer))
            self._units.append(unit)
            self._bytes += len(unit.data)
            return
        self._torn.add(layer)
        self._dropped[layer] = self._dropped.get(layer, 0) + 1
