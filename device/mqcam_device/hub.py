"""Fan one encoded stream per layer out to its viewers, and keep keyframes few.

It must not know sockets, processes or an event loop: clock and timers are arguments.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mqcam.log import fields

from mqcam_device.media import MAIN

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit

logger = logging.getLogger(__name__)


class Egress(Protocol):
    """One viewer's way out."""

    def send(self, unit: AccessUnit) -> object:
        """Take a unit, False if it could not be sent; must not block. Who raises is detached."""
        ...


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> object:
        """Forget the call."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]


@dataclass(slots=True, kw_only=True)
class _Viewer:
    """``egress`` is None until attached; ``is_started`` from the first keyframe on."""

    layer: str
    egress: Egress | None = None
    is_started: bool = False


@dataclass(slots=True)
class _Layer:
    """One encoder's output: its newest pictures, and when a keyframe was asked for."""

    gop: list[AccessUnit] = field(default_factory=list)
    gop_bytes: int = 0
    gop_began_at: float = 0.0
    next_seq: int | None = None
    asked_at: float = float("-inf")
    timer: Timer | None = None


class Hub:
    """Viewers keyed by session, layers keyed by name; units are not queued here.

    ``set_active(layer, True)`` promises a keyframe as the layer's next unit, so the hub does not
    ask for one on top of it. Of each layer the hub keeps the pictures since the last keyframe
    while they are within ``replay_age_s`` and ``replay_bytes``, for those who join just then.
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
    ) -> None:
        self._request_keyframe = request_keyframe
        self._set_active = set_active
        self._clock = clock
        self._call_later = call_later
        self._on_fault = on_fault
        self._keyframe_interval_s = keyframe_interval_s
        self._replay_age_s = replay_age_s
        self._replay_bytes = replay_bytes
        self._viewers: dict[Hashable, _Viewer] = {}
        self._layers: dict[str, _Layer] = {}

    def expect(self, key: Hashable, layer: str = MAIN) -> None:
        """Make a keyframe ready for a viewer whose offer has been authorised."""
        if key in self._viewers:
            return
        self._viewers[key] = _Viewer(layer=layer)
        self._want(layer)

    def attach(self, key: Hashable, egress: Egress, layer: str = MAIN) -> None:
        """Send to this viewer, from a recent keyframe on if there is one, else from the next.

        A key that is attached already continues on the new way out or layer from a keyframe.
        """
        former = self._viewers.get(key)
        viewer = self._viewers[key] = _Viewer(layer=layer, egress=egress)
        if former is not None and former.layer != layer:
            self._rest_if_unused(former.layer)
        state = self._layers.get(layer)
        if state is None or not self._is_replayable(state):
            self._want(layer)
            return
        viewer.is_started = True
        for unit in tuple(state.gop):
            if self._viewers.get(key) is not viewer:
                return
            self._send(key, viewer, unit)

    def detach(self, key: Hashable) -> None:
        """Forget a viewer, expected or attached; the last one of a layer stops its encoder."""
        viewer = self._viewers.pop(key, None)
        if viewer is not None:
            self._rest_if_unused(viewer.layer)

    def request_keyframe(self, key: Hashable) -> None:
        """Serve a viewer's PLI or FIR, at most one per interval and layer."""
        viewer = self._viewers.get(key)
        if viewer is not None:
            self._want(viewer.layer)

    def publish(self, unit: AccessUnit) -> None:
        """Send a unit to all who look at its layer; a late one of a resting layer is dropped."""
        layer = self._layers.get(unit.layer)
        if layer is None:
            return
        if unit.keyframe:
            self._begin_gop(layer, unit)
        elif unit.seq != layer.next_seq:
            # Units are lost before this one: decoders would show debris until a keyframe.
            layer.next_seq = None
            layer.gop.clear()
            self._want(unit.layer)
            return
        else:
            self._extend_gop(layer, unit)
        layer.next_seq = unit.seq + 1
        for key, viewer in tuple(self._viewers.items()):
            if viewer.layer != unit.layer or viewer.egress is None:
                continue
            viewer.is_started = viewer.is_started or unit.keyframe
            if viewer.is_started and self._viewers.get(key) is viewer:
                self._send(key, viewer, unit)

    def describe(self) -> dict[str, int]:
        """Return how many viewers each active layer has."""
        counts = dict.fromkeys(self._layers, 0)
        for viewer in self._viewers.values():
            counts[viewer.layer] += 1
        return counts

    def _send(self, key: Hashable, viewer: _Viewer, unit: AccessUnit) -> None:
        if viewer.egress is None:
            return
        try:
            viewer.egress.send(unit)
        except Exception as error:  # noqa: BLE001 - one viewer's trouble is not the others'
            logger.warning("viewer detached", extra=fields(error=repr(error)))
            if self._viewers.get(key) is viewer:
                self.detach(key)
            if self._on_fault is not None:
                self._on_fault(key, error)

    def _want(self, name: str) -> None:
        """Get a keyframe on this layer soon: wake it, ask now, or ask when the interval ends."""
        layer = self._layers.get(name)
        now = self._clock()
        if layer is None:
            self._layers[name] = _Layer(asked_at=now)
            self._set_active(name, True)
            return
        if layer.timer is not None:
            return
        rest_s = layer.asked_at + self._keyframe_interval_s - now
        if rest_s > 0:
            layer.timer = self._call_later(rest_s, lambda: self._ask(name, layer))
        else:
            self._ask(name, layer)

    def _ask(self, name: str, layer: _Layer) -> None:
        layer.timer = None
        layer.asked_at = self._clock()
        self._request_keyframe(name)

    def _rest_if_unused(self, name: str) -> None:
        if any(viewer.layer == name for viewer in self._viewers.values()):
            return
        layer = self._layers.pop(name, None)
        if layer is None:
            return
        if layer.timer is not None:
            layer.timer.cancel()
        self._set_active(name, False)

    def _begin_gop(self, layer: _Layer, keyframe: AccessUnit) -> None:
        if layer.timer is not None:  # whoever waited for the timer has a keyframe now
            layer.timer.cancel()
            layer.timer = None
        layer.gop = [keyframe]
        layer.gop_bytes = len(keyframe.data)
        layer.gop_began_at = self._clock()

    def _extend_gop(self, layer: _Layer, unit: AccessUnit) -> None:
        if not layer.gop:
            return
        layer.gop.append(unit)
        layer.gop_bytes += len(unit.data)
        if not self._is_replayable(layer):
            layer.gop = []

    def _is_replayable(self, layer: _Layer) -> bool:
        age_s = self._clock() - layer.gop_began_at
        is_small = layer.gop_bytes <= self._replay_bytes
        return bool(layer.gop) and is_small and age_s <= self._replay_age_s
