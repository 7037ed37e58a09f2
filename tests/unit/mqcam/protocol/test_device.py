"""The rules of the device's end for sessions that have begun, one by one."""

from __future__ import annotations

import pytest
from mqcam.protocol.effects import (
    Ended,
    Inbound,
    RemoteCandidates,
)
from mqcam.protocol.messages import (
    Answer,
    Bye,
    Candidates,
    Error,
    Gone,
)
from support.camera import connected, ends, error, key_of, offered, started
from support.endpoints import (
    DEADLINES,
    HOST,
    codes,
    make_device,
    sent,
    to_device,
)


def test_damaged_message_does_not_end_a_session_that_runs_or_ran() -> None:
    device = started()
    key = connected(device)
    assert sent(device.receive(to_device(b"{"), 0.0)) == []
    device.ended(key, reason="closed", now=0.0)
    assert sent(device.receive(to_device(b"{"), 0.0)) == []


@pytest.mark.parametrize(
    ("inbound", "code"),
    [
        (Inbound(topic="mqcam/v1/d/other/in/alice/s1", payload=b"{}"), "wrong-topic"),
        (Inbound(topic="nothing", payload=b"{}"), "wrong-topic"),
        (Inbound(topic="mqcam/v1/owner/state", payload=b"{}"), "wrong-topic"),
        (to_device(b" " * 16_384), "too-large"),
        (to_device(b"\x01signed"), "unauthentic"),
        (to_device(Answer(re="x" * 43, sdp="")), "unexpected"),
        (to_device(Bye(n=1, reason="closed")), "unknown-session"),
        (to_device(Error(n=1, code="strange")), "unknown-session"),
        (to_device(Gone()), "unknown-session"),
    ],
)
def test_what_is_not_obeyed_is_rejected_by_name(inbound: Inbound, code: str) -> None:
    device = started()
    effects = device.receive(inbound, 0.0)
    assert codes(effects) == [code]
    assert sent(effects) == []


def test_signed_gone_is_not_believed() -> None:
    padded = b'{"v":1,"t":"gone","x":"' + b"x" * 256 + b'"}'
    assert codes(started().receive(to_device(padded), 0.0)) == ["unexpected"]


def test_candidates_before_the_offer_and_before_the_answer_wait_in_order() -> None:
    device = started()
    later = Candidates(n=2, ufrag="u", candidates=(HOST.replace("5000", "5002"),), end=True)
    first = Candidates(n=1, ufrag="u", candidates=(HOST,))
    assert device.receive(to_device(later), 0.0) == []
    offered(device)
    assert device.receive(to_device(first), 0.0) == []
    effects = device.answered(key_of(), sdp="v=0", now=0.0)
    delivered = [one for one in effects if isinstance(one, RemoteCandidates)]
    assert [one.candidates for one in delivered] == [first.candidates, later.candidates]
    assert [one.end for one in delivered] == [False, True]
    assert codes(device.receive(to_device(first), 0.0)) == ["repeated"]


def test_held_message_that_is_older_than_a_delivered_one_is_left_out() -> None:
    device = started()
    device.receive(to_device(Candidates(n=0, ufrag="u", candidates=(HOST,))), 0.0)
    offered(device)
    effects = device.answered(key_of(), sdp="v=0", now=0.0)
    assert [one for one in effects if isinstance(one, RemoteCandidates)] == []


def test_candidates_without_an_offer_expire_after_ten_seconds() -> None:
    device = started()
    device.receive(to_device(Candidates(n=1, ufrag="u", candidates=(HOST,))), 1.0)
    assert device.next_deadline == 11.0
    assert device.tick(10.9) == []
    assert codes(device.tick(11.0)) == ["candidates-expired"]


def test_too_many_candidates_before_the_offer_and_before_the_answer_are_dropped() -> None:
    device = started(held_candidates=1)
    first, second = (Candidates(n=n, ufrag="u", candidates=(HOST,)) for n in (1, 2))
    device.receive(to_device(first), 0.0)
    assert codes(device.receive(to_device(second), 0.0)) == ["too-many-candidates"]
    offered(device)
    assert codes(device.receive(to_device(second), 0.0)) == ["too-many-candidates"]


@pytest.mark.parametrize(
    "bad",
    ["", "garbage", HOST.replace("192.0.2.7", "127.0.0.1"), HOST.replace("192.0.2.7", "224.0.0.1")],
)
def test_bad_candidates_are_counted_and_good_ones_delivered(bad: str) -> None:
    device = started()
    connected(device)
    effects = device.receive(to_device(Candidates(n=1, ufrag="u", candidates=(bad, HOST))), 0.0)
    assert codes(effects) == ["bad-candidate"]
    assert effects[1:] == [RemoteCandidates(key=key_of(), candidates=(HOST,), ufrag="u", end=False)]
    only_bad = Candidates(n=2, ufrag="u", candidates=(bad,))
    assert codes(device.receive(to_device(only_bad), 0.0)) == ["bad-candidate"]


def test_loopback_candidates_pass_where_they_are_allowed() -> None:
    device = make_device(allow_loopback=True)
    device.start(0.0)
    connected(device)
    loopback = HOST.replace("192.0.2.7", "127.0.0.1")
    message = Candidates(n=1, ufrag="u", candidates=(loopback,))
    assert isinstance(device.receive(to_device(message), 0.0)[0], RemoteCandidates)


def test_local_candidates_are_batched_for_twenty_milliseconds() -> None:
    device = started()
    connected(device)
    assert device.local_candidates(key_of(), [HOST], ufrag="d", end=False, now=1.0) == []
    assert device.local_candidates(key_of(), [HOST], ufrag="d", end=False, now=1.01) == []
    assert device.next_deadline == 1.0 + DEADLINES.candidate_batch_s
    effects = device.tick(1.02)
    assert sent(effects) == [Candidates(n=1, ufrag="d", candidates=(HOST, HOST))]
    assert device.local_candidates(key_of(), [], ufrag="d", end=False, now=1.1) == []


def test_local_candidates_wait_for_the_answer() -> None:
    device = started()
    offered(device)
    assert device.local_candidates(key_of(), [HOST], ufrag="d", end=True, now=0.0) == []
    effects = sent(device.answered(key_of(), sdp="v=0", now=0.0))
    assert [type(message) for message in effects] == [Answer, Candidates]


def test_late_candidate_after_close_is_ignored() -> None:
    device = started()
    key = connected(device)
    device.ended(key, reason="closed", now=0.0)
    message = Candidates(n=9, ufrag="u", candidates=(HOST,))
    assert codes(device.receive(to_device(message), 0.0)) == ["after-close"]
    assert device.local_candidates(key, [HOST], ufrag="d", end=False, now=0.0) == []


def test_local_events_of_a_session_that_is_over_are_ignored() -> None:
    device = started()
    key = key_of("never")
    assert device.answered(key, sdp="v=0", now=0.0) == []
    assert device.refused(key, code="x", text="", now=0.0) == []
    assert device.connected(key, 0.0) == []
    assert device.ended(key, reason="closed", now=0.0) == []
    device.heard(key, 0.0)


def test_bye_and_error_of_the_viewer_end_the_session() -> None:
    device = started()
    connected(device)
    effects = device.receive(to_device(Bye(n=1, reason="closed", text="good night")), 0.0)
    assert effects == [Ended(key=key_of(), code="closed", text="good night", remote=True)]
    connected(device, "s2")
    effects = device.receive(to_device(Error(n=1, code="odd"), session="s2"), 0.0)
    assert ends(effects)[0].text == "the other side said: odd"


def test_old_bye_is_not_obeyed() -> None:
    device = started()
    connected(device)
    assert codes(device.receive(to_device(Bye(n=0, reason="closed")), 0.0)) == ["repeated"]


def test_shell_that_does_not_answer_is_given_up_for_the_viewer() -> None:
    device = started()
    offered(device)
    assert device.next_deadline == 10.0
    effects = device.tick(10.0)
    assert error(effects).code == "no-answer"
    assert ends(effects)[0].code == "no-answer"


def test_session_that_never_connects_is_reaped() -> None:
    device = started()
    offered(device)
    device.answered(key_of(), sdp="v=0", now=1.0)
    assert device.next_deadline == 11.0
    assert ends(device.tick(11.0))[0].code == "connect-timeout"
    assert device.sessions == ()


def test_silence_of_eight_seconds_ends_a_session() -> None:
    device = started()
    key = connected(device)
    device.heard(key, 5.0)
    device.heard(key, 4.0)
    assert device.next_deadline == 13.0
    assert ends(device.tick(13.0))[0].code == "silence"


def test_connection_before_the_answer_is_ignored() -> None:
    device = started()
    offered(device)
    assert device.connected(key_of(), 0.0) == []
    assert device.next_deadline == 10.0


def test_packets_before_the_connection_do_not_count() -> None:
    device = started()
    offered(device)
    device.heard(key_of(), 5.0)
    assert device.next_deadline == 10.0


@pytest.mark.parametrize("answered", [False, True])
def test_gone_viewer_that_never_connected_is_reaped(answered: bool) -> None:
    device = started()
    offered(device)
    if answered:
        device.answered(key_of(), sdp="v=0", now=0.0)
    effects = device.receive(to_device(Gone()), 1.0)
    assert [one.code for one in ends(effects)] == ["gone"]
    assert sent(effects) == []


def test_gone_never_ends_a_running_video_but_shortens_the_silence() -> None:
    device = started()
    key = connected(device)
    device.heard(key, 1.0)
    assert device.receive(to_device(Gone()), 2.0) == []
    assert device.next_deadline == 5.0
    device.heard(key, 4.0)
    assert device.next_deadline == 7.0
    device.receive(to_device(Gone()), 6.0)
    assert device.next_deadline == 7.0
    assert ends(device.tick(7.0))[0].code == "silence"


def test_answer_that_is_too_large_ends_the_session_with_a_word() -> None:
    device = started()
    offered(device)
    effects = device.answered(key_of(), sdp="x" * 16_000, now=0.0)
    assert error(effects).code == "too-large"
    assert ends(effects)[0].code == "too-large"
