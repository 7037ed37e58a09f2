"""The rules of the device's end, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.protocol.admission import let_everybody_in
from mqcam.protocol.effects import (
    Effect,
    Ended,
    Inbound,
    RemoteCandidates,
    Send,
    SessionKey,
    Started,
)
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import (
    Answer,
    Bye,
    Candidates,
    CaptureState,
    Clock,
    Error,
    Gone,
    IceServer,
    MediaClock,
    Offer,
    Status,
    body_hash,
    encode,
)
from support.endpoints import (
    DEADLINES,
    HOST,
    codes,
    make_device,
    on_status,
    sent,
    to_device,
)

if TYPE_CHECKING:
    from mqcam.protocol.device import DeviceEndpoint


def key_of(session: str = "s1", viewer: str = "alice") -> SessionKey:
    return SessionKey(peer=viewer, peer_key=viewer, session=session)


def started(max_viewers: int = 4, **limits: float) -> DeviceEndpoint:
    device = make_device(max_viewers=max_viewers, limits=Limits(**limits))  # type: ignore[arg-type]
    device.start(0.0)
    return device


def offer(device: DeviceEndpoint, *, replaces: str = "", sdp: str = "v=0") -> Offer:
    return Offer(nonce=device.status.nonce, sdp=sdp, replaces=replaces)


def offered(device: DeviceEndpoint, session: str = "s1", viewer: str = "alice") -> list[Effect]:
    message = to_device(offer(device), session=session, viewer=viewer)
    return device.receive(message, 0.0)


def connected(device: DeviceEndpoint, session: str = "s1", viewer: str = "alice") -> SessionKey:
    key = key_of(session, viewer)
    offered(device, session, viewer)
    device.answered(key, sdp="v=0", now=0.0)
    device.connected(key, 0.0)
    return key


def error(effects: list[Effect]) -> Error:
    found = [message for message in sent(effects) if isinstance(message, Error)]
    assert len(found) == 1
    return found[0]


def ends(effects: list[Effect]) -> list[Ended]:
    return [effect for effect in effects if isinstance(effect, Ended)]


def test_first_status_is_retained_and_carries_the_nonce() -> None:
    device = make_device()
    assert device.next_deadline is None
    effects = device.start(0.0)
    assert len(effects) == 1
    assert isinstance(effects[0], Send)
    assert effects[0].retain
    assert effects[0].ttl_s == 900.0
    status = sent(effects)[0]
    assert isinstance(status, Status)
    assert (status.state, status.n, status.boot) == ("online", 1, "boot-1")
    assert status.nonce


def test_will_is_gone_and_birth_is_the_status_with_a_new_number() -> None:
    device = started()
    assert sent([device.will()]) == [Gone()]
    assert device.will().retain
    assert sent([device.birth()]) == [device.status]
    assert device.status.n == 2


def test_offer_starts_a_session_and_the_answer_names_it() -> None:
    device = started()
    message = to_device(offer(device))
    effects = device.receive(message, 0.0)
    assert effects == [Started(key=key_of(), offer=offer(device), replaces=None)]
    servers = (IceServer(urls=("turn:192.0.2.1",), username="u", credential="secret"),)
    clock = MediaClock(rtp_timestamp=7, captured_us=9)
    effects = device.answered(key_of(), sdp="v=0 a", ice_servers=servers, clock=clock, now=0.1)
    expected = Answer(re=body_hash(message.payload), sdp="v=0 a", ice_servers=servers, clock=clock)
    assert sent(effects) == [expected]


def test_same_offer_is_answered_again_and_a_different_one_refused() -> None:
    device = started()
    offered(device)
    assert offered(device) == []
    answer = device.answered(key_of(), sdp="v=0", now=0.0)
    assert offered(device) == answer
    device.connected(key_of(), 0.0)
    assert offered(device) == answer
    other = to_device(offer(device, sdp="v=0 other"))
    assert codes(device.receive(other, 0.0)) == ["conflicting-offer"]
    assert device.sessions == (key_of(),)


def test_retained_offer_is_dropped() -> None:
    device = started()
    assert codes(device.receive(to_device(offer(device), retained=True), 0.0)) == ["retained"]
    assert device.sessions == ()


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"{", "malformed"),
        (b'{"v":2,"t":"offer"}', "unsupported-version"),
        (encode(Offer(nonce="", sdp="v=0")), "stale-nonce"),
    ],
)
def test_authentic_sender_is_told_what_is_wrong(payload: bytes, code: str) -> None:
    effects = started().receive(to_device(payload), 0.0)
    assert codes(effects) == [code]
    assert error(effects).code == code


def test_higher_version_is_answered_with_both_versions() -> None:
    told = error(started().receive(to_device(b'{"v":9,"t":"offer"}'), 0.0))
    assert (told.speaks, told.received) == (1, 9)


def test_stranger_is_told_once_per_five_seconds_and_name() -> None:
    device = started()
    assert len(sent(device.receive(to_device(b"{"), 0.0))) == 1
    assert sent(device.receive(to_device(b"{", session="s2"), 4.9)) == []
    assert len(sent(device.receive(to_device(b"{", viewer="bob"), 4.9))) == 1
    assert len(sent(device.receive(to_device(b"{"), 5.0))) == 1


def test_viewer_without_the_right_is_told_and_makes_no_state() -> None:
    device = make_device(authorize=lambda _, key: key != "alice")
    device.start(0.0)
    assert error(offered(device)).code == "unauthorized"
    assert device.sessions == ()
    assert codes(offered(device, "s2")) == ["unauthorized"]
    assert isinstance(offered(device, viewer="bob")[0], Started)


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
def test_what_is_not_obeyed_is_counted(inbound: Inbound, code: str) -> None:
    device = started()
    effects = device.receive(inbound, 0.0)
    assert codes(effects) == [code]
    assert sent(effects) == []
    assert device.pending == {code: 1}
    assert device.take_pending() == {code: 1}
    assert device.pending == {}


def test_signed_gone_is_not_believed() -> None:
    padded = b'{"v":1,"t":"gone","x":"' + b"x" * 256 + b'"}'
    assert codes(started().receive(to_device(padded), 0.0)) == ["unexpected"]


def test_thousand_offers_a_second_are_throttled_and_others_undisturbed() -> None:
    device = started()
    started_sessions, throttled = 0, 0
    for number in range(1000):
        effects = device.receive(to_device(offer(device), session=f"s{number}"), number / 1000)
        started_sessions += any(isinstance(effect, Started) for effect in effects)
        throttled += codes(effects) == ["throttled"]
    assert started_sessions == 4
    assert throttled >= 900
    # All places are taken by offers that lead nowhere: the newest makes room for somebody else.
    displaced = device.sessions[-1]
    effects = device.receive(to_device(offer(device), viewer="bob"), 1.0)
    assert [(one.key, one.code) for one in ends(effects)] == [(displaced, "busy")]
    assert error(effects).code == "busy"
    assert isinstance(effects[-1], Started)


def test_viewer_who_has_a_place_or_meets_single_offers_displaces_nobody() -> None:
    device = started(max_viewers=2)
    offered(device)
    offered(device, viewer="bob")
    assert error(offered(device, viewer="carol")).code == "busy"
    assert error(offered(device, "s2")).code == "busy"


def test_connected_and_replacing_sessions_are_never_displaced() -> None:
    device = started(max_viewers=2)
    connected(device, "s1")
    connected(device, "s2")
    device.receive(to_device(offer(device, replaces="s1"), session="s3"), 0.0)
    assert error(offered(device, viewer="bob")).code == "busy"
    assert len(device.sessions) == 3


def test_full_house_is_busy_and_says_so_again() -> None:
    device = started(max_viewers=1)
    connected(device)
    busy = offered(device, viewer="bob")
    assert error(busy).code == "busy"
    again = offered(device, viewer="bob")
    assert sent(again) == sent(busy)
    assert codes(again) == ["replayed"]


def test_replacement_is_exempt_from_the_limit_once_and_ends_the_old_when_connected() -> None:
    device = started(max_viewers=1)
    old = connected(device)
    message = to_device(offer(device, replaces="s1"), session="s2")
    effects = device.receive(message, 0.0)
    assert effects == [Started(key=key_of("s2"), offer=offer(device, replaces="s1"), replaces=old)]
    third = device.receive(to_device(offer(device, replaces="s1"), session="s3"), 0.0)
    assert error(third).code == "busy"
    device.answered(key_of("s2"), sdp="v=0", now=0.0)
    effects = device.connected(key_of("s2"), 0.0)
    assert [(one.key, one.code) for one in ends(effects)] == [(old, "replaced")]
    assert sent(effects) == [Bye(n=1, reason="replaced", text=ends(effects)[0].text)]
    assert device.sessions == (key_of("s2"),)
    fourth = device.receive(to_device(offer(device, replaces="s2"), session="s4"), 0.0)
    assert isinstance(fourth[0], Started)


def test_replacement_survives_the_end_of_the_old_session() -> None:
    device = started(max_viewers=1)
    old = connected(device)
    device.receive(to_device(offer(device, replaces="s1"), session="s2"), 0.0)
    device.ended(old, reason="closed", now=0.0)
    device.answered(key_of("s2"), sdp="v=0", now=0.0)
    assert device.connected(key_of("s2"), 0.0) == []


def test_session_of_another_viewer_cannot_be_replaced() -> None:
    device = started(max_viewers=1)
    connected(device, viewer="bob")
    assert error(device.receive(to_device(offer(device, replaces="s1")), 0.0)).code == "busy"


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


def test_session_takes_a_bounded_number_of_candidates() -> None:
    device = started(session_candidates=2)
    connected(device)
    message = Candidates(n=1, ufrag="u", candidates=(HOST, HOST, HOST))
    effects = device.receive(to_device(message), 0.0)
    assert codes(effects) == ["too-many-candidates"]
    effects = device.local_candidates(key_of(), [HOST] * 3, ufrag="d", end=True, now=0.0)
    assert codes(effects) == ["too-many-candidates"]
    assert sent(effects) == [Candidates(n=1, ufrag="d", candidates=(HOST, HOST), end=True)]


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


def test_refusal_reaches_the_viewer_and_is_repeated() -> None:
    device = started()
    offered(device)
    effects = device.refused(key_of(), code="Not A Code", text="no\nH.264", now=0.0)
    told = error(effects)
    assert (told.code, told.text) == ("internal", "no H.264")
    assert sent(offered(device)) == [told]
    assert device.sessions == ()


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


def test_replayed_offer_of_a_session_that_said_bye_gets_no_word() -> None:
    device = started()
    connected(device)
    device.receive(to_device(Bye(n=1, reason="closed")), 0.0)
    assert sent(offered(device)) == []
    different = to_device(offer(device, sdp="v=0 other"))
    assert codes(device.receive(different, 0.0)) == ["replayed"]


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


def test_everybody_is_let_in_unless_told_otherwise() -> None:
    assert let_everybody_in(Offer(nonce="", sdp=""), "key")


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


def test_nonce_rotates_hourly_and_the_old_one_is_good_for_a_minute() -> None:
    device = started()
    old = offer(device)
    for at in range(300, 3600, 300):
        device.tick(float(at))
    effects = device.tick(3600.0)
    assert isinstance(sent(effects)[0], Status)
    assert device.status.nonce != old.nonce
    assert isinstance(device.receive(to_device(old), 3659.9)[0], Started)
    assert codes(device.receive(to_device(old, session="s2"), 3660.0)) == ["stale-nonce"]
    told = error(device.receive(to_device(old, session="s3"), 3660.0))
    assert told.nonce == device.status.nonce
    assert device.tick(3660.0) == []


def test_full_table_of_tombstones_rotates_the_nonce_at_once() -> None:
    device = started(graves=2)
    old = offer(device)
    for session in ("s1", "s2"):
        device.receive(to_device(old, session=session), 0.0)
        effects = device.refused(key_of(session), code="not-acceptable", text="", now=0.0)
    assert [type(message) for message in sent(effects)] == [Error, Status]
    assert device.status.nonce != old.nonce
    # A replay finds its tombstone as long as its nonce is good, and a stale nonce afterwards.
    assert codes(device.receive(to_device(old, session="s1"), 1.0)) == ["replayed"]
    device.tick(60.0)
    assert codes(device.receive(to_device(old, session="s1"), 60.0)) == ["stale-nonce"]


def test_status_is_said_again_every_five_minutes_and_when_it_changes() -> None:
    device = started()
    assert device.next_deadline == 300.0
    assert len(sent(device.tick(300.0))) == 1
    assert device.update_status(now=301.0) == []
    changes = device.update_status(
        state="busy",
        capture=CaptureState(state="running", fps_min=5.0, fps_max=30.0),
        clock=Clock(synchronised=True),
        capabilities=["h264"],
        now=301.0,
    )
    assert sent(changes) == [device.status]
    assert device.status.capabilities == ("h264",)
    assert device.next_deadline == 601.0


def test_foreign_status_is_overwritten_at_most_every_five_seconds() -> None:
    device = started()
    own = on_status(device.status)
    foreign = on_status(replace(device.status, boot="other"))
    assert device.receive(own, 1.0) == []
    effects = device.receive(foreign, 1.0)
    assert codes(effects) == ["foreign-status"]
    assert sent(effects) == [device.status]
    assert sent(device.receive(foreign, 2.0)) == []
    assert device.next_deadline == 6.0
    assert sent(device.tick(6.0)) == [device.status]


@pytest.mark.parametrize("payload", [encode(Gone()), b"", b"{", encode(Bye(n=0, reason="x"))])
def test_anything_else_on_the_own_status_topic_is_overwritten(payload: bytes) -> None:
    device = started()
    assert sent(device.receive(on_status(payload), 1.0)) == [device.status]


def test_flood_on_the_own_status_topic_is_not_read() -> None:
    device = started(bucket_burst=1.0)
    device.receive(on_status(Gone()), 1.0)
    assert codes(device.receive(on_status(b""), 1.0)) == ["throttled"]


def test_stop_says_bye_to_everybody_and_offline_and_then_nothing() -> None:
    device = started()
    key = connected(device)
    effects = device.stop(1.0)
    farewell, status = sent(effects)
    assert isinstance(farewell, Bye)
    assert farewell.reason == "shutdown"
    assert isinstance(status, Status)
    assert status.state == "offline"
    assert ends(effects) == []
    assert device.next_deadline is None
    assert device.stop(2.0) == device.tick(999.0) == offered(device) == []
    assert device.update_status(state="online", now=2.0) == []
    assert device.ended(key, reason="closed", now=2.0) == []


def test_no_table_grows_without_bound() -> None:
    """Ten thousand messages of five hundred viewers, most of them of no use."""
    limits = Limits()
    device = started(max_viewers=4)
    for number in range(10_000):
        viewer, session, now = f"viewer{number % 500}", f"s{number}", number / 1000
        message = (offer(device), Candidates(n=1, ufrag="u"), b"{")[number % 3]
        device.receive(to_device(message, session=session, viewer=viewer), now)
        if number % 100 == 0:
            device.tick(now)
    admission = device._admission
    assert len(device.sessions) <= 4
    assert len(device._inbox._buckets) <= limits.bucket_names
    assert len(admission.waiting) <= limits.waiting_sessions
    assert len(admission._quota) <= limits.quota_names
    assert len(admission.nonces) <= 2 * limits.graves
    assert len(device.pending) <= 32
