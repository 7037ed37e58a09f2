"""What a device says of itself, and when; its nonces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mqcam.protocol.codec import encode
from mqcam.protocol.effects import (
    Reject,
    Send,
    Started,
)
from mqcam.protocol.messages import Bye, CaptureState, Clock, Error, Gone, Status
from support.camera import connected, ends, error, key_of, offer, offered, started
from support.endpoints import (
    codes,
    make_device,
    on_status,
    sent,
    to_device,
)


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


def test_status_of_the_boot_before_is_overwritten_without_a_word() -> None:
    device = started()
    effects = device.receive(on_status(replace(device.status, boot="before")), 1.0)
    assert codes(effects) == []
    assert sent(effects) == [device.status]


def test_what_a_replaced_camera_left_is_overwritten_without_a_word() -> None:
    device = make_device(key="new")
    device.start(0.0)
    before = on_status(replace(device.status, boot="before"))
    effects = device.receive(before, 1.0)
    assert codes(effects) == []
    assert sent(effects) == [device.status]
    (alarm, *_) = device.receive(replace(before, retained=False), 9.0)
    assert isinstance(alarm, Reject)
    assert alarm.code == "foreign-status"
    assert "stop the one before it" in alarm.text
    assert "add-device --replace" in alarm.text


def test_foreign_status_is_overwritten_at_most_every_five_seconds() -> None:
    device = started()
    own = on_status(device.status)
    foreign = replace(on_status(replace(device.status, boot="other")), retained=False)
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
