from __future__ import annotations

import os
import pwd
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SetupError
from mqcam.trust.keys import SigningKey
from mqcam.trust.ownerstate import OwnerState, read_owner_state
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.owner.decree import change_state, read_payload, read_state, revoke

if TYPE_CHECKING:
    from pathlib import Path

TODAY = 1_800_000_000


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BrokerDirectory:
    monkeypatch.setattr("mqcam_broker.owner.decree.time.time", lambda: TODAY + 0.5)
    made = BrokerDirectory(tmp_path / "broker")
    decisions = BrokerDecisions(addresses=("mqtts://nas.local:8883",), namespace="home")
    create(made, Plan(decisions=decisions, user=pwd.getpwuid(os.geteuid()).pw_name))
    return made


def test_a_new_broker_has_revoked_nobody(made: BrokerDirectory) -> None:
    assert read_state(made) == OwnerState(number=TODAY)


def test_each_change_has_a_higher_number_and_keeps_what_was_said(made: BrokerDirectory) -> None:
    owner = made.read_owner_key(None)
    revoke(made, owner, "AAAAAAAA")
    revoke(made, owner, "BBBBBBBB")
    again = revoke(made, owner, "AAAAAAAA")
    assert again.number == TODAY + 3
    assert again.revoked == ("AAAAAAAA", "BBBBBBBB")
    assert read_state(made) == again


def test_a_clock_that_stands_still_does_not_lower_the_number(
    made: BrokerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcam_broker.owner.decree.time.time", lambda: 0.0)
    assert revoke(made, made.read_owner_key(None), "AAAAAAAA").number == TODAY + 1


def test_a_restored_backup_outruns_what_was_said_after_it(
    made: BrokerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, backup = made.read_owner_key(None), made.owner_state.read_bytes()
    for serial in ("AAAAAAAA", "BBBBBBBB"):
        last = revoke(made, owner, serial)
    made.owner_state.write_bytes(backup)
    monkeypatch.setattr("mqcam_broker.owner.decree.time.time", lambda: TODAY + 60.0)
    assert revoke(made, owner, "CCCCCCCC").number > last.number


def test_other_parts_of_the_state_can_be_changed(made: BrokerDirectory) -> None:
    owner = made.read_owner_key(None)
    revoke(made, owner, "AAAAAAAA")
    moved = change_state(
        made, owner, lambda state: replace(state, brokers=("mqtts://new.example.org:8883",))
    )
    assert (moved.revoked, len(moved.brokers)) == (("AAAAAAAA",), 1)


def test_everybody_can_check_what_is_stored(made: BrokerDirectory) -> None:
    state = revoke(made, made.read_owner_key(None), "AAAAAAAA")
    topic = "home/v1/owner/state"
    assert read_owner_state(read_payload(made), topic, owner=made.read_owner()) == state


@pytest.mark.parametrize("content", [b"", b"\x01" * 200])
def test_a_damaged_state_is_not_begun_anew(made: BrokerDirectory, content: bytes) -> None:
    made.owner_state.write_bytes(content)
    with pytest.raises(SetupError, match=r"owner\.state.*take it from a backup"):
        revoke(made, made.read_owner_key(None), "AAAAAAAA")
    assert made.owner_state.read_bytes() == content


def test_a_state_of_somebody_else_is_refused(made: BrokerDirectory) -> None:
    stranger = SigningKey.generate()
    made.owner_state.write_bytes(OwnerState(number=1).issue(stranger, "home/v1/owner/state"))
    with pytest.raises(SetupError, match="signed by somebody else"):
        read_state(made)
