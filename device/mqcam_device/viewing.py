"""One viewer as the hub sees it: its way out, its layer, and the one that it is going to.

It must not know other viewers or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mqcam_device.catchup import CatchUp
    from mqcam_device.keyframes import Allowance, Timer
    from mqcam_device.media import AccessUnit


class Egress(Protocol):
    """One viewer's way out."""

    def send(self, unit: AccessUnit) -> bool:
        """Take a unit, or return False if it cannot be sent; must not block.

        After False the next unit is a keyframe. The first unit of another layer is a keyframe too;
        it may have the ``captured_ns`` of the unit before, never an earlier one. Whoever raises
        is detached.
        """
        ...


@dataclass(slots=True, kw_only=True)
class Move:
    """A viewer's way to another layer, whose next keyframe it waits for."""

    layer: str
    timer: Timer
    misses: int = 0


@dataclass(slots=True, kw_only=True)
class Late:
    """The pictures that a viewer has yet to get before it is at the present."""

    queue: CatchUp
    timer: Timer | None = None


@dataclass(slots=True, kw_only=True)
class Viewer:
    """One viewer; ``egress`` is None until it is attached.

    It ``is_flowing`` from a keyframe until it refuses a unit; else ``is_asked`` if a keyframe will
    come. ``sent_ns`` is the capture time of the newest unit sent. While there is something ``late``
    new units wait behind it.
    """

    layer: str
    allowance: Allowance
    egress: Egress | None = None
    is_flowing: bool = False
    is_asked: bool = True
    sent_ns: int = -1
    move: Move | None = None
    late: Late | None = None

    @property
    def goal(self) -> str:
        """The layer whose next keyframe this viewer wants."""
        return self.move.layer if self.move else self.layer
