from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials, load_credentials
from mqcam.errors import SetupError, UsageError
from mqcam.trust.documents import Grant, read_grant
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.changes.membership import Admission, add_member
from mqcam_broker.changes.regrant import Regranted, regrant
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.owner.decree import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam_broker.folder.members import Members

FIRST_END, LATER, SOONER = 2_000_000_000, 2_100_000_000, 1_900_000_000


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    user = pwd.getpwuid(os.geteuid()).pw_name
    create(made, Plan(decisions=BrokerDecisions(addresses=("mqtts://nas.local:8883",)), user=user))
    anna = Admission(
        kind="viewer",
        name="anna",
        output=tmp_path / "anna.yaml",
        cameras=("door-*",),
        rights=("view", "talk"),
        expires=FIRST_END,
    )
    add_member(made, anna)
    add_member(made, Admission(kind="device", name="door-1", output=tmp_path / "door.yaml"))
    return made


def old_file(made: BrokerDirectory) -> Credentials:
    return load_credentials(made.path.parent / "anna.yaml")


def grant_in(made: BrokerDirectory, file: Path) -> Grant:
    grant = load_credentials(file).grant
    assert grant is not None
    return read_grant(grant, owner=made.read_owner(), namespace="mqcam")


def longer(made: BrokerDirectory, output: Path, expires: int | None = LATER) -> Regranted:
    return regrant(made, "anna", expires=expires, output=output)


def test_a_longer_grant_is_for_the_same_key_and_the_same_cameras(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    old = grant_in(made, tmp_path / "anna.yaml")
    done = longer(made, tmp_path / "new.yaml")
    new = grant_in(made, tmp_path / "new.yaml")
    assert (new.key, new.cameras, new.rights) == (old.key, old.cameras, old.rights)
    assert new.expires == LATER
    assert not done.is_revoked
    assert made.read_members().by_name["anna"].expires == LATER


def test_a_longer_grant_leaves_the_old_one_alone(made: BrokerDirectory, tmp_path: Path) -> None:
    """It ends by itself, and until the new file has arrived it is all that she has."""
    old = grant_in(made, tmp_path / "anna.yaml")
    longer(made, tmp_path / "new.yaml")
    assert grant_in(made, tmp_path / "new.yaml").serial == old.serial
    assert read_state(made).revoked == ()


@pytest.mark.parametrize("first", [None, FIRST_END])
def test_a_shorter_grant_revokes_the_longer_one(
    first: int | None, made: BrokerDirectory, tmp_path: Path
) -> None:
    longer(made, tmp_path / "first.yaml", first)
    old = grant_in(made, tmp_path / "first.yaml")
    assert longer(made, tmp_path / "new.yaml", SOONER).is_revoked
    new = grant_in(made, tmp_path / "new.yaml")
    assert read_state(made).revoked == (old.serial,)
    assert new.serial != old.serial
    assert made.read_members().by_name["anna"].serial == new.serial


def test_without_the_old_file_the_new_one_holds_no_secret(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    longer(made, tmp_path / "new.yaml")
    new = load_credentials(tmp_path / "new.yaml")
    assert new.password is None
    assert new.identity == made.read_members().by_name["anna"].key
    old = old_file(made)
    text = (tmp_path / "new.yaml").read_text()
    assert str(old.identity) not in text
    assert str(old.password) not in text


def test_with_the_old_file_the_new_one_is_whole(made: BrokerDirectory, tmp_path: Path) -> None:
    old, file = old_file(made), tmp_path / "anna.yaml"
    regrant(made, "anna", expires=LATER, output=file, old=old)
    new = load_credentials(file)
    assert (new.identity, new.password) == (old.identity, old.password)
    assert grant_in(made, file).expires == LATER
    assert new.owner_number == read_state(made).number


@pytest.mark.parametrize("end", [SOONER, LATER])
def test_no_grant_is_handed_out_whose_serial_could_not_be_noted(
    made: BrokerDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: int
) -> None:
    """Nobody could revoke it."""

    def fail(_self: BrokerDirectory, _members: Members) -> None:
        raise OSError(28, "No space left on device")

    before = (tmp_path / "anna.yaml").read_bytes()
    monkeypatch.setattr(BrokerDirectory, "write_members", fail)
    with pytest.raises(OSError, match="No space"):
        longer(made, tmp_path / "new.yaml", end)
    with pytest.raises(OSError, match="No space"):
        regrant(made, "anna", expires=end, output=tmp_path / "anna.yaml", old=old_file(made))
    assert not (tmp_path / "new.yaml").exists()
    assert (tmp_path / "anna.yaml").read_bytes() == before


def test_another_persons_file_is_refused(made: BrokerDirectory, tmp_path: Path) -> None:
    add_member(made, Admission(kind="viewer", name="ben", output=tmp_path / "ben.yaml"))
    ben = load_credentials(tmp_path / "ben.yaml")
    with pytest.raises(SetupError, match="not those of the viewer anna"):
        regrant(made, "anna", expires=LATER, output=tmp_path / "new.yaml", old=ben)
    assert not (tmp_path / "new.yaml").exists()


def test_no_file_is_replaced_without_its_secrets(made: BrokerDirectory, tmp_path: Path) -> None:
    before = (tmp_path / "anna.yaml").read_text()
    with pytest.raises(SetupError, match="exists already"):
        longer(made, tmp_path / "anna.yaml")
    assert (tmp_path / "anna.yaml").read_text() == before


def test_only_viewers_have_an_end(made: BrokerDirectory, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a device"):
        regrant(made, "door-1", expires=LATER, output=tmp_path / "new.yaml")
    with pytest.raises(UsageError, match="no device or viewer"):
        regrant(made, "carol", expires=LATER, output=tmp_path / "new.yaml")
