"""Both endpoints together, over links that lose, double, delay and reorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.protocol.effects import (
    Answered,
    Effect,
    Ended,
    Inbound,
    Reject,
    RemoteCandidates,
    Renamed,
    Send,
    Started,
)
from support.endpoints import HOST, Pair, make_device, make_viewer

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULTS = st.lists(st.lists(st.floats(0.0, 4.0), max_size=2), max_size=12)


def pair(faults: Sequence[Sequence[float]] = ()) -> Pair:
    return Pair(faults=iter(faults))


def keys(effects: Sequence[Effect], kind: type[Started | Answered]) -> list[str]:
    return [effect.key.session for effect in effects if isinstance(effect, kind)]


def check_invariants(both: Pair) -> None:
    for started in (keys(both.at_device, Started), keys(both.at_viewer, Answered)):
        assert len(started) == len(set(started))
    for effects in (both.at_device, both.at_viewer):
        by_session: dict[str, list[str]] = {}
        for effect in effects:
            if isinstance(effect, RemoteCandidates):
                by_session.setdefault(effect.key.session, []).extend(effect.candidates)
        for delivered in by_session.values():
            assert delivered == sorted(set(delivered))
        for effect in effects:
            assert not isinstance(effect, Ended) or effect.text


@settings(max_examples=150)
@given(faults=FAULTS, status_first=st.booleans())
def test_both_ends_agree_or_both_end_with_a_reason(
    faults: list[list[float]], status_first: bool
) -> None:
    both = pair(faults)
    both.start(status_first=status_first)
    both.run(until=45.0)
    check_invariants(both)
    at_device = {key.session for key in both.device.sessions}
    at_viewer = {key.session for key in both.viewer.sessions}
    assert at_device == at_viewer
    ends = [effect for effect in both.at_viewer if isinstance(effect, Ended)]
    assert len(at_viewer) + len(ends) == 1


@settings(max_examples=60)
@given(faults=FAULTS)
def test_when_everything_is_over_nothing_is_left(faults: list[list[float]]) -> None:
    both = pair(faults)
    both.start(status_first=True)
    both.run(until=20.0)
    both.obey_viewer(both.viewer.stop(both.now))
    both.run(until=45.0)
    assert both.device.sessions == both.viewer.sessions == ()
    assert both.in_flight == []
    # What is left are the hourly and five-minutely timers of an idle camera.
    assert both.device.next_deadline == 300.0


@settings(max_examples=60)
@given(
    faults=FAULTS,
    replays=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 4000)), max_size=20),
)
def test_replayed_messages_never_start_a_session_again(
    faults: list[list[float]], replays: list[tuple[int, float]]
) -> None:
    both = pair(faults)
    both.start(status_first=True)
    both.run(until=15.0)
    recorded = [one for one in both.at_viewer + both.at_device if isinstance(one, Send)]
    both.obey_viewer(both.viewer.stop(both.now))
    for index, wait in sorted(replays, key=lambda replay: replay[1]):
        both.run(until=max(both.now, wait))
        old = recorded[index % len(recorded)]
        inbound = Inbound(topic=old.topic, payload=old.payload)
        both.obey_device(both.device.receive(inbound, both.now))
        both.obey_viewer(both.viewer.receive(inbound, both.now))
    check_invariants(both)
    both.run(until=both.now + 25.0)
    assert both.device.sessions == ()


def test_perfect_link_connects_once_with_all_candidates_in_order() -> None:
    both = pair()
    both.start(status_first=True)
    both.run(until=30.0)
    check_invariants(both)
    assert len(both.of_device(Started)) == len(both.of_viewer(Answered)) == 1
    delivered = [
        one for one in both.of_viewer(RemoteCandidates) if isinstance(one, RemoteCandidates)
    ]
    assert [len(one.candidates) for one in delivered] == [1, 2]
    assert [one.end for one in delivered] == [False, True]
    at_device = both.of_device(RemoteCandidates)[0]
    assert isinstance(at_device, RemoteCandidates)
    assert at_device.candidates == (HOST,)
    assert both.of_viewer(Reject) == []
    assert len(both.device.sessions) == 1


def test_unknown_nonce_is_healed_under_a_new_session_id() -> None:
    both = pair()
    both.start(status_first=False)
    # The device's first status is lost: the viewer knows nothing of it.
    both.run(until=5.0)
    renamed = both.of_viewer(Renamed)
    assert len(renamed) == 1
    assert isinstance(renamed[0], Renamed)
    assert keys(both.at_device, Started) == [renamed[0].new.session]
    # The candidate that went out under the old id went out again under the new one.
    delivered = both.of_device(RemoteCandidates)
    assert isinstance(delivered[0], RemoteCandidates)
    assert delivered[0].candidates == (HOST,)


def test_lost_offer_is_repeated_after_three_and_seven_seconds() -> None:
    both = pair([[], [0.01], []])
    both.start(status_first=True)
    both.run(until=8.0)
    offers = [
        one for one in both.of_viewer(Send) if isinstance(one, Send) and b"offer" in one.payload
    ]
    assert len(offers) == 3
    assert len({one.payload for one in offers}) == 1
    assert len(both.of_viewer(Answered)) == 1


def test_lost_answer_is_sent_again_for_the_same_offer() -> None:
    both = pair([[0.01], [], [], [], []])
    both.start(status_first=True)
    both.run(until=9.0)
    assert len(both.of_device(Started)) == 1
    assert len(both.of_viewer(Answered)) == 1


def test_silent_broker_ends_with_a_reason_after_ten_seconds() -> None:
    both = pair([[]] * 50)
    both.start(status_first=False)
    both.run(until=9.9)
    assert len(both.viewer.sessions) == 1
    both.run(until=10.1)
    end = both.of_viewer(Ended)[0]
    assert isinstance(end, Ended)
    assert end.code == "no-answer"
    assert "never said that it is there" in end.text


@settings(max_examples=300)
@given(
    payload=st.one_of(
        st.binary(max_size=64),
        st.text(max_size=64).map(lambda text: ("{" + text).encode("utf-8", "surrogatepass")),
        st.dictionaries(
            st.sampled_from(["v", "t", "n", "sdp", "nonce", "code", "candidates", "end", "re"]),
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(),
                st.floats(),
                st.sampled_from(["offer", "answer", "cand", "bye", "error", "gone", "status"]),
                st.lists(st.text(max_size=8), max_size=3),
            ),
        ).map(lambda value: repr(value).replace("'", '"').encode()),
    ),
    topic=st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            [
                "mqcam/v1/d/cam/in/alice/s1",
                "mqcam/v1/v/alice/in/cam/s1",
                "mqcam/v1/d/cam/status",
                "mqcam/v1/owner/state",
            ]
        ),
    ),
    retained=st.booleans(),
)
def test_no_bytes_on_any_topic_raise(payload: bytes, topic: str, retained: bool) -> None:
    device, viewer = make_device(), make_viewer()
    device.start(0.0)
    viewer.offer("cam", sdp="v=0", session="s1", now=0.0)
    inbound = Inbound(topic=topic, payload=payload, retained=retained)
    for endpoint in (device, viewer):
        endpoint.receive(inbound, 0.0)
        endpoint.tick(1.0)
