"""The tests of a source in this process. Needs pytest.

It must not know any kind of source: what one cannot do, its StreamInfo says.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from mqcam_device.conformance import judgement
from mqcam_device.conformance.performance import Performance, perform
from mqcam_device.conformance.rig import Fault, Rig
from mqcam_device.conformance.scene import (
    STOP_S,
    UNIT_S,
    Gate,
    brief_look,
    new_leftovers,
    open_things,
    opened,
    seconds_of,
    snapshot_or_refusal,
    started,
)
from mqcam_device.conformance.witness import Witness
from mqcam_device.media import MAIN, SourceState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mqcam_device.media import AccessUnit, VideoSource

SLACK_S = 0.5
"""What a deadline may be missed by: a busy machine is no fault."""

BRIEF_S = 0.3
UNTROUBLED = None
A_WHILE_S = 2.0


def require(is_so: bool, sentence: str) -> None:
    """Fail the test with a sentence for whoever writes the source."""
    if not is_so:
        pytest.fail(sentence, pytrace=False)


def require_none(found: list[str]) -> None:
    """Fail the test with the first few of what was found."""
    require(not found, "; ".join(found[:5]))


class SourceConformance:
    """What every source does, in this process. Set ``rig_type`` in a subclass ``Test...``."""

    rig_type: ClassVar[type[Rig]] = Rig

    @pytest.fixture(scope="class")
    @classmethod
    def performance(cls) -> Performance:
        """Let one source do everything once; most tests judge it."""
        with opened(cls.rig_type) as rig:
            return perform(rig)

    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        """Open a rig for one test."""
        with opened(self.rig_type) as rig:
            yield rig

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Hurt the source in each way that its rig knows."""
        if "fault" in metafunc.fixturenames:
            faults = (UNTROUBLED, *self.rig_type.faults)
            metafunc.parametrize("fault", faults, ids=[f.value if f else "well" for f in faults])

    def test_nothing_is_encoded_before_it_is_resumed(self, performance: Performance) -> None:
        require(performance.paused_units == 0, "units came before a layer was resumed")

    def test_each_layer_begins_with_a_keyframe(self, performance: Performance) -> None:
        for layer, resumed in performance.starts.items():
            for _, count in resumed:
                require_none(judgement.wrong_start(performance.witness.units(layer)[count:]))

    def test_a_paused_layer_is_silent_and_others_go_on(self, performance: Performance) -> None:
        for layer, (begin_ns, end_ns) in performance.paused_ns.items():
            arrivals = performance.arrivals(layer, begin_ns)
            late = sum(each.at_ns < end_ns for each in arrivals)
            require(late == 0, f"{late} units of {layer} came while it was paused")
        dragged = performance.dragged_along
        require(not dragged, f"{dragged} fell silent when {MAIN} was paused, and only {MAIN}")

    def test_keyframes_are_those_that_are_said_to_be(self, performance: Performance) -> None:
        for layer in performance.info.layers:
            require_none(judgement.wrong_labels(performance.witness.units(layer.name)))

    def test_each_unit_is_one_picture_without_delay(self, performance: Performance) -> None:
        for layer in performance.info.layers:
            require_none(judgement.wrong_pictures(performance.witness.units(layer.name)))

    def test_sizes_and_profile_are_as_announced(self, performance: Performance) -> None:
        info = performance.info
        for layer in info.layers:
            profile = info.profile_level_id if layer.name == MAIN else None
            units = performance.witness.units(layer.name)
            require_none(judgement.wrong_parameters(units, layer, profile))

    def test_only_h264_is_announced_with_a_range_of_frame_rates(
        self, performance: Performance
    ) -> None:
        info = performance.info
        require(info.codec == "h264", f"the codec is {info.codec}: viewers understand h264 only")
        for layer in info.layers:
            is_range = 0 < layer.fps_min <= layer.fps_max
            require(is_range, f"{layer.name} has {layer.fps_min:g} to {layer.fps_max:g} pictures/s")

    def test_numbers_grow_by_one(self, performance: Performance) -> None:
        for layer in performance.info.layers:
            require_none(judgement.wrong_numbers(performance.witness.units(layer.name)))

    def test_times_are_monotonic_and_pictures_young(self, performance: Performance) -> None:
        for layer in performance.info.layers:
            stretch = performance.first_stretch(layer.name)
            require_none(judgement.wrong_times(stretch, layer))

    def test_a_keyframe_comes_soon_after_its_request(self, performance: Performance) -> None:
        promised = performance.keyframe_promised
        require(
            promised[MAIN] == performance.info.can_force_keyframe,
            f"can_force_keyframe is {performance.info.can_force_keyframe}, and request_keyframe "
            f"says {promised[MAIN]}",
        )
        for layer in (name for name, is_promised in promised.items() if is_promised):
            asked_ns = performance.keyframe_asked_ns[layer]
            arrivals = performance.arrivals(layer)
            require_none(judgement.wrong_keyframe_delay(arrivals, asked_ns))

    def test_a_changed_bit_rate_is_reached_in_two_seconds(self, performance: Performance) -> None:
        bounds = performance.info.bitrate_range_bps
        applied_bps = performance.bitrate_bps
        if bounds is None:
            require(applied_bps == 0, "no bit rate can be set, and one is said to be applied")
            return
        least, most = bounds
        require(least <= applied_bps <= most, f"{applied_bps} bit/s are outside the own range")
        units = performance.witness.units(MAIN)
        require_none(judgement.wrong_bitrate(units, performance.bitrate_set_ns, applied_bps))

    def test_a_frame_rate_is_a_cap_and_what_is_applied_is_told(
        self, performance: Performance
    ) -> None:
        info, applied = performance.info, performance.framerate
        require(0 < applied <= info.fps_max, f"set_framerate says {applied:g} pictures/s")
        for layer in info.layers:
            units = performance.at_other_framerate(layer.name)
            require_none(judgement.wrong_pace(units, min(applied, layer.fps_max)))

    def test_snapshots_come_while_it_runs_and_while_it_rests(
        self, performance: Performance
    ) -> None:
        info = performance.info
        for meanwhile, snapshot in performance.snapshots.items():
            if isinstance(snapshot, str):
                pytest.fail(f"no snapshot while {meanwhile}: {snapshot}", pytrace=False)
            require_none(judgement.wrong_jpeg(snapshot, info.width, info.height))

    def test_controls_take_what_they_say_and_refuse_the_rest(
        self, performance: Performance
    ) -> None:
        names = [control.name for control in performance.controls]
        require(len({*names}) == len(names), "two controls have one name")
        for tried in performance.tries:
            require(not tried.error, f"{tried.name} does not take {tried.value}: {tried.error}")
            require(
                tried.after == tried.value,
                f"{tried.name} was set to {tried.value} and is said to be {tried.after}",
            )
        mixed = performance.mixed
        require(mixed is not None and bool(mixed.error), "a control that there is not was taken")
        require(
            mixed is not None and mixed.after is None,
            "a control was changed although another of the same call was refused",
        )

    def test_wishes_for_a_layer_that_there_is_not_do_nothing(
        self, performance: Performance
    ) -> None:
        announced = {layer.name for layer in performance.info.layers}
        came = {each.unit.layer for each in performance.witness.arrivals}
        require(came <= announced, f"units came of {sorted(came - announced)}, never announced")
        applied_bps = performance.unknown_bitrate_bps
        require(applied_bps == 0, f"{applied_bps} bit/s are applied to a layer that there is not")

    def test_it_does_not_fail(self, performance: Performance) -> None:
        require_none([text for text in [performance.witness.failure()] if text])

    def test_stopping_takes_no_longer_than_allowed_and_is_the_end(
        self, performance: Performance
    ) -> None:
        require(performance.is_stopped, "stop says that the source hangs")
        require(performance.stop_s < STOP_S + SLACK_S, f"stop took {performance.stop_s:.1f} s")
        require(performance.is_stopped_again, "the second stop says that the source hangs")
        require(performance.units_after_stop == 0, "units came after stop")

    def test_stopping_before_the_start_is_harmless(self, rig: Rig) -> None:
        require(rig.make().stop(STOP_S), "stop says that a source which was not started hangs")

    def test_a_new_one_starts_after_the_old_and_nothing_is_left(self, rig: Rig) -> None:
        brief_look(rig)  # what is loaded once may stay
        before = open_things()
        brief_look(rig)
        left = new_leftovers(before)
        require(not left, f"left after stop: {', '.join(left)}")

    def test_a_sink_that_raises_does_not_end_it(self, rig: Rig) -> None:
        witness, left = Witness(), [3]

        def sink(unit: AccessUnit) -> None:
            if left[0]:
                left[0] -= 1
                raise ZeroDivisionError("a mistake of the sink's")
            witness.take(unit)

        with started(rig, sink, witness) as source:
            source.resume()
            require(
                witness.wait_for_more(3, MAIN, UNIT_S), "no unit came after the sink had raised"
            )
            require_none([text for text in [witness.failure()] if text])

    def test_a_sink_that_blocks_hangs_nobody_and_does_not_end_it(self, rig: Rig) -> None:
        self._block(rig, 0.0)

    @pytest.mark.long
    def test_a_sink_that_blocks_for_two_seconds_does_not_end_it(self, rig: Rig) -> None:
        self._block(rig, A_WHILE_S)

    def _block(self, rig: Rig, blocked_s: float) -> None:
        gate = Gate()
        with started(rig, gate.take, gate.witness) as source:
            source.resume()
            require(gate.entered.wait(UNIT_S), "no unit came")
            for name, call in _wishes(source).items():
                took_s = seconds_of(call)
                limit_s = BRIEF_S + SLACK_S
                require(took_s < limit_s, f"{name} took {took_s:.1f} s while the sink blocked")
            time.sleep(blocked_s)
            gate.opened.set()
            require(
                gate.witness.wait_for_more(3, MAIN, UNIT_S), "no unit came after the sink's block"
            )
            require_none([text for text in [gate.witness.failure()] if text])

    def test_stopping_is_bounded_while_the_sink_blocks(self, rig: Rig) -> None:
        gate = Gate()
        source = rig.make()
        source.start(gate.take, gate.witness.hear)
        source.resume()
        try:
            require(gate.entered.wait(UNIT_S), "no unit came")
            took_s = seconds_of(lambda: source.stop(BRIEF_S))
            require(took_s < BRIEF_S + SLACK_S, f"stop took {took_s:.1f} s instead of {BRIEF_S}")
        finally:
            gate.opened.set()
            is_stopped = source.stop(STOP_S)
        require(is_stopped, "the source did not end after its sink went on")

    def test_whatever_happens_it_answers_and_stops_in_time(
        self, rig: Rig, fault: Fault | None
    ) -> None:
        witness = Witness()
        source = rig.make()
        source.start(witness.take, witness.hear)
        source.resume()
        try:
            require(witness.wait_for_more(2, MAIN, UNIT_S), "no unit came")
            if fault is not None:
                rig.strike(fault)
                witness.wait(lambda: bool(witness.failure()), BRIEF_S)
            took_s = seconds_of(lambda: snapshot_or_refusal(source, BRIEF_S))
            require(took_s < BRIEF_S + SLACK_S, f"a snapshot within {BRIEF_S} s took {took_s:.1f}")
            took_s = seconds_of(lambda: source.stop(STOP_S))
            require(took_s < STOP_S + SLACK_S, f"stop within {STOP_S} s took {took_s:.1f}")
        finally:
            rig.heal()
            source.stop(STOP_S)
        states = [state for state, _, _ in witness.states]
        require(fault is not None or SourceState.FAILED not in states, witness.failure())
        require_none(judgement.wrong_labels(witness.units(MAIN)))


def _wishes(source: VideoSource) -> dict[str, Callable[[], object]]:
    """Return all calls that an agent may make at any time, by name."""
    return {
        "request_keyframe": source.request_keyframe,
        "set_bitrate": lambda: source.set_bitrate(500_000),
        "set_framerate": lambda: source.set_framerate(30.0),
        "resume": source.resume,
        "controls": source.controls,
        "snapshot": lambda: snapshot_or_refusal(source, BRIEF_S),
    }
