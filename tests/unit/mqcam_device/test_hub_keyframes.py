"""The hub stops and resumes viewers that cannot keep up, and gives each few keyframes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam_device.media import LOW, MAIN
from support.hubs import Encoders, Rig, Viewer, watching

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit

MOVE_S = 2.0


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def viewer(rig: Rig) -> Viewer:
    """Return a viewer that watches main."""
    return watching(rig)


def test_a_viewer_that_refuses_a_unit_gets_nothing_before_the_next_keyframe(
    rig: Rig, viewer: Viewer
) -> None:
    other = Viewer()
    rig.hub.attach("b", other)
    rig.publish(keyframe=True)
    rig.advance(1.0)
    rig.asked.clear()
    viewer.is_full = True
    rig.publish()
    viewer.is_full = False
    assert rig.asked == [(102.0, MAIN)]
    rig.publish()
    rig.publish(keyframe=True)
    rig.publish()
    assert viewer.seqs == [0, 1, 4, 5]
    assert other.seqs == [1, 2, 3, 4, 5]


def test_a_viewer_that_refuses_what_is_replayed_gets_not_the_rest_of_it(rig: Rig) -> None:
    class Wakening(Viewer):
        def send(self, unit: AccessUnit) -> bool:
            self.is_full = not self.refused
            return super().send(unit)

    rig.hub.expect("a")
    rig.publish(keyframe=True)
    rig.publish()
    joining = Wakening()
    rig.hub.attach("a", joining)
    assert [unit.seq for unit in joining.refused] == [0]
    assert joining.seqs == []


def test_a_moving_viewer_asks_for_the_keyframe_that_it_waits_for(rig: Rig, viewer: Viewer) -> None:
    rig.hub.move("a", LOW)
    rig.publish()
    rig.advance(0.4)
    rig.hub.request_keyframe("a")
    assert rig.asked == [(101.4, LOW)]
    assert viewer.seqs == [0, 1]


def test_a_viewer_that_stays_full_may_cause_two_keyframes_and_then_one_each_two_seconds(
    rig: Rig, viewer: Viewer
) -> None:
    """It is told each time that it has used them up, and never forgotten."""
    encoders = Encoders(rig)
    encoders.show()
    viewer.is_full = True
    begun = rig.now
    for _ in range(300):
        encoders.show()
    seconds = [at - begun for at, _ in rig.asked]
    assert seconds == pytest.approx([0, 0.3, 2, 4, 6, 8], abs=0.1)
    assert len(rig.overdrawn) == 5
    viewer.is_full = False
    for _ in range(60):
        encoders.show()
    assert len(viewer.units) > 1


def test_who_used_up_its_keyframes_is_told_once_until_it_has_one_again(
    rig: Rig, viewer: Viewer
) -> None:
    def ask() -> None:
        rig.hub.request_keyframe("a")
        rig.advance(0.3)
        rig.publish(keyframe=True)

    for _ in range(5):
        ask()
    assert len(rig.asked) == 2
    assert rig.overdrawn == ["a"]
    rig.advance(2.0)
    ask()
    assert len(rig.asked) == 3
    ask()
    assert rig.overdrawn == ["a", "a"]
    assert viewer.units[-1].keyframe


def test_the_viewer_may_be_moved_from_within_the_call(rig: Rig, viewer: Viewer) -> None:
    rig.hub = type(rig.hub)(
        request_keyframe=lambda layer: rig.asked.append((rig.now, layer)),
        set_active=rig.active.__setitem__,
        clock=lambda: rig.now,
        call_later=rig.call_later,
        on_overdrawn=lambda key: rig.hub.move(key, LOW),
    )
    rig.hub.attach("a", viewer)
    rig.publish(keyframe=True)
    viewer.is_full = True
    for _ in range(20):
        rig.advance(0.2)
        rig.publish(keyframe=True)
    viewer.is_full = False
    rig.publish(keyframe=True, layer=LOW)
    assert viewer.story[-1] == (LOW, 0)
    assert rig.active == {MAIN: False, LOW: True}


def test_a_request_made_before_the_keyframe_arrived_is_ignored(rig: Rig, viewer: Viewer) -> None:
    rig.publish(keyframe=True)
    rig.advance(0.5)
    rig.hub.request_keyframe("a", round_trip_s=0.4)
    assert rig.asked == []
    rig.advance(0.11)
    rig.hub.request_keyframe("a", round_trip_s=0.4)
    assert len(rig.asked) == 1
    assert viewer.seqs == [0, 1]


def test_what_a_joining_viewer_asks_for_is_not_charged(rig: Rig) -> None:
    joining = Viewer()
    rig.hub.attach("a", joining)
    for _ in range(10):
        rig.hub.request_keyframe("a")
        rig.advance(0.1)
    rig.publish(keyframe=True)
    rig.asked.clear()
    for _ in range(2):
        rig.advance(0.4)
        rig.hub.request_keyframe("a")
        rig.publish(keyframe=True)
    assert len(rig.asked) == 2
    assert rig.overdrawn == []
