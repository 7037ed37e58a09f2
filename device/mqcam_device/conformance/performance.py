"""One run of a source through all that an agent does with it, kept for the tests that judge it.

It must not judge: what goes wrong is kept like what goes right.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.errors import SourceError

from mqcam_device.conformance.scene import STOP_S, UNIT_S, snapshot_or_refusal
from mqcam_device.conformance.witness import Witness
from mqcam_device.media import MAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mqcam_device.conformance.rig import Rig
    from mqcam_device.conformance.witness import Arrival
    from mqcam_device.media import (
        AccessUnit,
        ControlInfo,
        ControlValue,
        LayerInfo,
        StreamInfo,
        VideoSource,
    )

NS = 1_000_000_000
BITRATE_S = 2.1
IN_FLIGHT_S = 0.1
"""So long after `pause` a picture that was on its way may still come."""

QUIET_S = 0.15
FEW = 3
UNKNOWN = "no such control"


@dataclass(slots=True)
class ControlTry:
    """What became of setting one control to one value."""

    name: str
    value: ControlValue
    error: str = ""
    after: ControlValue | None = None


@dataclass(slots=True)
class Performance:
    """All that happened; times are CLOCK_MONOTONIC in nanoseconds."""

    info: StreamInfo
    witness: Witness
    paused_units: int = 0
    snapshots: dict[str, bytes | str] = field(default_factory=dict)
    """By what the source did meanwhile; a sentence where there was no picture."""
    bitrate_set_ns: int = 0
    bitrate_bps: int = 0
    keyframe_asked_ns: dict[str, int] = field(default_factory=dict)
    keyframe_promised: dict[str, bool] = field(default_factory=dict)
    starts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """By layer: when it was resumed, and how many of its units had come by then."""
    paused_ns: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By layer: from when to when nothing may come."""
    dragged_along: list[str] = field(default_factory=list)
    """Layers that fell silent when another was paused."""
    framerate_at: dict[str, int] = field(default_factory=dict)
    """By layer: how many of its units had come when the rate was changed."""
    framerate: float = 0.0
    controls: tuple[ControlInfo, ...] = ()
    tries: list[ControlTry] = field(default_factory=list)
    mixed: ControlTry | None = None
    unknown_bitrate_bps: int = -1
    stop_s: float = 0.0
    is_stopped: bool = False
    is_stopped_again: bool = False
    units_after_stop: int = 0

    def arrivals(self, layer: str, since_ns: int = 0) -> list[Arrival]:
        """Return the arrivals of a layer."""
        return [
            each
            for each in self.witness.arrivals
            if each.unit.layer == layer and each.at_ns >= since_ns
        ]

    def first_stretch(self, layer: str) -> list[Arrival]:
        """Return the arrivals of a layer until its first pause: one rate, no holes."""
        begin_ns, _ = self.paused_ns[layer]
        return [each for each in self.arrivals(layer) if each.at_ns < begin_ns]

    def at_other_framerate(self, layer: str) -> list[AccessUnit]:
        """Return the units of a layer from the first keyframe after the rate was changed."""
        units = self.witness.units(layer)[self.framerate_at[layer] :]
        places = [place for place, unit in enumerate(units) if unit.keyframe]
        return units[places[0] :] if places else units[FEW:]


def perform(rig: Rig) -> Performance:
    """Start a source, do everything to it once, and stop it; raises SourceError from `start`."""
    source = rig.make()
    witness = Witness()
    info = source.start(witness.take, witness.hear)
    done = Performance(info=info, witness=witness)
    try:
        for step in (
            _look_while_paused,
            _change_bitrate,
            _pause_and_resume,
            _change_framerate,
            _try_controls,
        ):
            step(source, done, rig)
    finally:
        _stop(source, done)
    return done


def _look_while_paused(source: VideoSource, done: Performance, rig: Rig) -> None:
    done.snapshots["paused"] = snapshot_or_refusal(source, rig.snapshot_s)
    source.request_keyframe()
    done.unknown_bitrate_bps = source.set_bitrate(500_000, "no such layer")
    source.resume("no such layer")
    done.witness.wait_for_more(1, MAIN, QUIET_S)
    done.paused_units = len(done.witness.arrivals)
    _resume(source, done, done.info.layers[:1])


def _change_bitrate(source: VideoSource, done: Performance, rig: Rig) -> None:
    """Halve the rate of MAIN; what does not concern its rate happens until it must be reached."""
    least_bps, most_bps = done.info.bitrate_range_bps or (0, rig.settings.bitrate_bps)
    wanted_bps = min(max(rig.settings.bitrate_bps // 2, least_bps), most_bps)
    done.bitrate_set_ns = time.monotonic_ns()
    done.bitrate_bps = source.set_bitrate(wanted_bps)
    _resume(source, done, done.info.smaller)
    _ask_keyframes(source, done, done.info.smaller)
    done.snapshots["running"] = snapshot_or_refusal(source, UNIT_S)
    if done.info.bitrate_range_bps is not None:
        end_ns = done.bitrate_set_ns + int(BITRATE_S * NS)
        done.witness.wait(lambda: time.monotonic_ns() > end_ns, BITRATE_S + UNIT_S)
    _ask_keyframes(source, done, done.info.layers[:1])


def _ask_keyframes(source: VideoSource, done: Performance, layers: Sequence[LayerInfo]) -> None:
    for layer in layers:
        since = done.witness.count(layer.name)
        done.keyframe_asked_ns[layer.name] = time.monotonic_ns()
        promised = done.keyframe_promised[layer.name] = source.request_keyframe(layer.name)
        if promised:
            done.witness.wait_for_keyframe(since, layer.name, UNIT_S)


def _pause_and_resume(source: VideoSource, done: Performance, _rig: Rig) -> None:
    """Rest MAIN while others go on, then all, then resume all."""
    rested_ns = {}
    for layer in done.info.layers:
        source.pause(layer.name)
        rested_ns[layer.name] = time.monotonic_ns() + int(IN_FLIGHT_S * NS)
        for other in done.info.smaller:
            if other.name not in rested_ns and not done.witness.wait_for_more(
                FEW, other.name, UNIT_S
            ):
                done.dragged_along.append(other.name)
    time.sleep(IN_FLIGHT_S + QUIET_S)  # nothing may come, so there is nothing to wait for
    _resume(source, done, done.info.layers)
    for name, begin_ns in rested_ns.items():
        done.paused_ns[name] = (begin_ns, done.starts[name][-1][0])


def _resume(source: VideoSource, done: Performance, layers: Sequence[LayerInfo]) -> None:
    for layer in layers:
        resumed = time.monotonic_ns(), done.witness.count(layer.name)
        done.starts.setdefault(layer.name, []).append(resumed)
        source.resume(layer.name)
    for layer in layers:
        (_, count) = done.starts[layer.name][-1]
        done.witness.wait_for(count + FEW, layer.name, UNIT_S)


def _change_framerate(source: VideoSource, done: Performance, _rig: Rig) -> None:
    done.framerate_at = {each.name: done.witness.count(each.name) for each in done.info.layers}
    done.framerate = source.set_framerate(done.info.fps_max / 2)
    done.witness.wait_for_more(2 * FEW, MAIN, UNIT_S)


def _try_controls(source: VideoSource, done: Performance, _rig: Rig) -> None:
    """Set each control to a value that it has or takes, and one that there is not."""
    done.controls = source.controls()
    for control in done.controls:
        done.tries.append(_set(source, control.name, {control.name: _value_for(control)}))
    known = {each.name: _value_for(each) for each in done.controls[:1]}
    before = {each.name: each.value for each in source.controls()}
    done.mixed = _set(source, UNKNOWN, {**known, UNKNOWN: 1.0})
    if before != {each.name: each.value for each in source.controls()}:
        done.mixed.after = "others were changed"
    done.witness.wait_for_more(1, MAIN, UNIT_S)


def _stop(source: VideoSource, done: Performance) -> None:
    begun = time.monotonic()
    done.is_stopped = source.stop(STOP_S)
    done.stop_s = time.monotonic() - begun
    count = len(done.witness.arrivals)
    done.is_stopped_again = source.stop(STOP_S)
    time.sleep(QUIET_S)  # nothing may come
    done.units_after_stop = len(done.witness.arrivals) - count


def _value_for(control: ControlInfo) -> ControlValue:
    if control.value is not None:
        return control.value
    if control.kind == "number":
        return control.least or 0.0
    if control.kind == "choice":
        return control.choices[0]
    return (0.0, 0.0, 1.0, 1.0) if control.kind == "area" else False


def _set(source: VideoSource, name: str, values: Mapping[str, ControlValue]) -> ControlTry:
    tried = ControlTry(name, values[name])
    try:
        source.set_controls(values)
    except SourceError as error:
        tried.error = str(error)
    tried.after = next((each.value for each in source.controls() if each.name == name), None)
    return tried
