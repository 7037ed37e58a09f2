from __future__ import annotations

import os
import pwd
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mqcam.errors import CredentialsError, SetupError, UsageError
from mqcam_broker.certificates import authority
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.members import Members
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.owner.decree import read_state

PLAN = Plan(
    decisions=BrokerDecisions(addresses=("mqtts://nas.local:8883",)),
    user=pwd.getpwuid(os.geteuid()).pw_name,
)


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    create(made, PLAN)
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_complete(made: BrokerDirectory) -> None:
    made.check()
    assert made.read_decisions() == PLAN.decisions
    assert made.read_members() == Members()
    assert read_state(made).revoked == ()
    assert made.read_owner_key(None).public == made.read_owner()


def test_secrets_are_for_their_owner_only(made: BrokerDirectory) -> None:
    secrets = (made.ca_key, made.server_key, made.owner_key, made.owner_password)
    for path in (*secrets, made.members, made.passwords, made.rules):
        assert mode(path) == 0o600
    assert mode(made.state) == 0o700


def test_mosquitto_may_read_the_rest(made: BrokerDirectory) -> None:
    for path in (made.configuration, made.ca_certificate, made.server_certificate):
        assert mode(path) == 0o644
    assert mode(made.path) == 0o755


def test_a_directory_that_is_in_use_is_left_alone(made: BrokerDirectory) -> None:
    before = made.ca_key.read_bytes()
    with pytest.raises(SetupError, match=r"already a broker's directory.*add-device"):
        create(made, PLAN)
    assert made.ca_key.read_bytes() == before


def test_a_directory_with_something_else_is_left_alone(tmp_path: Path) -> None:
    """Above all /etc/mosquitto, which has a mosquitto.conf of its own."""
    (tmp_path / "mosquitto.conf").write_text("theirs")
    with pytest.raises(SetupError, match=r"not an empty directory.*--dir"):
        create(BrokerDirectory(tmp_path), PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["mosquitto.conf"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    """A mounted volume, for example."""
    create(BrokerDirectory(tmp_path), PLAN)
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
        create(BrokerDirectory(path), PLAN)
    assert path.exists() == exists
    assert not exists or not list(path.iterdir())


def test_a_directory_where_everybody_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(SetupError, match="everybody may write there"):
        create(BrokerDirectory(tmp_path / "open"), PLAN)
    assert not any((tmp_path / "open").iterdir())


@pytest.mark.root
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "his").mkdir()
    os.chown(tmp_path / "his", 4242, 4343)
    with pytest.raises(SetupError, match="belongs to another user"):
        create(BrokerDirectory(tmp_path / "his"), PLAN)


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = BrokerDirectory(Path("here"))
    create(made, PLAN)
    assert f"\npassword_file {tmp_path.resolve()}/here/passwd\n" in made.configuration.read_text()


def test_an_unknown_user_is_a_mistake(tmp_path: Path) -> None:
    plan = Plan(decisions=PLAN.decisions, user="no-such-user-here")
    with pytest.raises(UsageError, match="no user 'no-such-user-here'"):
        create(BrokerDirectory(tmp_path / "broker"), plan)


@pytest.mark.root
def test_a_place_that_the_brokers_user_cannot_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    plan = Plan(decisions=PLAN.decisions, user="nobody")
    with pytest.raises(SetupError, match=f"nobody, who runs the broker, may not enter {tmp_path}"):
        create(BrokerDirectory(tmp_path / "broker"), plan)
    assert not list(tmp_path.iterdir())


def test_the_certificate_names_the_addresses(made: BrokerDirectory) -> None:
    assert b"BEGIN CERTIFICATE" in made.server_certificate.read_bytes()
    assert authority.expiry(made.server_certificate.read_bytes()).year > 2030


def test_an_owner_may_have_several_brokers(made: BrokerDirectory, tmp_path: Path) -> None:
    second = BrokerDirectory(tmp_path / "second")
    create(second, replace(PLAN, owner_key=made.owner_key))
    assert second.read_owner() == made.read_owner()
    assert not second.owner_key.exists()
    assert read_state(second).revoked == ()


@pytest.mark.parametrize(
    ("text", "reason"), [("", "empty"), ("ed25519-secret:x\n", "damaged"), ("\udcff", "damaged")]
)
def test_a_key_that_cannot_be_used_makes_no_broker(tmp_path: Path, text: str, reason: str) -> None:
    key = tmp_path / "owner.key"
    key.write_bytes(text.encode(errors="surrogateescape"))
    key.chmod(0o600)
    with pytest.raises(CredentialsError, match=f"owner.key: the owner's key is {reason}"):
        create(BrokerDirectory(tmp_path / "broker"), replace(PLAN, owner_key=key))
    assert not (tmp_path / "broker").exists()


def test_a_public_certificate_leaves_no_authority(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    issued = authority.issue_server_certificate(
        authority.create_authority(now=now), ["nas.local"], now=now
    )
    made = BrokerDirectory(tmp_path / "broker")
    decisions = replace(PLAN.decisions, public_certificate=True)
    create(made, replace(PLAN, decisions=decisions, certificate=issued))
    assert not made.ca_key.exists()
    assert made.read_authority() is None
    assert (made.server_name(), made.anchor) == ("nas.local", made.server_certificate)
    assert f"\ncafile {made.path}/server.crt\n" in made.configuration.read_text()
    assert "ca.crt" not in made.configuration.read_text()


def test_no_secret_is_in_a_plans_repr() -> None:
    identity = authority.Identity(certificate=b"c", key=b"hidden")
    assert "hidden" not in repr(replace(PLAN, certificate=identity))
