from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials, load_credentials
from mqcam.errors import SetupError
from mqcam_broker.changes.adoption import Adoption, adopt, is_readable_on_the_way, lines_to_paste
from mqcam_broker.changes.membership import Admission, add_member, remove_member
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.mosquitto.process import Reload, run_broker
from mqcam_broker.owner.publication import Publication, owner_settings
from support.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

USER = pwd.getpwuid(os.geteuid()).pw_name


def adopted(
    folder: Path,
    *,
    url: str = "mqtts://ha.local:8883",
    shared_user: str | None = None,
    ca: bytes | None = None,
) -> BrokerDirectory:
    directory = BrokerDirectory(folder / "broker")
    decisions = BrokerDecisions(addresses=(url,), existing=True, shared_user=shared_user)
    password = "shared-secret" if shared_user else None
    adopt(directory, Adoption(decisions=decisions, user=USER, ca=ca, shared_password=password))
    return directory


def added(directory: BrokerDirectory, name: str, kind: str = "viewer") -> Credentials:
    output = directory.path.parent / f"{name}.yaml"
    admission = Admission(kind="device" if kind == "device" else "viewer", name=name, output=output)
    assert add_member(directory, admission).reload is Reload.ELSEWHERE
    return load_credentials(output)


def test_members_of_somebody_elses_broker_get_whole_credentials(tmp_path: Path) -> None:
    ca = Authority().pem
    directory = adopted(tmp_path, ca=ca.encode())
    anna = added(directory, "anna")
    assert anna.broker == ("mqtts://ha.local:8883",)
    assert (anna.server_name, anna.ca) == (None, ca)
    assert anna.username == "anna"
    assert anna.grant is not None


def test_a_broker_with_a_public_certificate_needs_no_authority(tmp_path: Path) -> None:
    assert added(adopted(tmp_path), "front", "device").ca is None


def test_nothing_of_a_broker_is_made(tmp_path: Path) -> None:
    directory = adopted(tmp_path)
    names = {path.name for path in directory.path.iterdir()}
    assert not names & {"mosquitto.conf", "ca.key", "server.key", "server.crt"}
    with pytest.raises(SetupError, match="not run from here"):
        run_broker(directory, on_ready=lambda _listener: None, on_line=lambda _line: None)


def test_what_is_pasted_names_every_member_and_no_secret(tmp_path: Path) -> None:
    directory = adopted(tmp_path)
    anna, front = added(directory, "anna"), added(directory, "front", "device")
    lines = list(lines_to_paste(directory))
    for name in ("anna", "front", "mqcam-owner"):
        assert any(line.startswith(f"{name}:$7$") for line in lines)
        assert f"user {name}" in lines
    text = "\n".join(lines)
    for secret in (anna.password, front.password, anna.identity, directory.read_owner_password()):
        assert str(secret) not in text


def test_nothing_that_concerns_everybody_else_is_pasted_without_a_thought(tmp_path: Path) -> None:
    lines = list(lines_to_paste(adopted(tmp_path)))
    for option in ("allow_anonymous false", "acl_file", "max_packet_size"):
        assert not any(line.startswith(option) for line in lines)
    text = "\n".join(lines)
    assert "#allow_anonymous false\n# shuts out every program that logs in without one" in text
    assert "An acl_file where there was none forbids EVERYBODY ELSE" in text
    assert "A max_packet_size, if there is one, must be 65536 or more" in text


def test_who_is_removed_is_no_longer_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Publication(is_done=False)
    monkeypatch.setattr("mqcam_broker.changes.membership.publish_state", lambda _directory: silent)
    directory = adopted(tmp_path)
    added(directory, "anna")
    remove_member(directory, "anna")
    assert "anna" not in "\n".join(lines_to_paste(directory))


def test_one_account_for_everybody_is_in_every_file(tmp_path: Path) -> None:
    directory = adopted(tmp_path, url="mqtt://ha.local:1883", shared_user="home")
    anna, front = added(directory, "anna"), added(directory, "front", "device")
    assert {anna.username, front.username} == {"home"}
    assert {anna.password, front.password} == {"shared-secret"}
    assert anna.identity != front.identity
    lines = list(lines_to_paste(directory))
    assert "user home" in lines
    assert not any(":$7$" in line for line in lines)
    assert owner_settings(directory).username == "home"


def test_the_owner_reaches_it_under_its_address(tmp_path: Path) -> None:
    settings = owner_settings(adopted(tmp_path))
    assert [str(address) for address in settings.addresses] == ["mqtts://ha.local:8883"]
    assert (settings.username, settings.server_name) == ("mqcam-owner", "")


@pytest.mark.parametrize(
    ("url", "is_readable"),
    [("mqtt://h", True), ("ws://h", True), ("mqtts://h", False), ("wss://h", False)],
)
def test_a_way_without_encryption_is_noticed(url: str, is_readable: bool) -> None:
    assert is_readable_on_the_way(BrokerDecisions(addresses=(url,))) is is_readable


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    directory = adopted(tmp_path)
    before = directory.owner_key.read_bytes()
    with pytest.raises(SetupError, match="already a broker's directory"):
        adopted(tmp_path)
    assert directory.owner_key.read_bytes() == before
