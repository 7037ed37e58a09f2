"""The owner's state as a payload: whole, from the owner, for this namespace, or refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.errors import DocumentRefused
from mqcam.trust.documents import new_serial
from mqcam.trust.envelope import signed
from mqcam.trust.keys import SigningKey
from mqcam.trust.ownerstate import (
    BROKERS_MAX,
    PAYLOAD_MAX_BYTES,
    REVOKED_MAX,
    OwnerState,
    read_owner_state,
)
from mqcam.trust.signing import Purpose

OWNER, OTHER = SigningKey(b"1" * 32), SigningKey(b"2" * 32)
TOPIC = "home/v1/owner/state"
STATE = OwnerState(number=7, revoked=("serial01",), brokers=("mqtts://nas:8883",), ca="PEM")


def read(payload: bytes, *, topic: str = TOPIC, owner: SigningKey = OWNER) -> OwnerState:
    return read_owner_state(payload, topic, owner=owner.public)


def said(**changes: object) -> bytes:
    """Return a state as an owner could sign it with a program of his own."""
    body = {"v": 1, "t": "owner-state", "number": 7, "revoked": [], "brokers": [], **changes}
    return signed(OWNER, Purpose.OWNER_STATE, TOPIC, json.dumps(body).encode())


@given(
    st.integers(0, 2**53 - 1),
    st.lists(st.binary(min_size=6, max_size=6).map(new_serial), max_size=20),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=100), max_size=BROKERS_MAX),
)
def test_state_is_read_as_it_was_issued(
    number: int, revoked: list[str], brokers: list[str]
) -> None:
    issued = replace(STATE, number=number, revoked=tuple(revoked), brokers=tuple(brokers))
    assert read(issued.issue(OWNER, TOPIC)) == issued


def test_every_bit_of_it_counts() -> None:
    payload = STATE.issue(OWNER, TOPIC)
    for at in range(len(payload)):
        for bit in range(8):
            changed = bytearray(payload)
            changed[at] ^= 1 << bit
            with pytest.raises(DocumentRefused):
                read(bytes(changed))


def test_a_part_of_it_or_more_than_one_is_none() -> None:
    payload = STATE.issue(OWNER, TOPIC)
    for changed in (payload + b" ", payload * 2, *(payload[:n] for n in range(len(payload)))):
        with pytest.raises(DocumentRefused):
            read(changed)


def test_it_is_good_for_one_owner_and_one_namespace() -> None:
    payload = STATE.issue(OWNER, TOPIC)
    with pytest.raises(DocumentRefused, match="somebody else"):
        read(payload, owner=OTHER)
    with pytest.raises(DocumentRefused, match="signature"):
        read(payload, topic="away/v1/owner/state")
    for purpose in Purpose:
        if purpose is not Purpose.OWNER_STATE:
            with pytest.raises(DocumentRefused, match="signature"):
                read(signed(OWNER, purpose, TOPIC, payload[97:]))


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"number": -1},
        {"number": True},
        {"number": 2**53},
        {"number": None},
        {"revoked": ["short"]},
        {"revoked": ["serial01", 7]},
        {"revoked": "serial01"},
        {"revoked": ["serial01"] * (REVOKED_MAX + 1)},
        {"brokers": ["x"] * (BROKERS_MAX + 1)},
        {"brokers": ["x" * 513]},
        {"brokers": [None]},
        {"ca": 1},
        {"ca": "x" * 20_000},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_impossible_value_is_malformed(changes: dict[str, object]) -> None:
    assert read(said()).number == 7
    with pytest.raises(DocumentRefused) as caught:
        read(said(**changes))
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("kind", ["status", "certificate", "owner-states", "", None, 1])
def test_another_kind_of_body_is_no_state(kind: object) -> None:
    """The purpose in the signature says it already; a reader in another language may forget one."""
    with pytest.raises(DocumentRefused):
        read(said(t=kind))


def test_oversize_is_refused_before_it_is_read() -> None:
    with pytest.raises(DocumentRefused) as caught:
        read(b"\x01" * (PAYLOAD_MAX_BYTES + 1))
    assert caught.value.code == "too-large"


def test_state_holds_as_many_revocations_as_it_says() -> None:
    revoked = tuple(new_serial(number.to_bytes(6, "big")) for number in range(REVOKED_MAX))
    whole = replace(STATE, revoked=revoked)
    assert read(whole.issue(OWNER, TOPIC)) == whole
    with pytest.raises(DocumentRefused, match="new owner key"):
        replace(STATE, revoked=(*revoked, "serial01")).issue(OWNER, TOPIC)


@pytest.mark.parametrize(
    "impossible",
    [
        replace(STATE, number=-1),
        replace(STATE, revoked=("short",)),
        replace(STATE, brokers=("x",) * (BROKERS_MAX + 1)),
        replace(STATE, ca="x" * 20_000),
        replace(STATE, ca="x" * 70_000),
    ],
    ids=["number", "serial", "brokers", "ca", "all"],
)
def test_what_nobody_would_take_is_not_issued(impossible: OwnerState) -> None:
    """It would be retained, and nobody would obey anything any more."""
    with pytest.raises(DocumentRefused):
        impossible.issue(OWNER, TOPIC)


@settings(max_examples=300)
@given(st.binary(max_size=300).flatmap(lambda rest: st.sampled_from([rest, b"\x01" + rest])))
def test_rubbish_is_refused_and_nothing_else(payload: bytes) -> None:
    with pytest.raises(DocumentRefused):
        read(payload)


@given(st.binary(max_size=100))
def test_rubbish_that_the_owner_signed_is_refused_and_nothing_else(body: bytes) -> None:
    with pytest.raises(DocumentRefused):
        read(signed(OWNER, Purpose.OWNER_STATE, TOPIC, body))
