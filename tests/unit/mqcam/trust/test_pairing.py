"""Two who share a secret learn each other's keys; who does not learns nothing."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.protocol.codec import body_hash, decode, encode
from mqcam.protocol.effects import PairRequested, SessionKey
from mqcam.protocol.messages import Error, Pair, Paired
from mqcam.trust import keys
from mqcam.trust.keys import SigningKey
from mqcam.trust.pairing import (
    PENDING_MAX,
    WINDOW_S,
    PairingDesk,
    Parties,
    Reply,
    device_proof,
    is_proof,
    viewer_proof,
)

SECRET = bytes(range(16))
WRONG = bytes(16)
CAMERA = SigningKey(bytes(range(32)))
LAPTOP = SigningKey(bytes(32))
PHONE = SigningKey(bytes([1]) * 32)


def parties(session: str = "s1", viewer: str = "laptop", key: SigningKey = LAPTOP) -> Parties:
    return Parties(
        namespace="mqcam",
        device="front",
        device_key=CAMERA.public,
        viewer=viewer,
        viewer_key=key.public,
        session=session,
    )


def asked(
    session: str = "s1", viewer: str = "laptop", key: SigningKey = LAPTOP, secret: bytes = SECRET
) -> PairRequested:
    """Return what the device's endpoint says when a viewer has asked."""
    pair = Pair(mac=viewer_proof(secret, parties(session, viewer, key)))
    return PairRequested(
        key=SessionKey(peer=viewer, peer_key=key.public, session=session),
        seal_key="x25519:" + "A" * 43,
        re=body_hash(encode(pair)),
        pair=pair,
    )


def desk(*, rights: tuple[str, ...] = ("view",)) -> PairingDesk:
    """Return a desk whose window was opened at 0 s."""
    made = PairingDesk(namespace="mqcam", device="front", key=CAMERA.public)
    made.open(SECRET, rights, 0.0)
    return made


def code(reply: Reply | None) -> str | None:
    if reply is None:
        return None
    return reply.message.code if isinstance(reply.message, Error) else "paired"


def names(made: PairingDesk, now: float = 1.0) -> list[str]:
    return [each.name for each in made.waiting(now)]


def number(made: PairingDesk, name: str = "laptop") -> int:
    return next(each.number for each in made.waiting(1.0) if each.name == name)


def test_a_viewer_who_knows_the_secret_is_let_in_by_a_person() -> None:
    made = desk(rights=("view", "talk"))
    request = asked()
    assert code(made.request(request, 1.0)) == "pairing-waits"
    (visitor,) = made.waiting(1.0)
    assert (visitor.name, visitor.key) == ("laptop", LAPTOP.public)
    assert visitor.fingerprint == keys.fingerprint(LAPTOP.public)

    assert made.rights == ("view", "talk")
    (reply,) = made.accept(visitor.number, 2.0)

    assert (reply.key, reply.seal_key) == (request.key, request.seal_key)
    paired = reply.message
    assert isinstance(paired, Paired)
    assert (paired.re, paired.rights) == (request.re, ("view", "talk"))
    proof = device_proof(SECRET, parties(), re=paired.re, rights=paired.rights)
    assert is_proof(paired.mac, proof)
    assert decode(encode(paired)) == paired


def test_the_proofs_are_what_the_page_of_the_protocol_says() -> None:
    """Written out with the standard library, so that a mistake here is a mistake on the wire."""
    context = b"mqcam/1 pairing viewer"
    extracted = hmac.digest(bytes(32), SECRET, "sha256")
    key = hmac.digest(extracted, context + b"\x01", "sha256")
    parts = (
        context,
        b"mqcam",
        b"front",
        b"laptop",
        CAMERA.public_bytes,
        LAPTOP.public_bytes,
        b"s1",
    )
    data = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    expected = keys.encode(hmac.new(key, data, hashlib.sha256).digest())
    assert viewer_proof(SECRET, parties()) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"namespace": "home"},
        {"device": "back"},
        {"device_key": PHONE.public},
        {"viewer": "phone"},
        {"viewer_key": PHONE.public},
        {"session": "s2"},
    ],
)
def test_a_proof_is_good_for_these_parties_only(changed: dict[str, str]) -> None:
    other = replace(parties(), **changed)
    assert viewer_proof(SECRET, other) != viewer_proof(SECRET, parties())
    one = device_proof(SECRET, parties(), re="r", rights=("view",))
    assert one != device_proof(SECRET, other, re="r", rights=("view",))


def test_a_devices_proof_is_over_request_and_rights() -> None:
    one = device_proof(SECRET, parties(), re="r", rights=("view",))
    assert one != device_proof(SECRET, parties(), re="q", rights=("view",))
    assert one != device_proof(SECRET, parties(), re="r", rights=("view", "talk"))
    assert one != device_proof(SECRET, parties(), re="r", rights=())


def test_no_proof_can_be_sent_back_as_the_others() -> None:
    assert viewer_proof(SECRET, parties()) != device_proof(SECRET, parties(), re="", rights=())


def test_a_wrong_secret_hears_nothing_and_changes_nothing() -> None:
    made = desk()
    assert made.request(asked(secret=WRONG), 1.0) is None
    assert names(made) == []


def test_wrong_attempts_never_lock_the_desk() -> None:
    made = desk()
    for attempt in range(500):
        assert made.request(asked(f"s{attempt}", secret=WRONG), 1.0) is None
    assert code(made.request(asked(), 1.0)) == "pairing-waits"


@given(st.text(alphabet="ABCabc019_-", min_size=43, max_size=43))
def test_no_guessed_proof_is_answered(mac: str) -> None:
    made = desk()
    assert made.request(replace(asked(), pair=Pair(mac=mac)), 1.0) is None


def test_without_a_window_nothing_is_answered() -> None:
    made = PairingDesk(namespace="mqcam", device="front", key=CAMERA.public)
    assert made.request(asked(), 1.0) is None
    assert not made.is_open(1.0)
    assert made.close() == []


def test_a_window_closes_by_itself() -> None:
    made = desk()
    made.request(asked(), 1.0)
    assert made.is_open(WINDOW_S - 1)
    assert made.remaining_s(WINDOW_S - 1) == 1.0
    assert not made.is_open(WINDOW_S)
    assert made.remaining_s(WINDOW_S) == 0.0
    assert names(made, WINDOW_S) == []
    assert made.accept(1, WINDOW_S) == []
    assert made.request(asked(), WINDOW_S) is None


def test_the_same_request_again_changes_nothing() -> None:
    made = desk()
    first = made.request(asked(), 1.0)
    before = made.waiting(1.0)
    assert made.request(asked(), 2.0) == first
    assert made.waiting(2.0) == before


def test_a_viewer_begun_anew_keeps_its_place() -> None:
    made = desk()
    made.request(asked("s1"), 1.0)
    before = made.waiting(1.0)
    made.request(asked("s2"), 2.0)
    assert made.waiting(2.0) == before
    accepted = made.accept(before[0].number, 3.0)
    assert [each.key.session for each in accepted] == ["s2"]


def test_the_accepted_request_again_is_told_the_same_again() -> None:
    """The reply may be lost: the viewer asks again and is still let in."""
    made = desk()
    made.request(asked(), 1.0)
    accepted = made.accept(number(made), 2.0)
    assert made.request(asked(), 3.0) == accepted[0]


def test_one_acceptance_closes_the_window_for_all_others() -> None:
    made = desk()
    made.request(asked(), 1.0)
    made.request(asked("s2", "phone", PHONE), 1.0)

    accepted = made.accept(number(made), 2.0)

    assert [code(each) for each in accepted] == ["paired", "pairing-closed"]
    assert not made.is_open(2.0)
    assert names(made, 2.0) == []
    assert code(made.request(asked("s2", "phone", PHONE), 3.0)) == "pairing-closed"
    assert code(made.request(asked("s3", "tablet", PHONE), 3.0)) == "pairing-closed"
    assert made.accept(2, 3.0) == []


def test_a_no_leaves_the_window_open() -> None:
    made = desk()
    made.request(asked(), 1.0)
    assert [code(each) for each in made.decline(number(made), 2.0)] == ["pairing-declined"]
    assert code(made.request(asked(), 3.0)) == "pairing-declined"
    assert made.is_open(3.0)
    assert code(made.request(asked("s2", "phone", PHONE), 3.0)) == "pairing-waits"
    assert made.decline(99, 3.0) == []


def test_at_most_four_wait() -> None:
    made = desk()
    for at in range(PENDING_MAX):
        assert code(made.request(asked(f"s{at}", f"viewer{at}"), 1.0)) == "pairing-waits"
    assert code(made.request(asked("s9", "late"), 1.0)) == "busy"
    assert len(made.waiting(1.0)) == PENDING_MAX
    made.decline(number(made, "viewer0"), 1.0)
    assert code(made.request(asked("s9", "late"), 1.0)) == "pairing-waits"


def test_what_is_remembered_of_refusals_is_bounded_and_keeps_the_acceptance() -> None:
    made = desk()
    for at in range(50):
        made.request(asked(f"s{at}", f"viewer{at}"), 1.0)
        made.decline(number(made, f"viewer{at}"), 1.0)
    for at in range(PENDING_MAX):
        made.request(asked(f"t{at}", f"guest{at}"), 1.0)
    made.accept(number(made, "guest0"), 2.0)
    assert code(made.request(asked("t0", "guest0"), 3.0)) == "paired"


def test_closing_tells_who_waits_and_forgets_the_secret() -> None:
    made = desk()
    made.request(asked(), 1.0)
    assert [code(each) for each in made.close()] == ["pairing-closed"]
    assert made.request(asked(), 2.0) is None


def test_a_new_window_replaces_the_old_one_with_its_secret() -> None:
    made = desk()
    made.request(asked(), 1.0)
    assert [code(each) for each in made.open(WRONG, ("view",), 2.0)] == ["pairing-closed"]
    assert made.request(asked(), 3.0) is None
    assert code(made.request(asked(secret=WRONG), 3.0)) == "pairing-waits"


@pytest.mark.parametrize("name", ["authority", "revoked"])
def test_a_name_that_means_something_else_in_the_file_is_refused(name: str) -> None:
    made = desk()
    reply = made.request(asked(viewer=name), 1.0)
    assert reply is not None
    assert isinstance(reply.message, Error)
    assert "take another" in reply.message.text
    assert names(made) == []


def test_a_secret_of_another_length_opens_no_window() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        desk().open(b"short", ("view",), 0.0)
