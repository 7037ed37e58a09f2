"""Late pictures leave faster than they were taken, in their order, and end at the present."""

from __future__ import annotations

from mqcam_device.catchup import MAX_BYTES, SPEED, CatchUp
from mqcam_device.media import AccessUnit

NOW = 100.0


def picture(number: int, *, at_s: float, size: int = 1000) -> AccessUnit:
    return AccessUnit(bytes(size), int(at_s * 1e9), number == 0, number)


def late_by(late_s: float, count: int) -> CatchUp:
    """Return pictures of 25 a second, the first of them so late."""
    subject = CatchUp(picture(0, at_s=NOW - late_s), NOW)
    for number in range(1, count):
        assert subject.add(picture(number, at_s=NOW - late_s + number / 25))
    return subject


def test_keyframe_is_due_at_once_and_the_rest_at_four_times_its_pace() -> None:
    subject = late_by(2.0, 50)

    assert [unit.seq for unit in subject.take(NOW)] == [0]
    assert subject.next_at == NOW + 1 / 25 / SPEED
    assert [unit.seq for unit in subject.take(NOW + 0.1)] == list(range(1, 11))


def test_who_is_three_seconds_late_is_at_the_present_after_one() -> None:
    subject = late_by(3.0, 76)
    sent, now, number = 0, NOW, 76
    while not subject.is_done(now):
        now += 0.01
        while number <= 76 + (now - NOW) * 25:
            subject.add(picture(number, at_s=NOW - 3.0 + number / 25))
            number += 1
        sent += len(subject.take(now))

    assert 0.9 < now - NOW < 1.1
    assert sent == number


def test_it_is_not_done_before_the_late_ones_have_come() -> None:
    subject = CatchUp(picture(0, at_s=NOW - 2.0), NOW)
    subject.take(NOW)

    assert not subject
    assert not subject.is_done(NOW)
    assert subject.is_done(NOW + 0.7)


def test_too_much_leaves_nothing() -> None:
    subject = late_by(2.0, 10)

    assert not subject.add(picture(10, at_s=NOW, size=MAX_BYTES))
    assert not subject
