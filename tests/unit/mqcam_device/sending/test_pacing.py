from __future__ import annotations

import pytest
from mqcam_device.sending.pacing import SPREAD_S, STEP_S, Pacer


def test_runs_leave_a_step_apart() -> None:
    pacer: Pacer[int] = Pacer()
    for run in range(3):
        pacer.add(run, 1.0)

    assert pacer.take(1.0) == [0]
    assert pacer.take(1.0 + STEP_S / 2) == []
    assert pacer.due_at == pytest.approx(1.0 + STEP_S)
    assert pacer.take(1.0 + STEP_S) == [1]
    assert pacer.take(2.0) == [2]
    assert not pacer


def test_all_has_left_within_half_a_frame_however_much_it_is() -> None:
    pacer: Pacer[int] = Pacer()
    for run in range(100):
        pacer.add(run, 1.0)
    pacer.take(1.0)

    assert pacer.due_at <= 1.0 + SPREAD_S
    assert len(pacer.take(1.0 + SPREAD_S)) == 99


def test_what_comes_while_others_wait_keeps_its_place() -> None:
    pacer: Pacer[str] = Pacer()
    pacer.add("keyframe", 1.0)
    pacer.add("keyframe's end", 1.0)
    pacer.take(1.0)
    pacer.add("next", 1.0)

    assert pacer.take(1.0 + 2 * STEP_S) == ["keyframe's end", "next"]


def test_a_new_row_begins_at_once() -> None:
    pacer: Pacer[int] = Pacer()
    pacer.add(1, 1.0)
    pacer.take(1.0)
    pacer.add(2, 5.0)

    assert pacer.take(5.0) == [2]


def test_what_is_forgotten_never_leaves() -> None:
    pacer: Pacer[int] = Pacer()
    pacer.add(1, 1.0)
    pacer.clear()

    assert pacer.take(9.0) == []
