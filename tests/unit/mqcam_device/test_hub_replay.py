"""A viewer of a camera that makes keyframes when it likes begins with the last one, at once."""

from __future__ import annotations

import pytest
from support.hubs import Rig, Viewer


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.hub.note_source(layers=["main"], can_force_keyframe=False)
    return rig


def show(rig: Rig, pictures: int, *, keyframe: bool = False) -> None:
    """Let the camera deliver 25 pictures a second."""
    for number in range(pictures):
        rig.publish(keyframe=keyframe and number == 0)
        rig.advance(0.04)


def test_second_viewer_sees_the_last_keyframe_at_once_and_soon_the_present(rig: Rig) -> None:
    first, second = Viewer(), Viewer()
    rig.hub.attach("a", first)
    show(rig, 50, keyframe=True)
    rig.hub.attach("b", second)
    assert second.seqs == [0]

    show(rig, 20)

    assert second.seqs == list(range(70))
    assert first.seqs == second.seqs
    assert rig.asked == []


def test_late_pictures_are_spread(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    show(rig, 50, keyframe=True)
    viewer = Viewer()
    rig.hub.attach("b", viewer)
    counts = []
    for _ in range(10):
        before = len(viewer.units)
        rig.advance(0.04)
        counts.append(len(viewer.units) - before)

    assert max(counts) <= 5
    assert min(counts) >= 3


def test_what_the_source_kept_is_spread_too(rig: Rig) -> None:
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    for number in range(50):  # all at once, of the last two seconds
        captured_ns = int((rig.now - 2 + number * 0.04) * 1e9)
        rig.publish(keyframe=number == 0, captured_ns=captured_ns)
    assert viewer.seqs == [0]

    show(rig, 20)

    assert viewer.seqs == list(range(70))


def test_next_keyframe_ends_the_catching_up(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    show(rig, 100, keyframe=True)
    viewer = Viewer()
    rig.hub.attach("b", viewer)
    rig.publish(keyframe=True)
    rig.publish()

    assert viewer.seqs == [0, 100, 101]
    rig.advance(5.0)
    assert viewer.seqs == [0, 100, 101]


def test_who_refuses_waits_for_the_next_keyframe(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    show(rig, 50, keyframe=True)
    viewer = Viewer()
    rig.hub.attach("b", viewer)
    viewer.is_full = True
    rig.advance(0.1)
    viewer.is_full = False
    show(rig, 10)
    rig.publish(keyframe=True)

    assert viewer.seqs == [0, 60]


def test_who_leaves_meanwhile_is_forgotten(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    show(rig, 50, keyframe=True)
    viewer = Viewer()
    rig.hub.attach("b", viewer)
    rig.hub.detach("b")
    rig.advance(5.0)

    assert viewer.seqs == [0]
    assert [timer for timer in rig.timers if not timer.is_cancelled] == []


def test_old_or_large_groups_are_not_replayed(rig: Rig) -> None:
    rig.hub.attach("a", Viewer())
    rig.publish(keyframe=True)
    rig.advance(10.1)
    viewer = Viewer()
    rig.hub.attach("b", viewer)
    rig.publish(keyframe=True, size=1_999_000)
    rig.publish(size=2000)
    late = Viewer()
    rig.hub.attach("c", late)

    assert viewer.seqs == [1, 2]
    assert late.seqs == []


def test_camera_that_can_be_asked_is_asked(rig: Rig) -> None:
    rig.hub.note_source(layers=["main"], can_force_keyframe=True)
    rig.hub.attach("a", Viewer())
    show(rig, 25, keyframe=True)
    viewer = Viewer()
    rig.hub.attach("b", viewer)

    assert viewer.seqs == []
    assert len(rig.asked) == 1


def test_viewer_that_asks_in_vain_costs_three_questions_a_second_at_most(rig: Rig) -> None:
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    show(rig, 1, keyframe=True)
    for _ in range(100):
        rig.hub.request_keyframe("a")
        show(rig, 1)

    assert len(rig.asked) <= 14
    assert len(rig.overdrawn) <= 2


def test_who_wishes_for_a_layer_that_is_not_there_gets_the_main_one(rig: Rig) -> None:
    rig.hub.expect("a", "low")
    viewer = Viewer()
    rig.hub.attach("a", viewer)
    show(rig, 2, keyframe=True)

    assert rig.active == {"main": True}
    assert viewer.seqs == [0, 1]
