"""What waits for the agent to read it: little, bounded, and never a torn stream.

It must not know sockets: the writer takes, the source's thread puts.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from mqcam_device.capture import wire
from mqcam_device.media import AccessUnit

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_UNITS = 30
MAX_BYTES = 2 * 1024 * 1024
_MAX_MESSAGES = 64

ASK_AGAIN_S: Final = 0.5
"""A layer that waits for a keyframe asks for it again this often, while others of it come."""


class Outbox:
    """Messages for one writer thread.

    Units beyond the bounds are dropped, with all that follow up to the next keyframe, which is
    asked for when there is room, again and again. Of other messages the oldest go first; there are
    never that many. ``request_keyframe`` must not block.
    """

    def __init__(
        self,
        request_keyframe: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request_keyframe = request_keyframe
        self._clock = clock
        self._changed = threading.Condition()
        self._messages: deque[wire.Message] = deque(maxlen=_MAX_MESSAGES)
        self._units: deque[AccessUnit] = deque()
        self._bytes = 0
        self._dropped: dict[str, int] = {}
        self._torn: dict[str, float] = {}  # when each was last asked for a keyframe
        self._is_closed = False

    def put(self, message: wire.Message) -> None:
        """Queue a message; never blocks."""
        with self._changed:
            if isinstance(message, AccessUnit):
                self._put_unit(message)
            else:
                self._messages.append(message)
            self._changed.notify()
            wanted = self._wanted()
        self._ask(wanted)

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
            wanted = self._wanted()
        self._ask(wanted)
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
                del self._torn[layer]
                self._messages.append(wire.Dropped(units=self._dropped.pop(layer), layer=layer))
            self._units.append(unit)
            self._bytes += len(unit.data)
            return
        self._torn.setdefault(layer, float("-inf"))
        self._dropped[layer] = self._dropped.get(layer, 0) + 1

    def _wanted(self) -> tuple[str, ...]:
        """Return the layers that can go on with a keyframe: there is room again."""
        if self._units or not self._torn:
            return ()
        now = self._clock()
        wanted = tuple(name for name, at in self._torn.items() if now - at >= ASK_AGAIN_S)
        self._torn.update(dict.fromkeys(wanted, now))
        return wanted

    def _ask(self, layers: tuple[str, ...]) -> None:
        for layer in layers:
            self._request_keyframe(layer)
