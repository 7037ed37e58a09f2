"""The rules of the viewer's end, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import LocalProtocolError
from mqcam.protocol.codec import body_hash
from mqcam.protocol.effects import (
    Answered,
    Effect,
    Ended,
    Inbound,
    RemoteCandidates,
    Renamed,
    Send,
    SessionKey,
    StatusChanged,
)
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import Answer, Bye, Candidates, Error, Gone, Offer, Status, Want
from support.endpoints import HOST, TOPICS, codes, make_viewer, on_status, sent, to_viewer

if TYPE_CHECKING:
    from mqcam.protocol.viewer import ViewerEndpoint

KEY = SessionKey(peer="cam", peer_key="cam", session="s1")
TO_CAM = TOPICS.to_device("cam", "alice", "s1")
STATUS = Status(n=1, state="online", boot="b1", nonce="nonce1", seal_key="sealkey")


def offered(viewer: ViewerEndpoint, now: float = 0.0) -> str:
    """Offer session s1 and return the hash that its answer must name."""
    _, effects = viewer.offer("cam", sdp="v=0", session="s1", now=now)
    assert isinstance(effects[0], Send)
    return body_hash(effects[0].payload)


def connected(viewer: ViewerEndpoint) -> str:
    offer_hash = offered(viewer)
    viewer.receive(to_viewer(Answer(re=offer_hash, sdp="v=0")), 0.0)
    viewer.connected(KEY, 0.0)
    return offer_hash


def ends(effects: list[Effect]) -> list[Ended]:
    return [effect for effect in effects if isinstance(effect, Ended)]


def test_offer_carries_wish_nonce_and_replaced_session() -> None:
    viewer = make_viewer()
    viewer.receive(on_status(STATUS), 0.0)
    want = Want(width=640, fps=15.0, layer="low")
    key, effects = viewer.offer("cam", sdp="v=0", want=want, replaces="old", now=0.0)
    assert sent(effects) == [Offer(nonce="nonce1", sdp="v=0", want=want, replaces="old")]
    assert viewer.sessions == (key,)
    assert len(key.session) == 22
    assert viewer.devices == {"cam": STATUS}


def test_session_id_of_the_shell_is_used_once() -> None:
    viewer = make_viewer()
    offered(viewer)
    with pytest.raises(LocalProtocolError):
        viewer.offer("cam", sdp="v=0", session="s1", now=0.0)


def test_will_is_gone_on_the_topic_of_the_session() -> None:
    will = make_viewer().will(KEY)
    assert sent([will]) == [Gone()]
    assert will.topic == "mqcam/v1/d/cam/in/alice/s1"
    assert not will.retain


def test_offer_that_is_too_large_ends_at_once() -> None:
    viewer = make_viewer()
    key, effects = viewer.offer("cam", sdp="x" * 16_000, now=0.0)
    assert [(one.key, one.code) for one in ends(effects)] == [(key, "too-large")]
    assert sent(effects) == []
    assert viewer.next_deadline is None


def test_answer_is_told_once_and_its_candidates_follow() -> None:
    viewer = make_viewer()
    offer_hash = offered(viewer)
    early = Candidates(n=1, ufrag="d", candidates=(HOST,))
    assert viewer.receive(to_viewer(early), 0.0) == []
    answer = Answer(re=offer_hash, sdp="v=0")
    assert viewer.receive(to_viewer(answer), 0.0) == [
        Answered(key=KEY, answer=answer),
        RemoteCandidates(key=KEY, candidates=(HOST,), ufrag="d", end=False),
    ]
    assert viewer.receive(to_viewer(answer), 0.0) == []
    viewer.connected(KEY, 0.0)
    assert viewer.receive(to_viewer(answer), 0.0) == []


@pytest.mark.parametrize(
    ("inbound", "code"),
    [
        (to_viewer(Answer(re="x" * 43, sdp="")), "wrong-re"),
        (to_viewer(Error(n=0, code="busy", re="x" * 43)), "wrong-re"),
        (to_viewer(Answer(re="x" * 43, sdp=""), session="other"), "unknown-session"),
        (to_viewer(Offer(nonce="", sdp="")), "unexpected"),
        (to_viewer(Gone()), "unexpected"),
        (to_viewer(b"{"), "malformed"),
        (on_status(Bye(n=0, reason="closed")), "unexpected"),
        (Inbound(topic="mqcam/v1/v/bob/in/cam/s1", payload=b"{}"), "wrong-topic"),
    ],
)
def test_what_is_not_obeyed_is_rejected_by_name(inbound: Inbound, code: str) -> None:
    viewer = make_viewer()
    offered(viewer)
    effects = viewer.receive(inbound, 0.0)
    assert codes(effects) == [code]
    assert len(effects) == 1
    assert viewer.sessions == (KEY,)


def test_error_about_the_offer_ends_the_session_with_its_text() -> None:
    viewer = make_viewer()
    offer_hash = offered(viewer)
    effects = viewer.receive(to_viewer(Error(n=0, code="busy", text="full", re=offer_hash)), 0.0)
    assert effects == [Ended(key=KEY, code="busy", text="full", remote=True)]


def test_device_of_a_newer_version_only_ends_the_offer_with_both_versions() -> None:
    viewer = make_viewer()
    offered(viewer)
    newer = to_viewer(b'{"v":2,"t":"answer"}')
    end = ends(viewer.receive(newer, 0.0))[0]
    assert end.code == "unsupported-version"
    assert "2" in end.text
    assert "1" in end.text
    assert ends(viewer.receive(newer, 0.0)) == []


def test_newer_version_does_not_end_a_connected_session() -> None:
    viewer = make_viewer()
    connected(viewer)
    assert ends(viewer.receive(to_viewer(b'{"v":2,"t":"cand"}'), 0.0)) == []


def test_version_below_the_highest_ever_seen_is_refused() -> None:
    viewer = make_viewer(highest_version=lambda device, _key: 2 if device == "cam" else 1)
    assert codes(viewer.receive(on_status(STATUS), 0.0)) == ["downgrade"]
    other = viewer.receive(on_status(STATUS, device="cam2"), 0.0)
    assert other == [StatusChanged(device="cam2", status=STATUS, gone=False)]


def test_stale_nonce_is_retried_under_a_new_id_with_all_candidates() -> None:
    viewer = make_viewer()
    offer_hash = offered(viewer)
    viewer.local_candidates(KEY, [HOST], ufrag="v", end=True, now=0.0)
    stale = Error(n=0, code="stale-nonce", re=offer_hash, nonce="fresh")
    effects = viewer.receive(to_viewer(stale), 1.0)
    renamed = effects[0]
    assert isinstance(renamed, Renamed)
    assert renamed.old == KEY
    assert viewer.sessions == (renamed.new,)
    assert sent(effects) == [
        Offer(nonce="fresh", sdp="v=0"),
        Candidates(n=1, ufrag="v", candidates=(HOST,), end=True),
    ]
    assert ends(viewer.tick(10.0))[0].key == renamed.new


def test_stale_nonce_again_and_again_ends() -> None:
    viewer = make_viewer()
    offered(viewer)
    session = "s1"
    for attempt in range(2):
        stale = Error(n=0, code="stale-nonce", nonce=f"fresh{attempt}")
        renamed = viewer.receive(to_viewer(stale, session=session), 0.0)[0]
        assert isinstance(renamed, Renamed)
        session = renamed.new.session
    stale = Error(n=0, code="stale-nonce", nonce="fresh")
    assert ends(viewer.receive(to_viewer(stale, session=session), 0.0))[0].code == "stale-nonce"


def test_stale_nonce_without_a_nonce_ends() -> None:
    viewer = make_viewer()
    offered(viewer)
    assert len(ends(viewer.receive(to_viewer(Error(n=0, code="stale-nonce")), 0.0))) == 1


def repetitions(viewer: ViewerEndpoint, *, unheard_until: float) -> list[float]:
    """Return when an offer made at 0 goes out again, unheard each time before a moment."""
    times: list[float] = []
    while viewer.sessions and (now := viewer.next_deadline) is not None:
        for effect in viewer.tick(now):
            if isinstance(effect, Send):
                times.append(now)
                if now < unheard_until:
                    viewer.undelivered(effect.topic, now)
    return times[:-1]  # the last word is the error


def test_an_offer_that_nobody_hears_is_repeated_soon_until_somebody_does() -> None:
    viewer = make_viewer()
    offered(viewer)
    viewer.undelivered(TO_CAM, 0.0)
    viewer.undelivered(TO_CAM, 0.0)  # its candidates, too
    assert repetitions(viewer, unheard_until=2.0) == [0.25, 0.75, 1.75, 2.75, 3.0, 7.0]


def test_an_offer_that_nobody_ever_hears_is_given_up_in_time() -> None:
    viewer = make_viewer()
    offered(viewer)
    viewer.undelivered(TO_CAM, 0.0)
    times = repetitions(viewer, unheard_until=100.0)
    assert times[-1] < 10.0
    assert len(times) < 15


def test_only_an_offer_is_repeated_because_nobody_hears() -> None:
    viewer = make_viewer()
    connected(viewer)
    due_at = viewer.next_deadline
    viewer.undelivered(TO_CAM, 0.0)
    viewer.undelivered(TOPICS.to_device("other", "alice", "s9"), 0.0)
    assert viewer.next_deadline == due_at


def test_repeats_after_the_end_of_patience_are_not_planned() -> None:
    viewer = make_viewer()
    offered(viewer)
    stale = Error(n=0, code="stale-nonce", nonce="fresh")
    viewer.receive(to_viewer(stale), 6.0)
    assert viewer.next_deadline == 9.0
    viewer.tick(9.0)
    assert viewer.next_deadline == 10.0


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([], "never said"),
        ([STATUS], "says online"),
        ([STATUS, Gone()], "lost its connection"),
    ],
)
def test_no_answer_is_explained_by_what_is_known(seen: list[Status | Gone], words: str) -> None:
    viewer = make_viewer()
    for message in seen:
        viewer.receive(on_status(message), 0.0)
    offered(viewer)
    effects = [effect for at in (3.0, 7.0, 10.0) for effect in viewer.tick(at)]
    end = ends(effects)[0]
    assert end.code == "no-answer"
    assert words in end.text
    told = sent(effects)[-1]
    assert isinstance(told, Error)
    assert told.code == "no-answer"


def test_connection_that_does_not_come_ends_the_session() -> None:
    viewer = make_viewer()
    offer_hash = offered(viewer)
    viewer.receive(to_viewer(Answer(re=offer_hash, sdp="")), 2.0)
    assert viewer.next_deadline == 12.0
    assert ends(viewer.tick(12.0))[0].code == "connect-timeout"


def test_silence_ends_a_connected_session() -> None:
    viewer = make_viewer()
    connected(viewer)
    viewer.heard(KEY, 2.0)
    assert viewer.next_deadline == 10.0
    assert ends(viewer.tick(10.0))[0].code == "silence"


def test_bye_from_the_device_and_from_us() -> None:
    viewer = make_viewer()
    connected(viewer)
    effects = viewer.receive(to_viewer(Bye(n=1, reason="shutdown")), 0.0)
    assert effects == [
        Ended(key=KEY, code="shutdown", text="the other side was stopped", remote=True)
    ]
    connected(viewer)
    assert sent(viewer.ended(KEY, reason="closed", text="enough", now=0.0)) == [
        Bye(n=1, reason="closed", text="enough")
    ]
    connected(viewer)
    effects = viewer.stop(0.0)
    assert [type(message) for message in sent(effects)] == [Bye]
    assert viewer.sessions == ()
    assert viewer.next_deadline is None


def test_candidates_after_the_answer_are_delivered_and_old_ones_counted() -> None:
    viewer = make_viewer()
    connected(viewer)
    message = to_viewer(Candidates(n=1, ufrag="d", candidates=(HOST,)))
    assert isinstance(viewer.receive(message, 0.0)[0], RemoteCandidates)
    assert codes(viewer.receive(message, 0.0)) == ["repeated"]


def test_statuses_are_kept_in_order_and_old_ones_counted() -> None:
    viewer = make_viewer()
    newer = replace(STATUS, n=2)
    viewer.receive(on_status(newer), 0.0)
    assert codes(viewer.receive(on_status(STATUS), 0.0)) == ["old-status"]
    assert viewer.receive(on_status(newer), 0.0) == []
    rebooted = replace(STATUS, boot="b2")
    assert viewer.receive(on_status(rebooted), 0.0) == [
        StatusChanged(device="cam", status=rebooted, gone=False)
    ]


def test_gone_greys_the_dot_once_and_ends_no_session() -> None:
    viewer = make_viewer()
    viewer.receive(on_status(STATUS), 0.0)
    connected(viewer)
    assert viewer.receive(on_status(Gone()), 0.0) == [
        StatusChanged(device="cam", status=STATUS, gone=True)
    ]
    assert viewer.receive(on_status(Gone()), 0.0) == []
    assert viewer.sessions == (KEY,)
    assert viewer.receive(on_status(Gone(), device="new"), 0.0) == [
        StatusChanged(device="new", status=None, gone=True)
    ]
    assert viewer.devices == {"cam": None, "new": None}


def test_status_that_is_not_renewed_expires_after_fifteen_minutes() -> None:
    viewer = make_viewer()
    viewer.receive(on_status(STATUS), 0.0)
    assert viewer.next_deadline == 900.0
    assert viewer.tick(900.0) == [StatusChanged(device="cam", status=STATUS, gone=True)]
    assert viewer.next_deadline is None


def test_table_of_devices_is_bounded() -> None:
    viewer = make_viewer(limits=Limits(devices=1))
    viewer.receive(on_status(STATUS), 0.0)
    assert codes(viewer.receive(on_status(STATUS, device="cam2"), 0.0)) == ["table-full"]
    assert viewer.receive(on_status(Gone(), device="cam2"), 0.0) == []
    viewer.offer("cam2", sdp="v=0", session="s2", now=0.0)
    stale = Error(n=0, code="stale-nonce", nonce="fresh")
    effects = viewer.receive(to_viewer(stale, device="cam2", session="s2"), 0.0)
    assert isinstance(effects[0], Renamed)


def test_invented_losses_do_not_keep_a_device_out_of_the_table() -> None:
    """Nobody signs a loss: a broker may tell those of a thousand devices that never were."""
    viewer = make_viewer(limits=Limits(devices=3))
    viewer.receive(on_status(STATUS, device="cam1"), 0.0)
    for number in range(10):
        viewer.receive(on_status(Gone(), device=f"forged{number}"), 0.0)
    assert codes(viewer.receive(on_status(STATUS), 0.0)) == []
    assert codes(viewer.receive(on_status(STATUS, device="cam3"), 0.0)) == []
    assert viewer.devices == {"cam1": STATUS, "cam": STATUS, "cam3": STATUS}
    assert codes(viewer.receive(on_status(STATUS, device="cam4"), 0.0)) == ["table-full"]


def test_messages_of_another_key_are_not_of_this_session() -> None:
    viewer = make_viewer()
    offer_hash = offered(viewer)
    foreign = to_viewer(Answer(re=offer_hash, sdp=""), device="cam2")
    assert codes(viewer.receive(foreign, 0.0)) == ["unknown-session"]
