"""When a viewer that keeps encoded pictures asks for keyframes."""

from __future__ import annotations

from mqcam_viewer.units import KeyframeRequests

STEP_S = 0.1


def asked(
    requests: KeyframeRequests, *, begin: float = 0.0, until: float, **needs: float | bool | None
) -> list[float]:
    """Return the seconds at which a camera that never answers is asked."""
    times = []
    count = round((until - begin) / STEP_S)
    for step in range(count):
        now = begin + step * STEP_S
        if requests.is_due(
            now,
            is_lost=bool(needs.get("is_lost")),
            interval_s=needs.get("interval_s"),
        ):
            times.append(round(now, 1))
    return times


def test_a_camera_that_sends_keyframes_by_itself_is_never_asked() -> None:
    requests = KeyframeRequests(0.0)
    for second in range(30):
        requests.came(float(second))
        assert asked(requests, begin=second, until=second + 1, interval_s=3.0) == []


def test_an_interval_that_is_over_is_asked_for() -> None:
    assert asked(KeyframeRequests(0.0), until=3.5, interval_s=3.0) == [3.0]


def test_a_lost_request_is_repeated_before_four_seconds_are_over() -> None:
    assert asked(KeyframeRequests(0.0), until=4.0, interval_s=3.0) == [3.0, 3.8]


def test_a_camera_is_not_asked_more_often_than_it_gives() -> None:
    """Two, then one every two seconds, however great the need."""
    times = asked(KeyframeRequests(0.0), until=20.0, is_lost=True)

    assert len(times) <= 2 + 20 / 2
    assert times[:2] == [0.0, 0.8]


def test_nobody_who_minds_and_nothing_is_asked() -> None:
    assert asked(KeyframeRequests(0.0), until=100.0, interval_s=None) == []


def test_a_wish_is_met_by_one_keyframe() -> None:
    requests = KeyframeRequests(0.0)
    requests.came(0.0)
    requests.want()
    assert asked(requests, begin=1.0, until=1.5) == [1.0]
    requests.came(1.5)
    assert asked(requests, begin=1.5, until=9.0) == []


def test_who_shows_pictures_waits_less_for_an_answer() -> None:
    requests = KeyframeRequests(0.0)
    times = [
        each / 10
        for each in range(10)
        if requests.is_due(each / 10, is_lost=True, interval_s=None, answer_s=0.3)
    ]

    assert times == [0.0, 0.3]
