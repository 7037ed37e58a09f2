"""Which statuses a viewer believes, and what becomes of sessions when it does so no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import LocalProtocolError
from mqcam.protocol.codec import encode
from mqcam.protocol.effects import Ended, Renamed, Send, StatusChanged, StatusRefused
from mqcam.protocol.messages import Bye, Offer, Status
from mqcam.protocol.verdict import Denial
from mqcam.testing import PlainEnvelope
from support.endpoints import DEADLINES, codes, make_viewer, on_status, sent, to_viewer

if TYPE_CHECKING:
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.envelope import Opened, Recipient
    from mqcam.protocol.viewer import ViewerEndpoint

STATUS = Status(n=1, state="online", boot="b1", nonce="nonce1", seal_key="first")
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


RESTARTED = replace(STATUS, boot="b2", nonce="nonce2", seal_key="second")


def offered(viewer: ViewerEndpoint, now: float) -> tuple[SessionKey, Offer]:
    """Offer a session and return its key and the offer."""
    key, effects = viewer.offer("cam", sdp="v=0", now=now)
    offer = sent(effects)[0]
    assert isinstance(offer, Offer)
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
    viewer = make_viewer(highest_version=lambda _: 2)
    effects = viewer.receive(on_status(payload), 0.0)
    assert codes(effects) == [code]
    told = effects[1]
    assert isinstance(told, StatusRefused)
    assert (told.device, told.code) == ("cam", code)
    assert viewer.devices == {}
