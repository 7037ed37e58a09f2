from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest
from mqcam.errors import NotSetUp, SetupError, UsageError
from mqcam_broker import authority, directory
from mqcam_broker.directory import BrokerDirectory, Plan
from mqcam_broker.members import Member, Members
from mqcam_broker.settings import BrokerDecisions

PLAN = Plan(
    decisions=BrokerDecisions(addresses=("mqtts://nas.local:8883",)),
    user=pwd.getpwuid(os.geteuid()).pw_name,
)
MEMBER = Member(kind="device", name="cam1", password_hash="$7$101$c2FsdA==$a2V5")


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    made.create(PLAN)
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_complete(made: BrokerDirectory) -> None:
    made.check()
    assert made.read_decisions() == PLAN.decisions
    assert made.read_members() == Members()


def test_secrets_are_for_their_owner_only(made: BrokerDirectory) -> None:
    for path in (made.ca_key, made.server_key, made.members, made.passwords, made.rules):
        assert mode(path) == 0o600
    assert mode(made.state) == 0o700


def test_rules_that_an_older_version_made_are_closed(made: BrokerDirectory) -> None:
    made.rules.chmod(0o644)
    made.close_rules()
    assert mode(made.rules) == 0o600


def test_mosquitto_may_read_the_rest(made: BrokerDirectory) -> None:
    for path in (made.configuration, made.ca_certificate, made.server_certificate):
        assert mode(path) == 0o644
    assert mode(made.path) == 0o755


def test_a_directory_that_is_in_use_is_left_alone(made: BrokerDirectory) -> None:
    before = made.ca_key.read_bytes()
    with pytest.raises(SetupError, match=r"already a broker's directory.*add-device"):
        made.create(PLAN)
    assert made.ca_key.read_bytes() == before


def test_a_directory_with_something_else_is_left_alone(tmp_path: Path) -> None:
    """Above all /etc/mosquitto, which has a mosquitto.conf of its own."""
    (tmp_path / "mosquitto.conf").write_text("theirs")
    with pytest.raises(SetupError, match=r"not an empty directory.*--dir"):
        BrokerDirectory(tmp_path).create(PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["mosquitto.conf"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    """A mounted volume, for example."""
    BrokerDirectory(tmp_path).create(PLAN)
    BrokerDirectory(tmp_path).check()


@pytest.mark.parametrize("exists", [True, False])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    path = tmp_path / "broker"
    if exists:
        path.mkdir()

    def fail(_members: Members) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Members, "text", fail)
    with pytest.raises(OSError, match="No space"):
        BrokerDirectory(path).create(PLAN)
    assert path.exists() == exists
    assert not exists or not list(path.iterdir())


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = BrokerDirectory(Path("here"))
    made.create(PLAN)
    assert f"\npassword_file {tmp_path.resolve()}/here/passwd\n" in made.configuration.read_text()


def test_no_broker_there_tells_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match=r"no broker in .*; make one with: mqcam-broker init --dir"):
        BrokerDirectory(tmp_path).check()


def test_a_missing_part_is_named(made: BrokerDirectory) -> None:
    made.server_key.unlink()
    with pytest.raises(NotSetUp, match=r"server\.key is missing; take it from a backup"):
        made.read_members()


def test_members_become_the_brokers_passwords(made: BrokerDirectory) -> None:
    members = Members().with_member(MEMBER)
    made.write_members(members)
    assert made.read_members() == members
    assert made.passwords.read_text() == f"cam1:{MEMBER.password_hash}\n"
    assert mode(made.passwords) == 0o600


def test_passwords_are_made_again_from_the_members(made: BrokerDirectory) -> None:
    """A power cut between the two files is healed by the next start."""
    made.write_members(Members().with_member(MEMBER))
    made.passwords.write_text("mallory:$7$x\n")
    made.refresh_passwords(made.read_members())
    assert made.passwords.read_text() == f"cam1:{MEMBER.password_hash}\n"


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


def test_an_unknown_user_is_a_mistake(tmp_path: Path) -> None:
    plan = Plan(decisions=PLAN.decisions, user="no-such-user-here")
    with pytest.raises(UsageError, match="no user 'no-such-user-here'"):
        BrokerDirectory(tmp_path / "broker").create(plan)


@pytest.mark.root
def test_a_place_that_the_brokers_user_cannot_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    plan = Plan(decisions=PLAN.decisions, user="nobody")
    with pytest.raises(SetupError, match=f"nobody, who runs the broker, may not enter {tmp_path}"):
        BrokerDirectory(tmp_path / "broker").create(plan)
    assert not list(tmp_path.iterdir())


def test_the_certificate_names_the_addresses(made: BrokerDirectory) -> None:
    assert b"BEGIN CERTIFICATE" in made.server_certificate.read_bytes()
    assert authority.expiry(made.server_certificate.read_bytes()).year > 2030
