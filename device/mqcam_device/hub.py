"""Fan one encoded stream per layer out to its viewers, and move viewers between layers.

It must not know sockets, processes or an event loop: clock and timers are arguments.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.log import fields

from mqcam_device.catchup import LATE_S, NS, CatchUp
from mqcam_device.group import Group
from mqcam_device.keyframes import Allowance, Requests, Verdict
from mqcam_device.media import LOW, MAIN
from mqcam_device.viewing import Late, Move, Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable

    from mqcam_device.keyframes import CallLater
    from mqcam_device.media import AccessUnit
    from mqcam_device.viewing import Egress

logger = logging.getLogger(__name__)

MOVE_S: Final = 2.0
MOVE_TRIES: Final = 3
"""So many deadlines may pass before a layer that does not come is given up."""

REPLAY_S: Final = 0.5
REPLAY_BYTES: Final = 100_000
"""Who joins within this of a keyframe gets the pictures since."""

UNFORCED_REPLAY_S: Final = 10.0
UNFORCED_REPLAY_BYTES: Final = 2_000_000
"""What is replayed of a camera that makes keyframes when it likes: all since the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """One encoder's output."""

    group: Group
    requests: Requests


class Hub:
    """Viewers keyed by session, layers keyed by name; units are not queued here.

    ``set_active(layer, True)`` promises a keyframe as the layer's next unit, so the hub does not
    ask for one on top of it. ``on_overdrawn`` gets a viewer that used up its keyframes, once until
    it has one again. Where keyframes come unasked only, more is replayed, and paced.
    """

    def __init__(
        self,
        *,
        request_keyframe: Callable[[str], None],
        set_active: Callable[[str, bool], None],
        clock: Callable[[], float],
        call_later: CallLater,
        on_fault: Callable[[Hashable, Exception], None] | None = None,
        on_overdrawn: Callable[[Hashable], None] | None = None,
        keyframe_interval_s: float = 0.3,
    ) -> None:
        self._request_keyframe = request_keyframe
        self._set_active = set_active
        self._clock = clock
        self._call_later = call_later
        self._on_fault = on_fault
        self._on_overdrawn = on_overdrawn
        self._keyframe_interval_s = keyframe_interval_s
        self._can_force_keyframe = self._has_low = True
        self._viewers: dict[Hashable, Viewer] = {}
        self._layers: dict[str, _Layer] = {}

    def note_source(self, *, layers: Collection[str], can_force_keyframe: bool) -> None:
        """Note which layers there are, and whether keyframes come when they are asked for."""
        self._has_low = LOW in layers
        self._can_force_keyframe = can_force_keyframe
        for layer in self._layers.values():
            layer.group.bound(max_age_s=self._window[0], max_bytes=self._window[1])

    @property
    def _window(self) -> tuple[float, int]:
        """How old and how large a group may be that is replayed."""
        if self._can_force_keyframe:
            return REPLAY_S, REPLAY_BYTES
        return UNFORCED_REPLAY_S, UNFORCED_REPLAY_BYTES

    def expect(self, key: Hashable, layer: str = MAIN) -> None:
        """Make a keyframe ready for a viewer whose offer has been authorised.

        Who wishes for a layer that the source does not have gets the main one.
        """
        if key in self._viewers:
            return
        if layer == LOW and not self._has_low:
            layer = MAIN
        self._viewers[key] = Viewer(layer=layer, allowance=Allowance(self._clock()))
        self._want(layer)

    def attach(self, key: Hashable, egress: Egress, layer: str | None = None) -> None:
        """Send to this viewer, from a recent keyframe on if there is one, else from the next.

        Without a layer it is the one it was expected on. A key that is attached already continues
        on the new way out or layer from a keyframe.
        """
        former = self._viewers.get(key)
        name = layer or (former.layer if former else MAIN)
        allowance = former.allowance if former else Allowance(self._clock())
        viewer = self._viewers[key] = Viewer(layer=name, allowance=allowance, egress=egress)
        if former is not None:
            viewer.sent_ns = former.sent_ns if former.egress is egress else -1
            self._release(former)
        state = self._layers.get(name)
        units = state.group.recent(self._clock()) if state else ()
        if not units or units[0].captured_ns < viewer.sent_ns:
            self._want(name)
            return
        for unit in units:
            if self._viewers.get(key) is viewer and (unit.keyframe or viewer.is_flowing):
                self._send_in_time(key, viewer, unit)

    def detach(self, key: Hashable) -> None:
        """Forget a viewer, expected or attached; the last one of a layer stops its encoder."""
        viewer = self._viewers.pop(key, None)
        if viewer:
            self._release(viewer)

    def layer_of(self, key: Hashable) -> str | None:
        """Return the layer that a viewer is on, also while it waits for another; None unknown."""
        return self._viewers[key].layer if key in self._viewers else None

    def move(self, key: Hashable, layer: str) -> None:
        """Switch a viewer to another layer at that layer's next keyframe; it misses no picture.

        Its own layer, or yet another one, calls off a move that has not come to its end. After
        ``move_s`` without a keyframe it is asked again, after ``MOVE_TRIES`` times it stays.
        """
        viewer = self._viewers.get(key)
        if viewer is None or viewer.goal == layer:
            return
        if viewer.layer == layer:
            self._stay(viewer)
            return
        self._call_off(viewer)
        if viewer.egress is None:
            self._want(layer)
            self._change(viewer, layer)
            return
        timer = self._call_later(MOVE_S, lambda: self._miss(viewer))
        viewer.move = Move(layer=layer, timer=timer)
        self._want(layer)

    def request_keyframe(self, key: Hashable, *, round_trip_s: float = 0.0) -> None:
        """Serve a PLI or FIR within the viewer's allowance, if no keyframe is on its way to it."""
        viewer = self._viewers.get(key)
        if viewer is not None:
            self._ask_for(key, viewer, round_trip_s=round_trip_s)

    def publish(self, unit: AccessUnit) -> None:
        """Send a unit to all who look at its layer; a late one of a resting layer is dropped."""
        layer = self._layers.get(unit.layer)
        if layer is None:
            return
        if not layer.group.take(unit, self._clock()):
            layer.requests.want()
            return
        if unit.keyframe:
            layer.requests.settle()
        for key, viewer in tuple(self._viewers.items()):
            if viewer.egress is not None and self._viewers.get(key) is viewer:
                self._offer(key, viewer, unit)

    def describe(self) -> dict[str, int]:
        """Return how many viewers each active layer has."""
        counts = dict.fromkeys(self._layers, 0)
        for viewer in self._viewers.values():
            counts[viewer.layer] += 1
        return counts

    def _offer(self, key: Hashable, viewer: Viewer, unit: AccessUnit) -> None:
        """Send a unit to a viewer if it is of its layer, or the keyframe that it moves with."""
        if unit.keyframe and viewer.move and viewer.move.layer == unit.layer:
            if unit.captured_ns < viewer.sent_ns:
                self._want(unit.layer)  # the encoder was behind: another one
                return
            self._change(viewer, unit.layer)
        if viewer.layer != unit.layer:
            return
        if unit.keyframe or viewer.is_flowing:
            self._send_in_time(key, viewer, unit)
        elif not viewer.is_asked:
            self._ask_for(key, viewer)

    def _send_in_time(self, key: Hashable, viewer: Viewer, unit: AccessUnit) -> None:
        """Send a unit now, or behind those that the viewer is late with."""
        if viewer.late is None and (self._can_force_keyframe or not unit.keyframe):
            self._send(key, viewer, unit)
            return
        now = self._clock()
        if unit.keyframe:
            _forget_late(viewer)  # all before it is of no use any more
            if not self._can_force_keyframe and now - unit.captured_ns / NS > LATE_S:
                viewer.late = Late(queue=CatchUp(unit, now))
                viewer.is_flowing = True
                self._catch_up(key, viewer)
                return
        late = viewer.late
        if late is None or late.queue.is_done(now):
            viewer.late = None
            self._send(key, viewer, unit)
        elif not late.queue.add(unit):
            _forget_late(viewer)
            viewer.is_flowing = viewer.is_asked = False
        elif late.timer is None:
            self._catch_up(key, viewer)

    def _catch_up(self, key: Hashable, viewer: Viewer) -> None:
        """Send the late pictures that are due, and come back for the rest."""
        late, now = viewer.late, self._clock()
        if late is None:
            return
        late.timer = None
        for unit in late.queue.take(now):
            self._send(key, viewer, unit)
            if viewer.late is not late or not viewer.is_flowing:
                _forget_late(viewer)
                return
        if late.queue:
            delay_s = max(late.queue.next_at - now, 0.0)
            late.timer = self._call_later(delay_s, lambda: self._catch_up(key, viewer))

    def _send(self, key: Hashable, viewer: Viewer, unit: AccessUnit) -> None:
        if viewer.egress is None:
            return
        try:
            is_taken = viewer.egress.send(unit)
        except Exception as error:  # noqa: BLE001 - one viewer's trouble is not the others'
            logger.warning("viewer detached", extra=fields(error=repr(error)))
            if self._viewers.get(key) is viewer:
                self.detach(key)
            if self._on_fault is not None:
                self._on_fault(key, error)
            return
        if unit.keyframe:
            viewer.allowance.note_keyframe(self._clock(), is_sent=is_taken)
        viewer.is_flowing = is_taken
        if is_taken:
            viewer.sent_ns = unit.captured_ns
        elif self._viewers.get(key) is viewer:
            viewer.is_asked = False
            self._ask_for(key, viewer)

    def _ask_for(self, key: Hashable, viewer: Viewer, *, round_trip_s: float = 0.0) -> None:
        """Ask for a keyframe at this viewer's expense."""
        verdict = viewer.allowance.judge(self._clock(), round_trip_s=round_trip_s)
        if verdict is Verdict.GRANTED:
            viewer.is_asked = True
            self._want(viewer.goal)
        elif verdict is Verdict.EXHAUSTED and self._on_overdrawn is not None:
            self._on_overdrawn(key)

    def _want(self, name: str) -> None:
        """Get a keyframe on this layer soon: wake it, or ask."""
        layer = self._layers.get(name)
        if layer is not None:
            layer.requests.want()
            return
        self._layers[name] = _Layer(
            group=Group(max_age_s=self._window[0], max_bytes=self._window[1]),
            requests=Requests(
                lambda: self._request_keyframe(name),
                interval_s=self._keyframe_interval_s,
                clock=self._clock,
                call_later=self._call_later,
            ),
        )
        self._set_active(name, True)

    def _miss(self, viewer: Viewer) -> None:
        """Go on waiting for a layer that did not come in time, or stay."""
        if (move := viewer.move) is None:
            return
        move.misses += 1
        if move.misses < MOVE_TRIES:
            move.timer = self._call_later(MOVE_S, lambda: self._miss(viewer))
            self._want(move.layer)
        else:
            logger.warning("layer does not come", extra=fields(layer=move.layer))
            self._stay(viewer)

    def _stay(self, viewer: Viewer) -> None:
        """Go on where the viewer is; if it stopped, it had asked for the other layer's keyframe."""
        self._call_off(viewer)
        if not viewer.is_flowing:
            self._want(viewer.layer)

    def _change(self, viewer: Viewer, layer: str) -> None:
        former, viewer.layer = viewer.layer, layer
        _forget_late(viewer)
        self._call_off(viewer)
        self._rest_if_unused(former)

    def _call_off(self, viewer: Viewer) -> None:
        """Forget where a viewer was going."""
        move, viewer.move = viewer.move, None
        if move is not None:
            move.timer.cancel()
            self._rest_if_unused(move.layer)

    def _release(self, viewer: Viewer) -> None:
        """Let layers rest that only this viewer used, which is not kept any more."""
        _forget_late(viewer)
        self._call_off(viewer)
        self._rest_if_unused(viewer.layer)

    def _rest_if_unused(self, name: str) -> None:
        if any(name in (viewer.layer, viewer.goal) for viewer in self._viewers.values()):
            return
        layer = self._layers.pop(name, None)
        if layer is not None:
            layer.requests.settle()
            self._set_active(name, False)


def _forget_late(viewer: Viewer) -> None:
    late, viewer.late = viewer.late, None
    if late is not None and late.timer is not None:
        late.timer.cancel()
