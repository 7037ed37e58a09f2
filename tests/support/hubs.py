"""A hub whose clock, timers and encoders are moved by hand, and viewers that remember.

It must not know tests.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mqcam_device.hub import Hub
from mqcam_device.media import LOW, MAIN, AccessUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Timer:
    """A call to come."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at, self.callback, self.is_cancelled = at, callback, False

    def cancel(self) -> None:
        """Forget it."""
        self.is_cancelled = True


class Viewer:
    """An egress that remembers what it took, and fails or refuses when told to."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.refused: list[AccessUnit] = []
        self.error: Exception | None = None
        self.is_full = False

    def send(self, unit: AccessUnit) -> bool:
        """Take a unit."""
        if self.error:
            raise self.error
        (self.refused if self.is_full else self.units).append(unit)
        return not self.is_full

    @property
    def seqs(self) -> list[int]:
        """The numbers of what it took."""
        return [unit.seq for unit in self.units]

    @property
    def story(self) -> list[tuple[str, int]]:
        """Layers and numbers of what it took."""
        return [(unit.layer, unit.seq) for unit in self.units]


class Rig:
    """The hub, and all that it asked for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.asked: list[tuple[float, str]] = []
        self.active: dict[str, bool] = {}
        self.faults: list[tuple[Hashable, Exception]] = []
        self.overdrawn: list[Hashable] = []
        self.next_seqs: Counter[str] = Counter()
        self.hub = Hub(
            request_keyframe=lambda layer: self.asked.append((round(self.now, 3), layer)),
            set_active=self.active.__setitem__,
            clock=lambda: self.now,
            call_later=self.call_later,
            on_fault=lambda key, error: self.faults.append((key, error)),
            on_overdrawn=self.overdrawn.append,
        )

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Note a call."""
        timer = Timer(self.now + delay_s, callback)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass, with what is due in it."""
        end = self.now + seconds
        while due := [t for t in self.timers if t.at <= end and not t.is_cancelled]:
            timer = min(due, key=lambda t: t.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.callback()
        self.now = end

    def publish(
        self,
        *,
        keyframe: bool = False,
        size: int = 1000,
        layer: str = MAIN,
        captured_ns: int | None = None,
    ) -> None:
        """Let an encoder deliver; the picture is of this moment unless said otherwise."""
        captured_ns = int(self.now * 1e9) if captured_ns is None else captured_ns
        unit = AccessUnit(bytes(size), captured_ns, keyframe, self.next_seqs[layer], layer)
        self.next_seqs[layer] += 1
        self.hub.publish(unit)

    def lose(self, units: int = 1, layer: str = MAIN) -> None:
        """Let units be lost before the hub."""
        self.next_seqs[layer] += units


class Encoders:
    """Two layers as the capture child delivers them: keyframes when asked, only while active."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._was_active: dict[str, bool] = {}
        self._served = 0

    def show(self) -> None:
        """Encode one picture, main first."""
        rig = self._rig
        asked = {layer for _, layer in rig.asked[self._served :]}
        self._served = len(rig.asked)
        for layer in (MAIN, LOW):
            is_active = rig.active.get(layer, False)
            is_new = is_active and not self._was_active.get(layer, False)
            self._was_active[layer] = is_active
            if is_active:
                rig.publish(keyframe=is_new or layer in asked, layer=layer, size=9000)
        rig.advance(1 / 30)


def watching(rig: Rig) -> Viewer:
    """Let a viewer watch main, from a keyframe a second ago on."""
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    rig.publish(keyframe=True)
    rig.advance(1.0)
    return viewer
