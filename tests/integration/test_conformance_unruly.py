"""A source that breaks every promise: each test of the suite that it should fail, it fails."""

from __future__ import annotations

import queue
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SourceError
from mqcam_device.conformance import Rig, SourceConformance
from mqcam_device.conformance import performance as performances
from mqcam_device.conformance.performance import Performance, perform
from mqcam_device.conformance.scene import opened
from mqcam_device.media import LOW, MAIN, AccessUnit, ControlInfo, SourceState
from mqcam_device.sources.selection import make_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mqcam_device.media import (
        ControlValue,
        Sink,
        SourceSettings,
        StateListener,
        StreamInfo,
        VideoSource,
    )

Units = queue.Queue[AccessUnit | None]


class Unruly:
    """A pattern whose thread breaks promises on the way out."""

    def __init__(self, settings: SourceSettings) -> None:
        self._inner = make_source(settings)
        self._units: Units = queue.Queue()
        self._thread: threading.Thread | None = None

    def start(self, sink: Sink, on_state: StateListener) -> StreamInfo:
        info = self._inner.start(self._units.put, on_state)
        self._sink, self._on_state = sink, on_state
        self._thread = threading.Thread(target=self._run, name="unruly", daemon=True)
        self._thread.start()
        self._inner.resume(MAIN)
        return replace(info, width=640, profile_level_id="640028", codec="h265", fps_min=60.0)

    def _run(self) -> None:
        """Leave first units out, label all alike, skip numbers, and die with the sink."""
        try:
            while (unit := self._units.get()) is not None:
                if unit.seq == 0:
                    continue
                layer = "unheard of" if unit.seq == 20 else unit.layer
                captured_ns = unit.captured_ns + 10_000_000_000
                self._sink(AccessUnit(unit.data, captured_ns, True, unit.seq * 2, layer))
        except Exception:  # noqa: BLE001 - as if nobody had thought of it
            return
        self._on_state(SourceState.FAILED, None, "no reason")

    def resume(self, layer: str = MAIN) -> None:
        self._inner.resume(layer)

    def pause(self, layer: str = MAIN) -> None:
        """Rest the wrong layer."""
        self._inner.pause(LOW)

    def request_keyframe(self, layer: str = MAIN) -> bool:
        return False

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> int:
        return 250_000

    def set_framerate(self, fps: float) -> float:
        return 1.0

    def snapshot(self, timeout_s: float) -> bytes:
        raise SourceError("snapshot", "not today")

    def controls(self) -> tuple[ControlInfo, ...]:
        return (ControlInfo(name="gain", kind="number", least=1, most=2),)

    def set_controls(self, values: Mapping[str, ControlValue]) -> None:
        """Take everything and do nothing."""

    def stop(self, timeout_s: float) -> bool:
        """End, and say that it hangs."""
        self._inner.stop(timeout_s)
        self._units.put(None)
        if self._thread is not None:
            self._thread.join(timeout_s)
        return False


class UnrulyRig(Rig):
    """Makes the source that breaks promises."""

    def make(self) -> VideoSource:
        return Unruly(self.settings)


@pytest.fixture(scope="module")
def performance() -> Performance:
    with pytest.MonkeyPatch.context() as patch, opened(UnrulyRig) as rig:
        patch.setattr(performances, "BITRATE_S", 0.5)
        patch.setattr(performances, "UNIT_S", 0.5)
        return perform(rig)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return UnrulyRig(tmp_path)


SUITE = SourceConformance()
JUDGED: dict[str, tuple[Callable[[Performance], None], str]] = {
    "resumed": (SUITE.test_nothing_is_encoded_before_it_is_resumed, "before a layer was resumed"),
    "first": (SUITE.test_each_layer_begins_with_a_keyframe, "comes first and is no IDR"),
    "paused": (SUITE.test_a_paused_layer_is_silent_and_others_go_on, "while it was paused"),
    "labels": (SUITE.test_keyframes_are_those_that_are_said_to_be, "is said to be a keyframe"),
    "sizes": (SUITE.test_sizes_and_profile_are_as_announced, "announced is 640x240"),
    "codec": (SUITE.test_only_h264_is_announced_with_a_range_of_frame_rates, "h265"),
    "numbers": (SUITE.test_numbers_grow_by_one, "unit 4 follows unit 2"),
    "times": (SUITE.test_times_are_monotonic_and_pictures_young, "after it was handed over"),
    "keyframes": (SUITE.test_a_keyframe_comes_soon_after_its_request, "can_force_keyframe is True"),
    "rate": (SUITE.test_a_changed_bit_rate_is_reached_in_two_seconds, "came in the second second"),
    "pace": (SUITE.test_a_frame_rate_is_a_cap_and_what_is_applied_is_told, "at most 1"),
    "snapshots": (SUITE.test_snapshots_come_while_it_runs_and_while_it_rests, "not today"),
    "controls": (SUITE.test_controls_take_what_they_say_and_refuse_the_rest, "is said to be None"),
    "layers": (SUITE.test_wishes_for_a_layer_that_there_is_not_do_nothing, "unheard of"),
    "failing": (SUITE.test_it_does_not_fail, "no reason"),
    "stopping": (SUITE.test_stopping_takes_no_longer_than_allowed_and_is_the_end, "hangs"),
}


@pytest.mark.parametrize("what", JUDGED)
def test_a_broken_promise_is_found(what: str, performance: Performance) -> None:
    test, sentence = JUDGED[what]
    with pytest.raises(pytest.fail.Exception, match=sentence):
        test(performance)


def test_a_source_that_dies_with_its_sink_is_found(rig: Rig) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mqcam_device.conformance.suite.UNIT_S", 0.3)
        with pytest.raises(pytest.fail.Exception, match="after the sink had raised"):
            SUITE.test_a_sink_that_raises_does_not_end_it(rig)


def test_a_stop_that_admits_to_hang_is_found(rig: Rig) -> None:
    with pytest.raises(pytest.fail.Exception, match="not started hangs"):
        SUITE.test_stopping_before_the_start_is_harmless(rig)
