"""Paths, encoders and layers joined: a recorded hub, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.arrivals import Arrivals
from mqcam_device.director import UNKNOWN_PATH_BPS, Director
from mqcam_device.hub import Hub
from mqcam_device.media import LOW, MAIN, AccessUnit

if TYPE_CHECKING:
    from mqcam_device.keyframes import Timer
    from mqcam_device.rate.path import PathRate

START_BPS, CEILING_BPS = 1_500_000, 4_000_000
PACKET_BYTES, FRAME_S = 1200, 1 / 30


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Never:
    """A call that is never made."""

    def cancel(self) -> None:
        """Forget it."""


class Taker:
    """A way out that takes everything."""

    def send(self, _unit: AccessUnit) -> bool:
        """Take a unit."""
        return True


class Rig:
    """A director over a true hub; encoders are told into ``told``."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[int, str]] = []
        self.active: set[str] = set()
        self.hub = Hub(
            request_keyframe=lambda _: None,
            set_active=self._set_active,
            clock=self.clock,
            call_later=self._call_later,
        )
        self.director = Director(
            self.hub,
            set_bitrate=lambda bps, layer: self.told.append((bps, layer)),
            start_bps=START_BPS,
            ceiling_bps=CEILING_BPS,
            uplink_max_bps=None,
        )
        self.paths: dict[str, PathRate] = {}
        self._numbers: dict[str, int] = {}

    def enter(self, key: str) -> None:
        """Let a viewer in and attach it."""
        self.hub.expect(key)
        self.paths[key] = self.director.enter(key, self.clock.now)
        self.hub.attach(key, Taker())
        self._numbers[key] = 0

    def run(self, seconds: float, *, delays_s: dict[str, float] | None = None) -> None:
        """Let viewers get 2 Mbit/s and report on them, ``delays_s`` later with each second."""
        per_frame = 7
        for frame in range(round(seconds / FRAME_S)):
            self.clock.now += FRAME_S
            for key, path in self.paths.items():
                first = self._numbers[key]
                path.sent_run(first, per_frame, PACKET_BYTES, self.clock.now)
                self._numbers[key] += per_frame
                late_s = (delays_s or {}).get(key, 0.0) * frame * FRAME_S
                at_us = int((self.clock.now + 0.01 + late_s) * 1e6)
                path.take_arrivals(
                    Arrivals(
                        first & 0xFFFF,
                        per_frame,
                        at_us,
                        frame & 0xFF,
                        [((first + n) & 0xFFFF, at_us + n * 500) for n in range(per_frame)],
                    ),
                    self.clock.now + 0.02,
                )
            if frame % 3 == 0:
                self.director.decide(self.clock.now)

    def _set_active(self, layer: str, active: bool) -> None:
        (self.active.add if active else self.active.discard)(layer)

    @staticmethod
    def _call_later(_delay_s: float, _call: object) -> Timer:
        return Never()


def test_nobody_watching_tells_nobody_anything() -> None:
    rig = Rig()
    rig.director.decide(rig.clock.now)

    assert rig.told == []


def test_an_unknown_path_begins_low_and_a_good_one_soon_gets_all() -> None:
    rig = Rig()
    rig.enter("anna")
    rig.director.decide(rig.clock.now)
    first_bps = rig.told[0][0]
    rig.run(3.0)

    assert first_bps <= UNKNOWN_PATH_BPS
    assert rig.told[-1][1] == MAIN
    assert rig.told[-1][0] > 2 * first_bps


def test_an_encoder_is_told_only_what_is_new() -> None:
    rig = Rig()
    rig.enter("anna")
    rig.run(3.0)

    assert all(one != other for one, other in zip(rig.told, rig.told[1:], strict=False))
    assert len(rig.told) < 30


def test_who_asks_for_too_many_keyframes_goes_to_the_low_layer() -> None:
    rig = Rig()
    rig.enter("anna")
    rig.enter("ben")
    rig.run(1.0)
    rig.director.demote("ben", rig.clock.now)
    rig.director.decide(rig.clock.now)

    assert LOW in rig.active
    assert any(layer == LOW for _, layer in rig.told)


def test_a_source_without_a_low_layer_moves_nobody() -> None:
    rig = Rig()
    rig.enter("anna")
    rig.director.note_layers([MAIN])
    rig.director.demote("anna", rig.clock.now)
    rig.director.decide(rig.clock.now)

    assert rig.active == {MAIN}


def test_a_camera_that_sets_its_rate_by_itself_is_told_none() -> None:
    rig = Rig()
    rig.director.note_layers([MAIN], fixed=[MAIN])
    rig.enter("anna")
    rig.run(3.0)

    assert rig.told == []
    assert rig.director.bitrate_bps("anna") > UNKNOWN_PATH_BPS


def test_a_pinned_viewer_stays_and_does_not_hold_the_others_back() -> None:
    rig = Rig()
    rig.enter("anna")
    rig.enter("phone")
    rig.director.pin("phone", rig.clock.now)
    rig.run(30.0, delays_s={"phone": 0.05})

    assert rig.active == {MAIN, LOW}
    main = [bps for bps, layer in rig.told if layer == MAIN]
    assert main[-1] > START_BPS


def test_who_leaves_is_forgotten() -> None:
    rig = Rig()
    rig.enter("anna")
    rig.director.leave("anna")
    rig.director.leave("anna")
    rig.director.decide(rig.clock.now)

    assert rig.told == []
