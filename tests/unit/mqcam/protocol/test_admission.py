"""Which offers become sessions of the device, and what the others are told."""

from __future__ import annotations

import pytest
from mqcam.protocol.codec import body_hash, encode
from mqcam.protocol.effects import SessionKey, Started
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import Answer, Bye, Candidates, IceServer, MediaClock, Offer
from mqcam.protocol.verdict import Denial
from mqcam.protocol.waiting import Waiting
from support.camera import connected, ends, error, key_of, offer, offered, started
from support.endpoints import (
    DEADLINES,
    HOST,
    codes,
    make_device,
    sent,
    to_device,
)

VIEWING = frozenset({"view"})


def refuse_alice(viewer: str, key: str, offer: Offer) -> frozenset[str] | Denial:
    if viewer == "alice":
        return Denial(code="unauthorized", text="alice may not")
    return frozenset({"view"})


def test_offer_starts_a_session_and_the_answer_names_it() -> None:
    device = started()
    message = to_device(offer(device))
    effects = device.receive(message, 0.0)
    assert effects == [Started(key=key_of(), offer=offer(device), replaces=None, rights=VIEWING)]
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
    device = make_device(authorize=refuse_alice)
    device.start(0.0)
    assert error(offered(device)).code == "unauthorized"
    assert device.sessions == ()
    assert codes(offered(device, "s2")) == ["unauthorized"]
    assert isinstance(offered(device, viewer="bob")[0], Started)


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
    assert effects == [
        Started(key=key_of("s2"), offer=offer(device, replaces="s1"), replaces=old, rights=VIEWING)
    ]
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


def test_session_takes_a_bounded_number_of_candidates() -> None:
    device = started(session_candidates=2)
    connected(device)
    message = Candidates(n=1, ufrag="u", candidates=(HOST, HOST, HOST))
    effects = device.receive(to_device(message), 0.0)
    assert codes(effects) == ["too-many-candidates"]
    effects = device.local_candidates(key_of(), [HOST] * 3, ufrag="d", end=True, now=0.0)
    assert codes(effects) == ["too-many-candidates"]
    assert sent(effects) == [Candidates(n=1, ufrag="d", candidates=(HOST, HOST), end=True)]


def test_refusal_reaches_the_viewer_and_is_repeated() -> None:
    device = started()
    offered(device)
    effects = device.refused(key_of(), code="Not A Code", text="no\nH.264", now=0.0)
    told = error(effects)
    assert (told.code, told.text) == ("internal", "no H.264")
    assert sent(offered(device)) == [told]
    assert device.sessions == ()


def test_replayed_offer_of_a_session_that_said_bye_gets_no_word() -> None:
    device = started()
    connected(device)
    device.receive(to_device(Bye(n=1, reason="closed")), 0.0)
    assert sent(offered(device)) == []
    different = to_device(offer(device, sdp="v=0 other"))
    assert codes(device.receive(different, 0.0)) == ["replayed"]


def test_viewer_with_other_rights_may_not_view() -> None:
    device = make_device(authorize=lambda *_: frozenset({"control"}))
    device.start(0.0)
    assert error(offered(device)).code == "unauthorized"
    assert device.sessions == ()


def test_session_ends_when_its_viewer_loses_the_right() -> None:
    may = {"alice": frozenset({"view"})}
    gone = Denial(code="unauthorized", text="alice was revoked")
    device = make_device(authorize=lambda viewer, *_: may.get(viewer, gone))
    device.start(0.0)
    connected(device)
    assert device.judge_again(1.0) == []
    may.clear()
    effects = device.judge_again(2.0)
    assert [(one.code, one.text) for one in ends(effects)] == [("revoked", "alice was revoked")]
    assert [type(one) for one in sent(effects)] == [Bye]
    assert device.sessions == ()


def test_flood_of_unknown_viewers_is_dropped_unread_and_known_ones_are_heard() -> None:
    device = started(doubt_burst=10.0, doubt_per_s=1.0)
    offered(device)
    for number in range(100):
        device.receive(to_device(b"{", viewer=f"bob{number}"), 0.0)
    assert codes(device.receive(to_device(b"{", viewer="carol"), 0.0)) == ["throttled"]
    assert isinstance(offered(device, "s2")[0], Started)


def test_viewer_whom_the_camera_itself_let_in_is_heard_in_a_flood_before_his_first_offer() -> None:
    """A camera that restarts in the middle of it knows him from its own file."""
    device = make_device(proven=("alice",), limits=Limits(doubt_burst=10.0, doubt_per_s=1.0))
    device.start(0.0)
    for number in range(100):
        device.receive(to_device(b"{", viewer=f"bob{number}"), 0.0)
    assert codes(device.receive(to_device(b"{", viewer="carol"), 0.0)) == ["throttled"]
    assert isinstance(offered(device)[0], Started)


def test_few_accounts_that_flood_do_not_keep_a_newcomer_out() -> None:
    """At an honest broker each has one name; ten of them send as much as they may."""
    device = started()
    for tick in range(30 * 200):
        device.receive(to_device(b"{", viewer=f"bob{tick % 10}"), tick / 200)
    assert isinstance(device.receive(to_device(offer(device)), 30.0)[0], Started)


def test_made_up_names_do_not_crowd_out_a_viewer_who_was_let_in() -> None:
    """He has a bucket of his own, however many names share what is left."""
    device = started(bucket_names=2, bucket_burst=3.0, bucket_per_s=1.0)
    offered(device)
    for second in range(10, 13):
        for number in range(20):
            device.receive(to_device(b"{", viewer=f"bob{number}"), float(second))
    assert codes(device.receive(to_device(b"{", viewer="carol"), 12.0)) == ["throttled"]
    assert codes(device.receive(to_device(b"{"), 12.0)) == ["malformed"]


def test_sender_of_many_keys_does_not_fill_the_table_of_early_candidates() -> None:
    """A key is free; at an honest broker the name is not."""
    waiting = Waiting(deadlines=DEADLINES, limits=Limits())
    early = Candidates(n=0, ufrag="u")
    keys = [
        SessionKey(peer="mallory", peer_key=f"key{number}", session=f"s{number}")
        for number in range(64)
    ]
    assert sum(waiting.add(key, early, 0.0) for key in keys) == Limits().waiting_per_key
    assert waiting.add(SessionKey(peer="alice", peer_key="a", session="s"), early, 0.0)


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
    assert len(device._inbox._doubts_by_name) <= limits.bucket_names
    assert len(admission.waiting) <= limits.waiting_sessions
    assert len(admission._quota) <= limits.quota_names
    assert len(admission.nonces) <= 2 * limits.graves
