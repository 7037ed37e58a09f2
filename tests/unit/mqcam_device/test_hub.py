from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hubs import Rig, Viewer

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_an_expected_viewer_wakes_the_encoder_which_promises_a_keyframe(rig: Rig) -> None:
    rig.hub.expect("a")
    assert rig.active == {"main": True}
    assert rig.asked == []


def test_a_viewer_that_never_attached_lets_the_encoder_rest_when_detached(rig: Rig) -> None:
    rig.hub.expect("a")
    rig.hub.detach("a")
    assert rig.active == {"main": False}


def test_the_encoder_rests_after_the_last_viewer_only(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    rig.hub.expect("b")
    rig.hub.detach("a")
    assert rig.active["main"]
    rig.hub.detach("b")
    assert not rig.active["main"]


def test_a_viewer_starts_at_a_keyframe(rig: Rig) -> None:
    first, second = Viewer(), Viewer()
    rig.hub.attach("a", first)
    rig.publish(keyframe=True)
    rig.advance(1.0)
    rig.publish()
    rig.hub.attach("b", second)
    rig.publish()
    rig.publish(keyframe=True)
    rig.publish()
    assert first.seqs == [0, 1, 2, 3, 4]
    assert second.seqs == [3, 4]


def test_who_attaches_soon_after_a_keyframe_gets_the_pictures_since(rig: Rig) -> None:
    rig.hub.expect("a")
    rig.publish(keyframe=True)
    rig.advance(0.05)
    rig.publish()
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    rig.publish()
    assert viewer.seqs == [0, 1, 2]
    assert rig.asked == []


def test_an_old_keyframe_is_not_replayed_but_asked_for_anew(rig: Rig) -> None:
    rig.hub.expect("a")
    rig.publish(keyframe=True)
    rig.advance(0.51)
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    assert viewer.seqs == []
    assert len(rig.asked) == 1


def test_a_large_group_of_pictures_is_neither_replayed_nor_kept(rig: Rig) -> None:
    rig.hub.expect("a")
    rig.publish(keyframe=True, size=90_000)
    rig.publish(size=20_000)
    rig.advance(0.31)
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    assert viewer.seqs == []
    assert len(rig.asked) == 1


def test_requests_within_an_interval_become_one_when_it_ends(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    rig.publish(keyframe=True)
    rig.advance(0.1)
    for _ in range(50):
        rig.hub.request_keyframe("a")
    assert rig.asked == []
    rig.advance(0.3)
    assert rig.asked == [(100.3, "main")]


def test_a_keyframe_that_comes_meanwhile_serves_a_waiting_request(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    rig.hub.request_keyframe("a")
    rig.publish(keyframe=True)
    rig.advance(1.0)
    assert rig.asked == []


def test_a_request_after_the_interval_is_served_at_once(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    rig.advance(0.4)
    rig.hub.request_keyframe("a")
    assert rig.asked == [(100.4, "main")]


def test_a_request_of_a_stranger_is_ignored(rig: Rig) -> None:
    rig.hub.request_keyframe("nobody")
    rig.hub.detach("nobody")
    assert rig.asked == []
    assert rig.active == {}


def test_a_failing_viewer_is_detached_and_reported_and_harms_nobody(rig: Rig) -> None:
    bad, good = Viewer(), Viewer()
    rig.hub.attach("bad", bad)
    rig.hub.attach("good", good)
    rig.publish(keyframe=True)
    bad.error = RuntimeError("broken")
    rig.publish()
    rig.publish()
    assert good.seqs == [0, 1, 2]
    assert rig.faults == [("bad", bad.error)]


def test_a_viewer_that_fails_while_replaying_is_detached(rig: Rig) -> None:
    rig.hub.expect("bad")
    rig.publish(keyframe=True)
    rig.publish()
    bad = Viewer()
    bad.error = RuntimeError("broken")
    rig.hub.attach("bad", bad)
    assert len(rig.faults) == 1
    assert rig.active == {"main": False}


def test_a_viewer_may_detach_another_while_it_is_served(rig: Rig) -> None:
    class Detacher(Viewer):
        def send(self, unit: AccessUnit) -> bool:
            rig.hub.detach("b")
            return super().send(unit)

    second = Viewer()
    rig.hub.attach("a", Detacher())
    rig.hub.attach("b", second)
    rig.publish(keyframe=True)
    assert second.seqs == []


def test_after_a_hole_nothing_is_sent_before_the_next_keyframe(rig: Rig) -> None:
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    rig.publish(keyframe=True)
    rig.advance(0.5)
    rig.lose(3)
    rig.publish()
    rig.publish()
    rig.publish(keyframe=True)
    assert viewer.seqs == [0, 6]
    assert len(rig.asked) == 1


def test_late_units_of_a_resting_layer_are_dropped(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    rig.hub.detach("a")
    rig.publish(keyframe=True)
    viewer = Viewer()
    rig.hub.attach("b", viewer)
    assert viewer.seqs == []


def test_layers_do_not_mix(rig: Rig) -> None:
    main, low = Viewer(), Viewer()
    rig.hub.attach("a", main)
    rig.hub.attach("b", low, "low")
    rig.publish(keyframe=True, layer="low")
    assert (main.seqs, low.seqs) == ([], [0])
    rig.hub.detach("b")
    assert rig.active == {"main": True, "low": False}


def test_a_viewer_that_changes_its_layer_lets_the_former_rest(rig: Rig) -> None:
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    rig.hub.attach("a", viewer, "low")
    assert rig.active == {"main": False, "low": True}


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["expect", "attach", "detach", "ask", "key", "delta", "hole", "wait"]),
        st.integers(0, 3),
    ),
    max_size=80,
)


@given(ACTIONS)
def test_whatever_happens_viewers_see_whole_groups_and_keyframes_stay_rare(
    actions: list[tuple[str, int]],
) -> None:
    """Each viewer's units begin with a keyframe and have no hole inside a group."""
    rig = Rig()
    viewers: list[Viewer] = []
    present: set[int] = set()
    for action, key in actions:
        if action == "expect":
            rig.hub.expect(key)
            present.add(key)
        elif action == "attach":
            viewers.append(Viewer())
            rig.hub.attach(key, viewers[-1])
            present.add(key)
        elif action == "detach":
            rig.hub.detach(key)
            present.discard(key)
        elif action == "ask":
            rig.hub.request_keyframe(key)
        elif action in ("key", "delta"):
            rig.publish(keyframe=action == "key", size=30_000)
        elif action == "hole":
            rig.lose()
        rig.advance(0.05 * key)
        assert rig.active.get("main", False) == bool(present)
    for viewer in viewers:
        expected = None
        for unit in viewer.units:
            assert unit.keyframe or unit.seq == expected
            expected = unit.seq + 1
    times = [at for at, _ in rig.asked]
    assert all(later - earlier >= 0.299 for earlier, later in pairwise(times))
