from __future__ import annotations

from mqcam_device.group import Group
from mqcam_device.media import AccessUnit


def unit(seq: int, *, keyframe: bool = False, size: int = 10) -> AccessUnit:
    return AccessUnit(bytes(size), 0, keyframe, seq)


def seqs(group: Group, now: float) -> list[int]:
    return [each.seq for each in group.recent(now)]


def test_a_group_is_kept_while_it_is_fresh() -> None:
    group = Group(max_age_s=0.5, max_bytes=1000)
    assert group.take(unit(7, keyframe=True), 1.0)
    assert group.take(unit(8), 1.1)
    assert seqs(group, 1.5) == [7, 8]
    assert seqs(group, 1.6) == []


def test_a_group_that_grew_too_large_is_dropped_until_the_next_keyframe() -> None:
    group = Group(max_age_s=9, max_bytes=1000)
    group.take(unit(0, keyframe=True, size=900), 0.0)
    assert group.take(unit(1, size=200), 0.1)
    assert group.take(unit(2), 0.2)
    assert seqs(group, 0.2) == []
    group.take(unit(3, keyframe=True), 0.3)
    assert seqs(group, 0.3) == [3]


def test_nothing_is_taken_after_a_hole_before_the_next_keyframe() -> None:
    group = Group(max_age_s=9, max_bytes=1000)
    assert not group.take(unit(5), 0.0)
    group.take(unit(6, keyframe=True), 0.0)
    assert not group.take(unit(8), 0.0)
    assert not group.take(unit(9), 0.0)
    assert seqs(group, 0.0) == []
    assert group.take(unit(12, keyframe=True), 0.0)
