"""The hub moves viewers between layers."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.hub import MOVE_TRIES
from mqcam_device.media import LOW, MAIN
from support.hubs import Encoders, Rig, Viewer, watching

MOVE_S = 2.0


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def viewer(rig: Rig) -> Viewer:
    """Return a viewer that watches main."""
    return watching(rig)


def test_a_moving_viewer_goes_on_with_its_layer_until_the_other_one_begins(
    rig: Rig, viewer: Viewer
) -> None:
    rig.hub.move("a", LOW)
    assert rig.active == {MAIN: True, LOW: True}
    rig.publish()
    assert rig.hub.layer_of("a") == MAIN
    rig.advance(0.03)
    rig.publish(keyframe=True, layer=LOW)
    assert rig.hub.layer_of("a") == LOW
    assert viewer.story == [(MAIN, 0), (MAIN, 1), (LOW, 0)]
    assert rig.active == {MAIN: False, LOW: True}


def test_a_keyframe_of_the_picture_that_was_sent_already_is_good_enough(
    rig: Rig, viewer: Viewer
) -> None:
    rig.hub.move("a", LOW)
    rig.publish()
    rig.publish(keyframe=True, layer=LOW)
    assert viewer.story[1:] == [(MAIN, 1), (LOW, 0)]


def test_an_older_keyframe_is_left_out_and_another_asked_for(rig: Rig, viewer: Viewer) -> None:
    rig.hub.attach("b", Viewer(), LOW)
    rig.hub.move("a", LOW)
    rig.publish()
    rig.advance(0.4)
    rig.publish(keyframe=True, layer=LOW, captured_ns=viewer.units[-1].captured_ns - 1)
    assert rig.hub.layer_of("a") == MAIN
    assert LOW in [layer for _, layer in rig.asked]
    rig.publish(keyframe=True, layer=LOW)
    assert viewer.story[1:] == [(MAIN, 1), (LOW, 1)]


def test_a_layer_that_somebody_watches_is_joined_at_its_next_keyframe_only(
    rig: Rig, viewer: Viewer
) -> None:
    rig.hub.attach("b", Viewer(), LOW)
    rig.publish(keyframe=True, layer=LOW)
    rig.publish(layer=LOW)
    rig.hub.move("a", LOW)
    rig.publish(layer=LOW)
    rig.advance(0.4)
    assert [layer for _, layer in rig.asked] == [LOW]
    rig.publish(keyframe=True, layer=LOW)
    rig.publish(layer=LOW)
    assert viewer.story == [(MAIN, 0), (LOW, 3), (LOW, 4)]


def test_a_move_back_before_the_switch_calls_it_off(rig: Rig, viewer: Viewer) -> None:
    rig.hub.move("a", LOW)
    rig.hub.move("a", MAIN)
    assert rig.active == {MAIN: True, LOW: False}
    rig.publish(keyframe=True, layer=LOW)
    rig.publish()
    assert viewer.story == [(MAIN, 0), (MAIN, 1)]
    rig.advance(MOVE_S * (MOVE_TRIES + 1))
    assert rig.asked == []


def test_a_move_told_twice_is_one(rig: Rig, viewer: Viewer) -> None:
    rig.hub.move("a", LOW)
    rig.hub.move("a", LOW)
    rig.publish(keyframe=True, layer=LOW)
    assert viewer.story[1:] == [(LOW, 0)]
    assert [timer for timer in rig.timers if not timer.is_cancelled] == []


@pytest.mark.parametrize("is_taken_back", [True, False])
def test_a_viewer_that_stopped_and_does_not_move_after_all_goes_on_where_it_is(
    rig: Rig, viewer: Viewer, *, is_taken_back: bool
) -> None:
    """The keyframe that it asked for was one of the other layer."""
    rig.hub.move("a", LOW)
    viewer.is_full = True
    rig.publish()
    viewer.is_full = False
    if is_taken_back:
        rig.hub.move("a", MAIN)
    rig.advance(MOVE_S * MOVE_TRIES)
    assert rig.active == {MAIN: True, LOW: False}
    assert [layer for _, layer in rig.asked][-1] == MAIN


def test_a_layer_that_does_not_come_is_asked_again_and_then_given_up(
    rig: Rig, viewer: Viewer
) -> None:
    rig.hub.move("a", LOW)
    rig.advance(MOVE_S)
    assert rig.asked == [(103.0, LOW)]
    rig.publish()
    assert viewer.story[-1] == (MAIN, 1)
    rig.advance(MOVE_S * (MOVE_TRIES - 1))
    assert rig.active == {MAIN: True, LOW: False}
    assert rig.hub.layer_of("a") == MAIN
    rig.publish()
    assert viewer.story[-1] == (MAIN, 2)


def test_who_leaves_while_moving_lets_both_layers_rest(rig: Rig, viewer: Viewer) -> None:
    rig.hub.move("a", LOW)
    rig.hub.detach("a")
    assert rig.active == {MAIN: False, LOW: False}
    assert all(timer.is_cancelled for timer in rig.timers)
    assert viewer.seqs == [0]


def test_an_expected_viewer_moves_at_once(rig: Rig) -> None:
    rig.hub.expect("a")
    rig.hub.move("a", LOW)
    assert rig.active == {MAIN: False, LOW: True}
    joining = Viewer()
    rig.hub.attach("a", joining)
    rig.publish(keyframe=True, layer=LOW)
    assert joining.story == [(LOW, 0)]


def test_a_stranger_has_no_layer_and_moves_nowhere(rig: Rig) -> None:
    rig.hub.move("nobody", LOW)
    assert rig.hub.layer_of("nobody") is None
    assert rig.active == {}


def test_the_others_do_not_notice_a_move(rig: Rig, viewer: Viewer) -> None:
    other = Viewer()
    rig.hub.attach("b", other)
    rig.publish(keyframe=True)
    rig.hub.move("a", LOW)
    rig.publish()
    rig.publish(keyframe=True, layer=LOW)
    rig.publish()
    assert other.story == [(MAIN, 1), (MAIN, 2), (MAIN, 3)]
    assert rig.active == {MAIN: True, LOW: True}
    assert viewer.story[-1] == (LOW, 0)


def test_a_viewer_on_the_same_way_out_gets_nothing_older_when_attached_again(
    rig: Rig, viewer: Viewer
) -> None:
    rig.hub.attach("b", Viewer(), LOW)
    rig.publish(keyframe=True, layer=LOW)
    rig.advance(0.03)
    rig.publish()
    rig.hub.attach("a", viewer, LOW)
    assert viewer.story == [(MAIN, 0), (MAIN, 1)]
    rig.publish(keyframe=True, layer=LOW)
    assert viewer.story[2:] == [(LOW, 1)]


KEYS = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["expect", "attach", "detach", "ask", "full", "free"]), KEYS),
        st.tuples(st.sampled_from(["main", "low"]), KEYS),
        st.tuples(st.sampled_from(["picture", "picture", "hole main", "hole low"]), KEYS),
        st.tuples(st.just("wait"), st.integers(1, 90)),
    ),
    max_size=120,
)


@given(STEPS)
def test_whatever_happens_a_viewer_can_decode_all_that_it_gets(
    steps: list[tuple[str, int]],
) -> None:
    play = Play()
    for action, number in steps:
        play.act(action, number)
    for viewer in play.everybody:
        expect_decodable(viewer)
    expect_all_served(play.rig, play.encoders, play.viewers)


class Play:
    """Viewers that come, go, move and block, at a hub with two encoders."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.encoders = Encoders(self.rig)
        self.viewers: dict[int, Viewer] = {}
        self.everybody: list[Viewer] = []
        for number in (0, 1):
            self.act("attach", number)

    def act(self, action: str, number: int) -> None:
        """Do one step."""
        hub, viewer = self.rig.hub, self.viewers.get(number)
        match action, viewer:
            case "expect", _:
                hub.expect(number)
            case "attach", None:
                self.viewers[number] = Viewer()
                self.everybody.append(self.viewers[number])
                hub.attach(number, self.viewers[number])
            case "detach", _:
                hub.detach(number)
                self.viewers.pop(number, None)
            case "ask", _:
                hub.request_keyframe(number, round_trip_s=0.05)
            case (("full" | "free"), Viewer()):
                viewer.is_full = action == "full"
            case (("main" | "low"), _):
                hub.move(number, action)
            case (("hole main" | "hole low"), _):
                self.rig.lose(layer=action.removeprefix("hole "))
            case _:
                for _ in range(number if action == "wait" else 1):
                    self.encoders.show()


def expect_decodable(viewer: Viewer) -> None:
    """Check that groups begin with a keyframe and have no hole, and that time does not go back."""
    reference: tuple[str, int] | None = None
    refused = {id(unit) for unit in viewer.refused}
    for unit in viewer.units:
        assert id(unit) not in refused
        assert unit.keyframe or reference == (unit.layer, unit.seq - 1)
        reference = (unit.layer, unit.seq)
    assert all(a.captured_ns <= b.captured_ns for a, b in pairwise(viewer.units))


def expect_all_served(rig: Rig, encoders: Encoders, viewers: dict[int, Viewer]) -> None:
    """Check that in the end each viewer gets every picture, and that no layer runs for nobody."""
    for viewer in viewers.values():
        viewer.is_full = False
    for _ in range(30 * 10):
        encoders.show()
    counts = {key: len(viewer.units) for key, viewer in viewers.items()}
    for _ in range(5):
        encoders.show()
    assert all(len(viewer.units) == counts[key] + 5 for key, viewer in viewers.items())
    used: defaultdict[str | None, int] = defaultdict(int)
    for key in range(3):
        used[rig.hub.layer_of(key)] += 1
    assert all(used[layer] for layer, is_active in rig.active.items() if is_active)
