"""Which statuses a viewer believes, and what becomes of sessions when it does so no more."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import LocalProtocolError
from mqcam.protocol.codec import encode
from mqcam.protocol.effects import Ended, Renamed, Send, StatusChanged, StatusRefused
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import Answer, Bye, Gone, Offer, Status
from mqcam.protocol.roles import Event
from mqcam.protocol.session import Cause
from mqcam.protocol.verdict import Denial
from mqcam.testing import PlainEnvelope
from support.endpoints import DEADLINES, codes, make_viewer, on_status, sent, to_viewer

if TYPE_CHECKING:
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.envelope import Opened, Recipient
    from mqcam.protocol.viewer import ViewerEndpoint

STATUS = Status(n=1, state="online", boot="b1", nonce="nonce1", seal_key="first")
RESTARTED = replace(STATUS, boot="b2", nonce="nonce2", seal_key="second")
NOT_OURS = Denial(code="unknown-key", text="nobody vouches for cam")


def refuse(device: str, key: str, status: Status) -> Denial:
    return NOT_OURS


class Demanding(PlainEnvelope):
    """Refuses what has no sealing key, as the true envelope does."""

    def seal(self, topic: str, body: bytes, recipient: Recipient | None) -> bytes:
        if recipient is None or not recipient.seal_key:
            raise LocalProtocolError("no key")
        return super().seal(topic, body, recipient)

    def open(self, topic: str, payload: bytes) -> Opened:
        return super().open(topic, payload)


def test_status_that_nobody_vouches_for_is_told_and_not_believed() -> None:
    viewer = make_viewer(vouch=refuse)
    effects = viewer.receive(on_status(STATUS), 0.0)
    assert codes(effects) == ["unvouched"]
    assert effects[1:] == [StatusRefused(device="cam", code="unknown-key", text=NOT_OURS.text)]
    assert viewer.devices == {}


def test_forged_status_does_not_displace_the_true_one() -> None:
    forged = replace(STATUS, boot="evil", seal_key="evil")
    viewer = make_viewer(vouch=lambda _d, _k, status: NOT_OURS if status == forged else None)
    viewer.receive(on_status(STATUS), 0.0)
    viewer.receive(on_status(forged), 1.0)
    assert viewer.devices == {"cam": STATUS}


def test_sessions_end_when_nobody_vouches_for_their_device_any_more() -> None:
    verdicts: list[Denial | None] = [None]
    viewer = make_viewer(vouch=lambda *_: verdicts[-1])
    viewer.receive(on_status(STATUS), 0.0)
    key, _ = viewer.offer("cam", sdp="v=0", now=0.0)
    assert viewer.judge_again(1.0) == []
    verdicts.append(NOT_OURS)
    effects = viewer.judge_again(2.0)
    assert Ended(key=key, code="unknown-key", text=NOT_OURS.text, remote=False) in effects
    assert isinstance(effects[-1], StatusRefused)
    assert viewer.sessions == ()
    assert viewer.devices == {}


@pytest.mark.parametrize("away", ["lost", "silent"])
def test_sessions_end_too_with_a_device_that_seems_to_be_gone(away: str) -> None:
    """A thief takes his camera off the broker; its video runs without one."""
    verdicts: list[Denial | None] = [None]
    viewer = make_viewer(vouch=lambda *_: verdicts[-1])
    viewer.receive(on_status(STATUS), 0.0)
    key, _ = connected(viewer)
    if away == "lost":
        viewer.receive(on_status(Gone()), 1.0)
    else:
        viewer.heard(key, DEADLINES.status_ttl_s)
        viewer.tick(DEADLINES.status_ttl_s)
    assert viewer.devices == {"cam": None}
    verdicts.append(NOT_OURS)
    effects = viewer.judge_again(DEADLINES.status_ttl_s)
    assert Ended(key=key, code="unknown-key", text=NOT_OURS.text, remote=False) in effects
    assert viewer.sessions == ()
    assert viewer.devices == {}


class Keyed(PlainEnvelope):
    """Reads who signed a status from its boot, and whose session it is from the topic."""

    def open(self, topic: str, payload: bytes) -> Opened:
        opened = super().open(topic, payload)
        if not topic.endswith("/status"):
            return opened
        return replace(opened, key=str(json.loads(payload).get("boot", "")))


def test_session_with_the_former_key_of_a_device_ends_when_that_is_revoked() -> None:
    """The word of the owner comes after the status of the new camera of that name."""
    revoked: set[str] = set()
    no_more = Denial(code="revoked", text="it was replaced")
    viewer = make_viewer(
        vouch=lambda _device, key, _status: no_more if key in revoked else None,
        envelope=Keyed("mqcam"),
    )
    viewer.receive(on_status(STATUS), 0.0)
    key, _ = connected(viewer)
    assert key.peer_key == "b1"
    viewer.receive(on_status(RESTARTED), 1.0)
    newer, _ = connected(viewer)
    assert viewer.judge_again(2.0) == []
    revoked.add("b1")
    effects = viewer.judge_again(3.0)
    assert [one for one in effects if not isinstance(one, Send)] == [
        Ended(key=key, code="replaced", text="cam has another identity by now", remote=False)
    ]
    assert viewer.sessions == (newer,)
    assert viewer.devices == {"cam": RESTARTED}


def test_start_that_was_revoked_is_not_tried_when_the_next_one_does_not_answer() -> None:
    revoked: set[str] = set()
    viewer = make_viewer(
        vouch=lambda _device, key, _status: NOT_OURS if key in revoked else None,
        envelope=Keyed("mqcam"),
    )
    viewer.receive(on_status(STATUS), 0.0)
    viewer.receive(on_status(RESTARTED), 1.0)
    revoked.add("b1")
    viewer.judge_again(2.0)
    offered(viewer, 2.0)
    viewer.tick(2.0 + DEADLINES.offer_give_up_s)
    assert viewer.devices == {"cam": RESTARTED}


def test_session_with_a_key_that_is_nobodys_any_more_ends_when_judged_again() -> None:
    """The new camera has answered: nothing is known any more by which to judge the old one."""
    viewer = make_viewer(envelope=Keyed("mqcam"))
    viewer.receive(on_status(STATUS), 0.0)
    key, _ = connected(viewer)
    viewer.receive(on_status(RESTARTED), 1.0)
    newer, _ = connected(viewer)
    viewer._presence.prove("cam", "second")
    (_, ended) = viewer.judge_again(2.0)
    assert isinstance(ended, Ended)
    assert (ended.key, ended.code) == (key, "replaced")
    assert viewer.sessions == (newer,)


def test_new_certificate_for_the_same_key_ends_no_session() -> None:
    """Of two starts with one key the later shows a certificate that counts."""
    revoked: set[str] = set()
    viewer = make_viewer(
        vouch=lambda _device, _key, status: NOT_OURS if status.boot in revoked else None
    )
    viewer.receive(on_status(STATUS), 0.0)
    key, _ = connected(viewer)
    viewer.receive(on_status(RESTARTED), 1.0)
    revoked.add("b1")
    assert viewer.judge_again(2.0) == []
    assert viewer.sessions == (key,)


def test_restarted_device_gets_the_offer_again_under_its_new_key() -> None:
    """What was sealed to the key before its restart it can never read."""
    viewer = make_viewer()
    viewer.receive(on_status(STATUS), 0.0)
    key, _ = viewer.offer("cam", sdp="v=0", now=0.0)
    restarted = replace(STATUS, boot="b2", nonce="nonce2", seal_key="second")
    effects = viewer.receive(on_status(restarted), 1.0)
    assert [type(effect) for effect in effects] == [StatusChanged, Renamed, Send]
    (again,) = sent(effects)
    assert isinstance(again, Offer)
    assert again.nonce == "nonce2"
    assert viewer.sessions == (replace(key, session=viewer.sessions[0].session),)
    assert viewer.receive(on_status(replace(restarted, n=2)), 2.0) == [
        StatusChanged(device="cam", status=replace(restarted, n=2), gone=False)
    ]


def test_running_session_survives_the_news_of_another_sealing_key() -> None:
    viewer = make_viewer()
    viewer.receive(on_status(STATUS), 0.0)
    key, _ = viewer.offer("cam", sdp="v=0", now=0.0)
    viewer.connected(key, 0.0)
    assert viewer.sessions == (key,)


def test_offer_without_a_key_to_seal_to_ends_at_once_with_a_reason() -> None:
    viewer = make_viewer(envelope=Demanding("mqcam"))
    key, effects = viewer.offer("cam", sdp="v=0", now=0.0)
    assert [(one.key, one.code) for one in effects if isinstance(one, Ended)] == [(key, "no-key")]
    assert viewer.sessions == ()


def offered(viewer: ViewerEndpoint, now: float) -> tuple[SessionKey, Offer]:
    """Offer a session and return its key and the offer."""
    key, effects = viewer.offer("cam", sdp="v=0", now=now)
    offer = sent(effects)[0]
    assert isinstance(offer, Offer)
    return key, offer


def connected(viewer: ViewerEndpoint) -> tuple[SessionKey, Offer]:
    """Return a session that runs, and its offer."""
    key, offer = offered(viewer, 0.0)
    session = viewer._engine.sessions[key]
    viewer._engine.step(session, Event.ANSWER, Cause(now=0.0, answer=Answer(re="", sdp="")))
    viewer.connected(key, 0.0)
    return key, offer


def answer(viewer: ViewerEndpoint, key: SessionKey, now: float) -> None:
    """Say something that only the device can have said."""
    viewer.receive(to_viewer(Bye(n=0, reason="closed"), session=key.session), now)


def test_replayed_status_of_an_earlier_start_is_not_believed() -> None:
    """Once the later start has answered."""
    viewer = make_viewer()
    viewer.receive(on_status(STATUS), 0.0)
    viewer.receive(on_status(RESTARTED), 1.0)
    answer(viewer, offered(viewer, 1.0)[0], 1.0)
    assert codes(viewer.receive(on_status(replace(STATUS, n=9)), 2.0)) == ["old-status"]
    assert viewer.devices == {"cam": RESTARTED}


def test_replayed_status_of_an_unknown_start_is_not_believed_for_long() -> None:
    """Nobody answers for it: then the start that had answered is tried again."""
    viewer = make_viewer()
    viewer.receive(on_status(RESTARTED), 0.0)
    answer(viewer, offered(viewer, 0.0)[0], 0.0)
    viewer.receive(on_status(STATUS), 1.0)
    _, offer = offered(viewer, 1.0)
    assert offer.nonce == "nonce1"
    viewer.tick(1.0 + DEADLINES.offer_give_up_s)
    _, offer = offered(viewer, 20.0)
    assert offer.nonce == "nonce2"
    assert viewer.devices == {"cam": RESTARTED}


def test_invented_cameras_do_not_crowd_out_one_that_was_vouched_for() -> None:
    viewer = make_viewer(limits=Limits(bucket_names=2, bucket_burst=3.0, bucket_per_s=1.0))
    viewer.receive(on_status(STATUS), 0.0)
    for second in range(10, 13):
        for number in range(20):
            viewer.receive(on_status(b"{", device=f"forged{number}"), float(second))
    assert codes(viewer.receive(on_status(b"{", device="cam2"), 12.0)) == ["throttled"]
    assert codes(viewer.receive(on_status(replace(STATUS, n=2)), 12.0)) == []


def test_device_that_speaks_again_after_a_replayed_status_is_believed() -> None:
    viewer = make_viewer()
    viewer.receive(on_status(RESTARTED), 0.0)
    viewer.receive(on_status(STATUS), 1.0)
    assert codes(viewer.receive(on_status(RESTARTED), 2.0)) == []  # said already
    again = replace(RESTARTED, n=2)
    assert StatusChanged(device="cam", status=again, gone=False) in viewer.receive(
        on_status(again), 3.0
    )
    assert viewer.devices == {"cam": again}


def test_many_replayed_statuses_do_not_displace_the_start_that_answered() -> None:
    viewer = make_viewer()
    viewer.receive(on_status(RESTARTED), 0.0)
    answer(viewer, offered(viewer, 0.0)[0], 0.0)
    for number in range(3, 9):
        old = replace(STATUS, boot=f"b{number}", seal_key=f"old{number}")
        viewer.receive(on_status(old), float(number))
    offered(viewer, 10.0)
    viewer.tick(10.0 + DEADLINES.offer_give_up_s)
    assert viewer.devices == {"cam": RESTARTED}


def test_camera_that_said_good_bye_is_not_tried_instead_of_its_next_start() -> None:
    viewer = make_viewer()
    viewer.receive(on_status(replace(STATUS, state="offline")), 0.0)
    viewer.receive(on_status(RESTARTED), 1.0)
    offered(viewer, 2.0)
    viewer.tick(2.0 + DEADLINES.offer_give_up_s)
    assert viewer.devices == {"cam": RESTARTED}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "unauthentic"),
        (b'{"v":1,"t":"status"}', "malformed"),
        (b'{"v":2,"t":"status"}', "unsupported-version"),
        (encode(STATUS), "downgrade"),
    ],
)
def test_status_that_cannot_be_read_is_told(payload: bytes, code: str) -> None:
    """Else the camera would seem to be unknown to the broker."""
    viewer = make_viewer(highest_version=lambda _device, _key: 2)
    effects = viewer.receive(on_status(payload), 0.0)
    assert codes(effects) == [code]
    told = effects[1]
    assert isinstance(told, StatusRefused)
    assert (told.device, told.code) == ("cam", code)
    assert viewer.devices == {}


def test_version_is_held_against_the_key_that_signed_a_higher_one_and_no_other() -> None:
    """Whoever has that key may not go back; a stranger learns from the vouching what he is."""
    viewer = make_viewer(
        envelope=Keyed("mqcam"),
        vouch=lambda _device, key, _status: NOT_OURS if key == "evil" else None,
        highest_version=lambda _device, key: 2 if key == "b1" else 1,
    )
    assert codes(viewer.receive(on_status(STATUS), 0.0)) == ["downgrade"]
    forged = replace(STATUS, boot="evil")
    assert codes(viewer.receive(on_status(forged), 1.0)) == ["unvouched"]
    assert viewer.devices == {}
    assert codes(viewer.receive(on_status(RESTARTED), 2.0)) == []
    assert viewer.devices == {"cam": RESTARTED}
    assert codes(viewer.receive(on_status(replace(STATUS, n=2)), 3.0)) == ["downgrade"]
    assert viewer.devices == {"cam": RESTARTED}
