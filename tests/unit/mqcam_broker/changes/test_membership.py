from __future__ import annotations

import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.errors import CredentialsError, MqcamError, SetupError, UsageError
from mqcam.trust.documents import read_certificate, read_grant
from mqcam.trust.keys import SigningKey
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.changes.membership import (
    Added,
    Admission,
    add_member,
    read_members,
    remove_member,
)
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.mosquitto.process import Reload
from mqcam_broker.owner.decree import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam.credentials import Kind
    from mqcam_broker.folder.members import Members

ADDRESSES = ("mqtts://nas.local:8883", "mqtts://192.0.2.1:8883")


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    decisions = BrokerDecisions(addresses=ADDRESSES, namespace="home")
    create(made, Plan(decisions=decisions, user=pwd.getpwuid(os.geteuid()).pw_name))
    return made


def add(made: BrokerDirectory, kind: Kind, name: str, output: Path) -> Added:
    return add_member(made, Admission(kind=kind, name=name, output=output))


def test_a_credentials_file_says_all_that_its_owner_needs(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    added = add(made, "device", "cam1", tmp_path / "cam1.device.yaml")
    assert added.reload is Reload.NOT_RUNNING
    credentials = load_credentials(added.file)
    assert (credentials.kind, credentials.name, credentials.username) == ("device", "cam1", "cam1")
    assert (credentials.broker, credentials.namespace) == (ADDRESSES, "home")
    assert credentials.server_name == "mqcam-broker"
    assert credentials.ca == made.ca_certificate.read_text()
    assert stat.S_IMODE(added.file.stat().st_mode) == 0o600


def test_the_broker_never_stores_a_password(made: BrokerDirectory, tmp_path: Path) -> None:
    file = add(made, "viewer", "alice", tmp_path / "alice.yaml").file
    password = load_credentials(file).password
    assert password is not None
    stored = (path.read_text("latin-1") for path in made.path.iterdir() if path.is_file())
    assert not any(password in text for text in stored)


def test_an_existing_file_is_never_overwritten(made: BrokerDirectory, tmp_path: Path) -> None:
    output = tmp_path / "alice.yaml"
    output.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SetupError, match=r"exists already.*--output"):
        add(made, "viewer", "alice", output)
    assert not made.read_members().by_name


def test_a_missing_folder_is_named(made: BrokerDirectory, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there is no folder"):
        add(made, "viewer", "alice", tmp_path / "no" / "alice.yaml")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "+", "#", "ä", "x" * 65, "a:b", "a\nb"])
def test_an_impossible_name_is_refused(made: BrokerDirectory, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a viewer; use 1 to 64"):
        add(made, "viewer", name, tmp_path / "x.yaml")


def test_a_device_and_a_viewer_share_no_name(made: BrokerDirectory, tmp_path: Path) -> None:
    add(made, "device", "porch", tmp_path / "device.yaml")
    with pytest.raises(SetupError, match="a name belongs to one device or one viewer"):
        add(made, "viewer", "porch", tmp_path / "viewer.yaml")
    assert not (tmp_path / "viewer.yaml").exists()


def test_a_failure_leaves_no_credentials_that_nobody_accepts(
    made: BrokerDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_directory: BrokerDirectory, _members: Members) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BrokerDirectory, "write_members", fail)
    with pytest.raises(OSError, match="No space"):
        add(made, "viewer", "alice", tmp_path / "alice.yaml")
    assert not (tmp_path / "alice.yaml").exists()


def test_changes_at_the_same_time_are_all_kept(made: BrokerDirectory, tmp_path: Path) -> None:
    names = [f"cam{number}" for number in range(8)]

    def add_one(name: str) -> None:
        add(made, "device", name, tmp_path / f"{name}.yaml")

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add_one, names))
    assert set(made.read_members().by_name) == set(names)


def test_who_is_removed_is_gone_from_both_files(made: BrokerDirectory, tmp_path: Path) -> None:
    add(made, "device", "cam1", tmp_path / "cam1.yaml")
    serial = made.read_members().by_name["cam1"].serial
    removed = remove_member(made, "cam1")
    assert (removed.member.kind, removed.publication.is_done) == ("device", False)
    assert not made.read_members().by_name
    assert "cam1" not in made.passwords.read_text() + made.rules.read_text()
    assert read_state(made).revoked == (serial,)
    with pytest.raises(MqcamError):
        remove_member(made, "cam1")


def test_a_start_repairs_the_password_file(made: BrokerDirectory, tmp_path: Path) -> None:
    add(made, "device", "cam1", tmp_path / "cam1.yaml")
    made.passwords.write_text("")
    assert set(read_members(made).by_name) == {"cam1"}
    assert "\ncam1:$7$101$" in made.passwords.read_text()


@pytest.mark.root
def test_what_sudo_made_belongs_to_who_typed_it(
    made: BrokerDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", "4242")
    monkeypatch.setenv("SUDO_GID", "4343")
    file = add(made, "viewer", "alice", tmp_path / "alice.yaml").file
    assert (file.stat().st_uid, file.stat().st_gid) == (4242, 4343)
    assert os.geteuid() == made.members.stat().st_uid


def test_a_device_gets_a_key_and_the_owners_word_for_it(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    credentials = load_credentials(add(made, "device", "cam1", tmp_path / "cam1.yaml").file)
    assert credentials.identity is not None
    assert credentials.certificate is not None
    assert credentials.grant is None
    assert credentials.owner == made.read_owner()
    said = read_certificate(credentials.certificate, owner=credentials.owner, namespace="home")
    member = made.read_members().by_name["cam1"]
    assert said.key == SigningKey.parse(credentials.identity).public == member.key
    assert (said.name, said.serial) == ("cam1", member.serial)


def test_a_viewer_gets_one_grant_for_all_its_cameras(made: BrokerDirectory, tmp_path: Path) -> None:
    admission = Admission(
        kind="viewer",
        name="ann",
        output=tmp_path / "ann.yaml",
        cameras=("door-*", "garden"),
        rights=("view", "talk"),
        expires=2_000_000_000,
    )
    credentials = load_credentials(add_member(made, admission).file)
    assert (credentials.certificate, credentials.owner) == (None, made.read_owner())
    grant = read_grant(str(credentials.grant), owner=made.read_owner(), namespace="home")
    member = made.read_members().by_name["ann"]
    for said in (grant, member):
        assert (said.cameras, said.rights) == (("door-*", "garden"), ("view", "talk"))
        assert (said.expires, said.key, said.serial) == (2_000_000_000, grant.key, grant.serial)
    assert SigningKey.parse(str(credentials.identity)).public == grant.key


def test_no_stored_file_holds_what_a_member_keeps_secret(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    credentials = load_credentials(add(made, "viewer", "ann", tmp_path / "ann.yaml").file)
    stored = "".join(p.read_text("latin-1") for p in made.path.iterdir() if p.is_file())
    secret = str(credentials.identity).partition(":")[2]
    assert secret not in stored
    assert secret not in repr(credentials)


def test_a_key_that_never_left_its_machine_is_signed_as_it_is(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    key = SigningKey.generate().public
    admission = Admission(kind="viewer", name="ann", output=tmp_path / "ann.yaml", public_key=key)
    credentials = load_credentials(add_member(made, admission).file)
    assert credentials.identity is None
    grant = read_grant(str(credentials.grant), owner=made.read_owner(), namespace="home")
    assert grant.key == key


@pytest.mark.parametrize("kind", ["device", "viewer"])
def test_who_is_replaced_keeps_the_name_and_nothing_else(
    made: BrokerDirectory, tmp_path: Path, kind: Kind
) -> None:
    old = load_credentials(add(made, kind, "porch", tmp_path / "old.yaml").file)
    former = made.read_members().by_name["porch"]
    admission = Admission(
        kind=kind, name="porch", output=tmp_path / "new.yaml", is_replacement=True
    )
    added = add_member(made, admission)
    new = load_credentials(added.file)
    member = made.read_members().by_name["porch"]
    assert (old.name, old.username) == (new.name, new.username) == ("porch", "porch")
    assert old.password != new.password
    assert old.identity != new.identity
    assert member.serial != former.serial
    assert read_state(made).revoked == (former.serial,)
    assert added.publication is not None


@pytest.mark.parametrize(
    ("kind", "name", "error"), [("viewer", "porch", SetupError), ("device", "door", UsageError)]
)
def test_only_one_of_the_same_kind_is_replaced(
    made: BrokerDirectory, tmp_path: Path, kind: Kind, name: str, error: type[Exception]
) -> None:
    add(made, "device", "porch", tmp_path / "old.yaml")
    admission = Admission(kind=kind, name=name, output=tmp_path / "n.yaml", is_replacement=True)
    with pytest.raises(error):
        add_member(made, admission)
    assert read_state(made).revoked == ()


def test_the_brokers_own_user_is_nobodys_name(made: BrokerDirectory, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the broker's own user"):
        add(made, "viewer", "mqcam-owner", tmp_path / "x.yaml")


def test_without_the_owners_key_nothing_changes(made: BrokerDirectory, tmp_path: Path) -> None:
    add(made, "viewer", "ann", tmp_path / "ann.yaml")
    before = made.members.read_bytes()
    made.owner_key.unlink()
    with pytest.raises(CredentialsError, match="--owner-key"):
        remove_member(made, "ann")
    with pytest.raises(CredentialsError, match="--owner-key"):
        add(made, "viewer", "bob", tmp_path / "bob.yaml")
    assert made.members.read_bytes() == before
    assert not (tmp_path / "bob.yaml").exists()


def test_who_cannot_be_removed_in_one_go_can_be_removed_again(
    made: BrokerDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk between the revocation and the members."""
    add(made, "viewer", "ann", tmp_path / "ann.yaml")

    def fail(_directory: BrokerDirectory, _members: Members) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(BrokerDirectory, "write_members", fail)
        with pytest.raises(OSError, match="No space"):
            remove_member(made, "ann")
    serial = made.read_members().by_name["ann"].serial
    remove_member(made, "ann")
    assert read_state(made).revoked == (serial,)


def test_a_public_certificate_is_checked_by_the_hosts_own_name(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    decisions = made.read_decisions()
    made.decisions.write_text(replace(decisions, public_certificate=True).text())
    credentials = load_credentials(add(made, "viewer", "ann", tmp_path / "ann.yaml").file)
    assert (credentials.ca, credentials.server_name) == (None, None)
