from __future__ import annotations

import os
import pwd
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import CredentialsError, NotSetUp, SetupError
from mqcam.trust.keys import SigningKey
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.folder import directory
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.members import Member, Members
from mqcam_broker.folder.settings import BrokerDecisions

if TYPE_CHECKING:
    from pathlib import Path

PLAN = Plan(
    decisions=BrokerDecisions(addresses=("mqtts://nas.local:8883",)),
    user=pwd.getpwuid(os.geteuid()).pw_name,
)
MEMBER = Member(
    kind="device",
    name="cam1",
    password_hash="$7$101$c2FsdA==$a2V5",
    key=SigningKey(bytes(32)).public,
    serial="AAAAAAAA",
)


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    create(made, PLAN)
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("former", [None, 0o644, 0o666])
def test_nobody_else_may_open_the_lock_and_hold_it(
    made: BrokerDirectory, former: int | None
) -> None:
    lock = made.path / "lock"
    lock.unlink(missing_ok=True)
    if former is not None:
        lock.touch()
        lock.chmod(former)
    with made.locked():
        assert mode(lock) == 0o600


def test_rules_that_an_older_version_made_are_closed(made: BrokerDirectory) -> None:
    made.rules.chmod(0o644)
    made.refresh(made.read_members())
    assert mode(made.rules) == 0o600


def test_no_broker_there_tells_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match=r"no broker in .*; make one with: mqcam-broker init --dir"):
        BrokerDirectory(tmp_path).check()


def test_a_missing_part_is_named(made: BrokerDirectory) -> None:
    made.server_key.unlink()
    with pytest.raises(NotSetUp, match=r"server\.key is missing; take it from a backup"):
        made.read_members()


def test_members_become_the_brokers_passwords(made: BrokerDirectory) -> None:
    members = Members().replacing(MEMBER)
    made.write_members(members)
    assert made.read_members() == members
    owner, *others = made.passwords.read_text().splitlines()
    assert owner.startswith("mqcam-owner:$7$101$")
    assert others == [f"cam1:{MEMBER.password_hash}"]
    assert "user cam1\n" in made.rules.read_text()
    assert mode(made.passwords) == mode(made.rules) == 0o600


def test_passwords_are_made_again_from_the_members(made: BrokerDirectory) -> None:
    """A power cut between the two files is healed by the next start."""
    made.write_members(Members().replacing(MEMBER))
    before = made.passwords.read_text(), made.rules.read_text()
    made.passwords.write_text("mallory:$7$x\n")
    made.rules.write_text("topic readwrite #\n")
    made.refresh(made.read_members())
    assert (made.passwords.read_text(), made.rules.read_text()) == before


def test_files_that_say_the_same_are_not_written_again(made: BrokerDirectory) -> None:
    """Else each start would wear the card of a Raspberry Pi."""
    before = made.passwords.stat().st_ino, made.rules.stat().st_ino
    made.refresh(made.read_members())
    assert (made.passwords.stat().st_ino, made.rules.stat().st_ino) == before


def test_the_rules_of_a_fleet_do_not_depend_on_its_members(tmp_path: Path) -> None:
    fleet = BrokerDirectory(tmp_path / "fleet")
    create(fleet, replace(PLAN, is_fleet=True))
    before = fleet.rules.read_text()
    fleet.write_members(Members().replacing(MEMBER))
    assert fleet.rules.read_text() == before
    assert "%u" in before
    assert f"\nacl_file {fleet.path}/fleet.acl\n" in fleet.configuration.read_text()


def test_an_authority_is_part_of_a_broker_that_has_no_public_certificate(
    made: BrokerDirectory,
) -> None:
    made.ca_key.unlink()
    with pytest.raises(NotSetUp, match=r"ca\.key is missing"):
        made.read_decisions()


def test_a_running_broker_needs_no_owners_key(made: BrokerDirectory) -> None:
    made.owner_key.unlink()
    made.refresh(made.read_members())
    made.read_decisions()
    with pytest.raises(CredentialsError, match=r"owner\.key.*not there.*--owner-key FILE"):
        made.read_owner_key(None)


def test_the_owners_key_may_be_kept_elsewhere(made: BrokerDirectory, tmp_path: Path) -> None:
    elsewhere = made.owner_key.rename(tmp_path / "stick.key")
    assert made.read_owner_key(elsewhere).public == made.read_owner()


def test_two_changes_at_once_take_turns(
    made: BrokerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "LOCK_TIMEOUT_S", 0.0)
    with (
        made.locked(),
        pytest.raises(SetupError, match="another mqcam-broker"),
        made.locked(),
    ):
        pass
    with made.locked():
        pass
