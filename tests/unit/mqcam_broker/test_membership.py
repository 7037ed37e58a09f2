from __future__ import annotations

import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.errors import MqcamError, SetupError, UsageError
from mqcam_broker.directory import BrokerDirectory, Plan
from mqcam_broker.membership import add_member, read_members, remove_member
from mqcam_broker.process import Reload
from mqcam_broker.settings import BrokerDecisions

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam_broker.members import Members

ADDRESSES = ("mqtts://nas.local:8883", "mqtts://192.0.2.1:8883")


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    decisions = BrokerDecisions(addresses=ADDRESSES, namespace="home")
    made.create(Plan(decisions=decisions, user=pwd.getpwuid(os.geteuid()).pw_name))
    return made


def test_a_credentials_file_says_all_that_its_owner_needs(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    added = add_member(made, "device", "cam1", output=tmp_path / "cam1.device.yaml")
    assert added.reload is Reload.NOT_RUNNING
    credentials = load_credentials(added.file)
    assert (credentials.kind, credentials.name, credentials.username) == ("device", "cam1", "cam1")
    assert (credentials.broker, credentials.namespace) == (ADDRESSES, "home")
    assert credentials.server_name == "mqcam-broker"
    assert credentials.ca == made.ca_certificate.read_text()
    assert stat.S_IMODE(added.file.stat().st_mode) == 0o600


def test_the_broker_never_stores_a_password(made: BrokerDirectory, tmp_path: Path) -> None:
    file = add_member(made, "viewer", "alice", output=tmp_path / "alice.yaml").file
    password = load_credentials(file).password
    assert password is not None
    stored = (path.read_text() for path in made.path.iterdir() if path.is_file())
    assert not any(password in text for text in stored)


def test_an_existing_file_is_never_overwritten(made: BrokerDirectory, tmp_path: Path) -> None:
    output = tmp_path / "alice.yaml"
    output.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SetupError, match=r"exists already.*--output"):
        add_member(made, "viewer", "alice", output=output)
    assert not made.read_members().by_name


def test_a_missing_folder_is_named(made: BrokerDirectory, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there is no folder"):
        add_member(made, "viewer", "alice", output=tmp_path / "no" / "alice.yaml")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "+", "#", "ä", "x" * 65, "a:b", "a\nb"])
def test_an_impossible_name_is_refused(made: BrokerDirectory, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a viewer; use 1 to 64"):
        add_member(made, "viewer", name, output=tmp_path / "x.yaml")


def test_a_device_and_a_viewer_share_no_name(made: BrokerDirectory, tmp_path: Path) -> None:
    add_member(made, "device", "porch", output=tmp_path / "device.yaml")
    with pytest.raises(SetupError, match="a name belongs to one device or one viewer"):
        add_member(made, "viewer", "porch", output=tmp_path / "viewer.yaml")
    assert not (tmp_path / "viewer.yaml").exists()


def test_a_failure_leaves_no_credentials_that_nobody_accepts(
    made: BrokerDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_directory: BrokerDirectory, _members: Members) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BrokerDirectory, "write_members", fail)
    with pytest.raises(OSError, match="No space"):
        add_member(made, "viewer", "alice", output=tmp_path / "alice.yaml")
    assert not (tmp_path / "alice.yaml").exists()


def test_changes_at_the_same_time_are_all_kept(made: BrokerDirectory, tmp_path: Path) -> None:
    names = [f"cam{number}" for number in range(8)]

    def add(name: str) -> None:
        add_member(made, "device", name, output=tmp_path / f"{name}.yaml")

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, names))
    assert set(made.read_members().by_name) == set(names)


def test_who_is_removed_is_gone_from_both_files(made: BrokerDirectory, tmp_path: Path) -> None:
    add_member(made, "device", "cam1", output=tmp_path / "cam1.yaml")
    member, _ = remove_member(made, "cam1")
    assert member.kind == "device"
    assert not made.read_members().by_name
    assert made.passwords.read_text() == ""
    with pytest.raises(MqcamError):
        remove_member(made, "cam1")


def test_a_start_repairs_the_password_file(made: BrokerDirectory, tmp_path: Path) -> None:
    add_member(made, "device", "cam1", output=tmp_path / "cam1.yaml")
    made.passwords.write_text("")
    assert set(read_members(made).by_name) == {"cam1"}
    assert made.passwords.read_text().startswith("cam1:$7$101$")


@pytest.mark.root
def test_what_sudo_made_belongs_to_who_typed_it(
    made: BrokerDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", "4242")
    monkeypatch.setenv("SUDO_GID", "4343")
    file = add_member(made, "viewer", "alice", output=tmp_path / "alice.yaml").file
    assert (file.stat().st_uid, file.stat().st_gid) == (4242, 4343)
    assert os.geteuid() == made.members.stat().st_uid
