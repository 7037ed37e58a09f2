"""Fan one encoded stream per layer out to its viewers, and keep keyframes few.

It must not know sockets, processes or an event loop: clock and timers are arguments.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Protocol

from mqcam_device.media import MAIN

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit

log = logging.getLogger(__name__)


class Egress(Protocol):
    """One viewer's way out."""

    def send(self, unit: AccessUnit) -> None:
        """Take a unit; must not block. Whoever raises is detached."""
        ...


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Forget the call."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class Hub:
    """Viewers keyed by session, layers keyed by name; nothing is queued here.

    ``set_active(layer, True)`` promises a keyframe as the layer's next unit, so the hub does not
    ask for one on top of it.
    """

    def __init__(
        self,
        *,
        request_keyframe: Callable[[str], None],
        set_active: Callable[[str, bool], None],
        clock: Callable[[], float],
        call_later: CallLater,
        on_fault: Callable[[Hashable, Exception], None] | None = None,
        keyframe_interval_s: float = 0.3,
        replay_age_s: float = 0.5,
        replay_bytes: int = 100_000,
    ) -> None: ...

    def expect(self, key: Hashable, layer: str = MAIN) -> None:
        """Make a keyframe ready for a viewer whose offer has been authorised."""
        raise NotImplementedError

    def attach(self, key: Hashable, egress: Egress, layer: str = MAIN) -> None:
        """Send to this viewer, from a recent keyframe on if there is one, else from the next."""
        raise NotImplementedError

    def detach(self, key: Hashable) -> None:
        """Forget a viewer, expected or attached; the last one of a layer stops its encoder."""
        raise NotImplementedError

    def request_keyframe(self, key: Hashable) -> None:
        """Serve a viewer's PLI or FIR, at most one per interval and layer."""
        raise NotImplementedError

    def publish(self, unit: AccessUnit) -> None:
        """Send a unit to all who look at its layer."""
        raise NotImplementedError
