"""The camera's door: an invitation, requests, a person's yes and no, and not any more."""

from __future__ import annotations

import asyncio
import errno
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mqcam import files
from mqcam.credentials import Credentials
from mqcam.errors import ControlError, CredentialsError
from mqcam.protocol.codec import body_hash, encode
from mqcam.protocol.effects import PairRequested, SessionKey
from mqcam.protocol.messages import Error, Pair
from mqcam.trust.keys import SigningKey, fingerprint
from mqcam.trust.pairing import WINDOW_S, Parties, Reply, viewer_proof
from mqcam.trust.pins import AuthorizedViewers
from mqcam.uri import Invitation, read_uri
from mqcam_device.reception import LEASE_S, Reception

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CAMERA = SigningKey(bytes(range(32)))
LAPTOP = SigningKey(bytes(32))
PHONE = SigningKey(bytes([1]) * 32)
SECRET = bytes(range(16))
ACCOUNT = Credentials(
    kind="device",
    name="front",
    broker=("mqtt://192.0.2.2",),
    username="shared",
    password="hunter2",
    identity=CAMERA.secret_text(),
    certificate="e30.c2ln",
    turn=("turn:192.0.2.2",),
    turn_secret="hunter3",
)


class House:
    """A reception with what the agent gives it."""

    def __init__(self, folder: Path) -> None:
        self.authorized = AuthorizedViewers(folder / "front.authorized_viewers")
        self.sent: list[Reply] = []
        self.judged = 0
        self.running: list[SessionKey] = []
        self.now = 100.0
        self.reception = Reception(
            ACCOUNT,
            key=CAMERA.public,
            authorized=self.authorized,
            send=self._send,
            judge=self._judge,
            sessions=lambda: self.running,
            random_bytes=lambda count: SECRET[:count],
            clock=lambda: self.now,
        )

    async def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        return dict(await self.reception.verbs[verb](arguments))

    def knock(self, name: str = "laptop", key: SigningKey = LAPTOP, secret: bytes = SECRET) -> None:
        parties = Parties(
            namespace="mqcam",
            device="front",
            device_key=CAMERA.public,
            viewer=name,
            viewer_key=key.public,
            session=f"of-{name}",
        )
        pair = Pair(mac=viewer_proof(secret, parties))
        self.reception.request(
            PairRequested(
                key=SessionKey(peer=name, peer_key=key.public, session=f"of-{name}"),
                seal_key="x25519:" + "A" * 43,
                re=body_hash(encode(pair)),
                pair=pair,
            )
        )

    def codes(self) -> list[str]:
        told, self.sent = self.sent, []
        return [e.message.code if isinstance(e.message, Error) else "paired" for e in told]

    def _send(self, replies: Sequence[Reply]) -> None:
        self.sent += replies

    def _judge(self) -> None:
        self.judged += 1


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_an_invitation_says_how_to_come_and_nothing_that_is_the_cameras_own(
    house: House,
) -> None:
    opened = await house.ask("pair", rights=["view"])
    invitation = read_uri(opened["uri"])
    way = Credentials(kind="viewer", name="front", broker=("mqtt://192.0.2.2",))
    assert invitation == Invitation(key=CAMERA.public, secret=SECRET, way=way)
    assert opened["fingerprint"] == fingerprint(CAMERA.public)
    assert (opened["camera"], opened["remaining_s"], opened["account"]) == ("front", 600, True)


async def test_the_account_is_shared_on_wish_only(house: House) -> None:
    opened = await house.ask("pair", share_account=True, name="anna")
    invitation = read_uri(opened["uri"])
    assert isinstance(invitation, Invitation)
    assert (invitation.way.username, invitation.way.password) == ("shared", "hunter2")
    assert invitation.visitor == "anna"


@pytest.mark.parametrize(
    "arguments", [{"rights": []}, {"rights": ["fly"]}, {"rights": "view"}, {"name": "a b"}]
)
async def test_what_cannot_be_meant_opens_no_window(
    house: House, arguments: dict[str, object]
) -> None:
    with pytest.raises(ControlError):
        await house.ask("pair", **arguments)
    assert not (await house.ask("pairing"))["open"]


async def test_who_knows_the_secret_waits_and_is_let_in_by_a_yes(house: House) -> None:
    await house.ask("pair", rights=["view", "talk"])
    house.knock()
    state = await house.ask("pairing")
    assert house.codes() == ["pairing-waits"]
    expected = {"number": 1, "viewer": "laptop", "fingerprint": fingerprint(LAPTOP.public)}
    assert state["waiting"] == [{**expected, "known_as": "", "was_shut_out": False}]

    decided = await house.ask("pair-decide", number=1, accept=True)

    assert decided == {"viewer": "laptop", "rights": ["view", "talk"]}
    assert house.codes() == ["paired"]
    (entry,) = AuthorizedViewers(house.authorized.path).entries()
    assert (entry.name, entry.key) == ("laptop", LAPTOP.public)
    assert entry.rights == frozenset({"view", "talk"})
    assert not (await house.ask("pairing"))["open"]


async def test_a_no_lets_nobody_in(house: House) -> None:
    await house.ask("pair")
    house.knock()
    assert (await house.ask("pair-decide", number=1))["rights"] == []
    assert house.codes() == ["pairing-waits", "pairing-declined"]
    assert house.authorized.entries() == ()
    assert (await house.ask("pairing"))["open"]


async def test_a_wrong_secret_is_answered_with_silence(house: House) -> None:
    await house.ask("pair")
    house.knock(secret=bytes(16))
    assert house.codes() == []
    assert (await house.ask("pairing"))["waiting"] == []


async def test_a_yes_to_somebody_who_waits_no_longer_is_said(house: House) -> None:
    await house.ask("pair")
    house.knock()
    house.now += WINDOW_S
    with pytest.raises(ControlError, match="waits no longer"):
        await house.ask("pair-decide", number=1, accept=True)
    assert house.authorized.entries() == ()


async def test_who_cannot_be_noted_is_not_let_in(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CredentialsError("f", "cannot be written: the disk is full")

    monkeypatch.setattr(house.authorized, "add", fail)
    await house.ask("pair")
    house.knock()
    with pytest.raises(CredentialsError, match="disk is full"):
        await house.ask("pair-decide", number=1, accept=True)
    assert house.codes() == ["pairing-waits"]


class SlowDisk:
    """Writes down whom it is told when ``go`` is set."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self._add = house.authorized.add
        monkeypatch.setattr(house.authorized, "add", self._add_slowly)

    def _add_slowly(self, name: str, key: str, rights: frozenset[str]) -> None:
        self.begun.set()
        assert self.go.wait(10.0)
        self._add(name, key, rights)


@pytest.mark.parametrize("again", [PHONE, LAPTOP], ids=["another", "the same one"])
async def test_a_yes_that_takes_its_time_lets_nobody_in_by_the_next_window(
    house: House, monkeypatch: pytest.MonkeyPatch, again: SigningKey
) -> None:
    """He has the same number there, and the yes was said to other rights."""
    disk = SlowDisk(house, monkeypatch)
    await house.ask("pair", rights=["view"])
    house.knock()
    deciding = asyncio.create_task(house.ask("pair-decide", number=1, accept=True), name="yes")
    assert await asyncio.to_thread(disk.begun.wait, 10.0)
    await house.ask("pair", rights=["view", "control"])
    house.knock("laptop", again)
    disk.go.set()
    with pytest.raises(ControlError, match="window was closed while laptop was written down"):
        await deciding
    assert house.codes() == ["pairing-waits", "pairing-closed", "pairing-waits"]
    (visitor,) = (await house.ask("pairing"))["waiting"]
    assert visitor["fingerprint"] == fingerprint(again.public)
    (entry,) = house.authorized.entries()
    assert (entry.key, entry.rights) == (LAPTOP.public, frozenset({"view"}))


async def test_a_yes_that_takes_its_time_is_said_to_who_asked_again_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(house, monkeypatch)
    await house.ask("pair")
    house.knock()
    deciding = asyncio.create_task(house.ask("pair-decide", number=1, accept=True), name="yes")
    assert await asyncio.to_thread(disk.begun.wait, 10.0)
    house.knock()
    disk.go.set()
    assert (await deciding)["viewer"] == "laptop"
    assert house.codes() == ["pairing-waits", "pairing-waits", "paired"]


async def test_a_closed_window_tells_who_waits(house: House) -> None:
    await house.ask("pair")
    house.knock()
    await house.ask("pair-close")
    assert house.codes() == ["pairing-waits", "pairing-closed"]
    house.knock("phone", PHONE)
    assert house.codes() == []


async def test_a_window_whose_terminal_has_died_is_closed(house: House) -> None:
    await house.ask("pair")
    house.now += LEASE_S + 1
    house.knock()
    assert house.codes() == []
    assert not (await house.ask("pairing"))["open"]


async def test_a_terminal_that_still_asks_keeps_its_window(house: House) -> None:
    await house.ask("pair")
    for _ in range(5):
        house.now += LEASE_S - 1
        assert (await house.ask("pairing"))["open"]
    house.knock()
    assert house.codes() == ["pairing-waits"]


async def test_an_acceptance_is_repeated_after_the_terminal_has_gone(house: House) -> None:
    """The reply may be lost on its way, and the terminal has done its work."""
    await house.ask("pair")
    house.knock()
    await house.ask("pair-decide", number=1, accept=True)
    house.codes()
    house.now += LEASE_S * 2
    house.knock()
    assert house.codes() == ["paired"]


async def test_a_name_that_had_another_key_is_shown_with_it(house: House) -> None:
    house.authorized.add("laptop", PHONE.public, frozenset({"view"}))
    await house.ask("pair")
    house.knock()
    (visitor,) = (await house.ask("pairing"))["waiting"]
    assert visitor["known_as"] == fingerprint(PHONE.public)
    await house.ask("pair-decide", number=1, accept=True)
    assert [each.key for each in house.authorized.find("laptop")] == [LAPTOP.public]


async def test_a_viewer_that_was_shut_out_is_shown_as_such(house: House) -> None:
    house.authorized.revoke("laptop", LAPTOP.public)
    await house.ask("pair")
    house.knock()
    (visitor,) = (await house.ask("pairing"))["waiting"]
    assert visitor["was_shut_out"] is True


async def test_a_revoked_viewer_is_shut_out_and_judged_at_once(house: House) -> None:
    house.authorized.add("laptop", LAPTOP.public, frozenset({"view"}))
    session = SessionKey(peer="laptop", peer_key=LAPTOP.public, session="s1")
    house.running = [session, replace(session, peer="phone")]

    assert await house.ask("revoke", viewer="laptop") == {"viewer": "laptop", "sessions": 1}

    assert [(each.key, each.is_revoked) for each in house.authorized.find("laptop")] == [
        (LAPTOP.public, True)
    ]
    assert house.judged == 1
    (entry,) = house.reception.allowed()
    assert (entry["viewer"], entry["revoked"], entry["rights"]) == ("laptop", True, [])


async def test_a_granted_viewer_who_is_not_watching_is_shut_out_by_the_key(house: House) -> None:
    """What is left to do where a broker withholds the owner's revocation."""
    await house.ask("revoke", viewer="anna", key=PHONE.public)
    assert house.authorized.is_shut_out(PHONE.public)
    with pytest.raises(ControlError, match="public key"):
        await house.ask("revoke", viewer="anna", key=PHONE.secret_text())


async def test_a_yes_to_one_lets_nobody_else_in_who_has_got_the_number(house: House) -> None:
    await house.ask("pair")
    house.knock()
    with pytest.raises(ControlError, match="waits no longer"):
        await house.ask("pair-decide", number=1, fingerprint=fingerprint(PHONE.public), accept=True)
    assert house.authorized.entries() == ()


async def test_a_disk_that_takes_nothing_keeps_no_door_open(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is told that it may not last; the sessions of both keys end at once."""

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "full", str(path))

    keys = [LAPTOP.public, PHONE.public]
    house.running = [SessionKey(peer="anna", peer_key=key, session="s1") for key in keys]
    monkeypatch.setattr(files, "write_atomically", full)
    with pytest.raises(CredentialsError, match="the disk is full"):
        await house.ask("revoke", viewer="anna")
    assert house.judged == 1
    assert all(house.authorized.is_shut_out(key) for key in keys)


async def test_a_full_disk_is_told_and_judged_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CredentialsError("f", "cannot be written: the disk is full")

    house.authorized.add("laptop", LAPTOP.public, frozenset({"view"}))
    monkeypatch.setattr(house.authorized, "revoke", fail)
    with pytest.raises(CredentialsError, match="disk is full"):
        await house.ask("revoke", viewer="laptop")
    assert house.judged == 1


async def test_a_viewer_who_watches_by_a_grant_is_shut_out_by_its_key(house: House) -> None:
    house.running = [SessionKey(peer="anna", peer_key=PHONE.public, session="s1")]
    await house.ask("revoke", viewer="anna")
    assert [each.key for each in house.authorized.find("anna")] == [PHONE.public]


@pytest.mark.parametrize("name", ["nobody", "", "a b", None, 7])
async def test_nobody_cannot_be_shut_out(house: House, name: object) -> None:
    with pytest.raises(ControlError):
        await house.ask("revoke", viewer=name)
    assert house.judged == 0


async def test_a_viewer_let_in_again_is_shut_out_no_longer(house: House) -> None:
    house.authorized.revoke("laptop", LAPTOP.public)
    await house.ask("pair")
    house.knock()
    await house.ask("pair-decide", number=1, accept=True)
    assert [each.is_revoked for each in house.authorized.find("laptop")] == [False]
