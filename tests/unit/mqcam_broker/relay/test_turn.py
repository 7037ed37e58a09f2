from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import ConfigError, NotSetUp, UsageError
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.relay.turn import PRIVATE, RelayAccess, TurnDecisions, TurnFiles, checked
from support.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

HOME = TurnDecisions(hosts=("nas.example.org",))


@pytest.fixture
def files(tmp_path: Path) -> TurnFiles:
    """Return the relay's files in a folder that has what they need of a broker."""
    (tmp_path / "state").mkdir()
    certificate = Authority().issue("nas.example.org").certificate_pem
    (tmp_path / "server.crt").write_text(certificate)
    return TurnFiles(BrokerDirectory(tmp_path))


def lines(files: TurnFiles) -> list[str]:
    return files.write_configuration().read_text().splitlines()


@pytest.mark.parametrize(
    "decisions",
    [
        HOME,
        TurnDecisions(hosts=("2001:db8::1", "a"), port=1, tls_port=2, bind="::1"),
        TurnDecisions(hosts=("192.0.2.1",), external_ip="192.0.2.1", private_peers=True),
    ],
)
def test_decisions_survive_their_file(files: TurnFiles, decisions: TurnDecisions) -> None:
    files.set_up(decisions)
    assert files.read_decisions() == decisions


def test_the_secret_is_for_the_owner_alone_long_and_kept(files: TurnFiles) -> None:
    files.set_up(HOME)
    secret = files.secret.read_text()
    assert len(secret.strip()) >= 43
    assert files.secret.stat().st_mode & 0o777 == 0o600
    files.set_up(dataclasses.replace(HOME, port=4000))
    assert files.secret.read_text() == secret


def test_a_secret_that_was_taken_away_is_made_anew(files: TurnFiles) -> None:
    files.set_up(HOME)
    secret = files.secret.read_text()
    files.secret.unlink()
    assert f"static-auth-secret={secret.strip()}" not in lines(files)
    assert files.secret.exists()


def test_a_camera_learns_every_way_to_the_relay_and_its_secret(files: TurnFiles) -> None:
    files.set_up(HOME)
    access = files.access()
    assert access.urls == (
        "stun:nas.example.org:3478",
        "turn:nas.example.org:3478",
        "turns:nas.example.org:5349",
    )
    assert access.secret == files.secret.read_text().strip()
    assert str(access.secret) not in repr(access)


def test_a_name_that_the_certificate_does_not_carry_gets_no_tls(files: TurnFiles) -> None:
    files.set_up(TurnDecisions(hosts=("2001:db8::1",)))
    assert files.access().urls == (
        "stun:[2001:db8::1]:3478",
        "turn:[2001:db8::1]:3478",
        "turn:[2001:db8::1]:3478?transport=tcp",
    )


def test_a_broker_without_a_relay_gives_nothing_of_one(files: TurnFiles) -> None:
    assert files.access() == RelayAccess()
    with pytest.raises(NotSetUp, match="run --turn ADDRESS"):
        files.lead_to([])


def test_an_address_that_is_typed_sets_the_relay_up_and_changes_it_later(files: TurnFiles) -> None:
    files.lead_to(["a.example.org"])
    files.set_up(dataclasses.replace(files.read_decisions(), port=4000))
    files.lead_to(["b.example.org"])
    assert files.read_decisions() == TurnDecisions(hosts=("b.example.org",), port=4000)


def test_the_configuration_holds_the_secret_and_is_for_the_broker_alone(files: TurnFiles) -> None:
    files.set_up(HOME)
    written = lines(files)
    assert f"static-auth-secret={files.secret.read_text().strip()}" in written
    assert files.configuration.stat().st_mode & 0o777 == 0o600


def test_nothing_private_is_relayed_to_unless_it_is_wanted(files: TurnFiles) -> None:
    files.set_up(HOME)
    assert set(lines(files)) >= {f"denied-peer-ip={each}" for each in PRIVATE}
    files.set_up(dataclasses.replace(HOME, private_peers=True))
    written = lines(files)
    assert not any(line.startswith("denied-peer-ip") for line in written)
    assert "allow-loopback-peers" not in written


@pytest.mark.parametrize(
    "line", ["use-auth-secret", "no-cli", "no-multicast-peers", "no-tlsv1", "no-tlsv1_1", "no-dtls"]
)
def test_what_is_not_needed_is_shut(files: TurnFiles, line: str) -> None:
    files.set_up(HOME)
    written = lines(files)
    assert line in written
    assert any(each.startswith("user-quota=") for each in written)
    assert any(each.startswith("total-quota=") for each in written)


def test_addresses_stand_where_turnserver_looks_for_them(files: TurnFiles) -> None:
    files.set_up(
        TurnDecisions(hosts=("a",), bind="192.168.1.2", external_ip="192.0.2.1", port=1, tls_port=2)
    )
    assert set(lines(files)) >= {
        "listening-port=1",
        "tls-listening-port=2",
        "listening-ip=192.168.1.2",
        "relay-ip=192.168.1.2",
        "external-ip=192.0.2.1",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hosts: []", "expected 1 to 2 hosts"),
        ("hosts: ['turn:a']", "is no host"),
        ("hosts: [a]\nport: 0", "expected 1 to 65_?535"),
        ("hosts: [a]\nbind: b", "is no IP address"),
        ("hosts: [a]\nport: 5349", "is the same as port"),
        ("hosts: [a]\nsecret: x", "unknown key"),
    ],
)
def test_an_edited_file_is_read_strictly(files: TurnFiles, text: str, told: str) -> None:
    files.decisions.write_text(text)
    with pytest.raises(ConfigError, match=told):
        files.read_decisions()


@pytest.mark.parametrize("hosts", [("a b",), ("a:3478",), ("a", "b", "c"), ("turn:a",)])
def test_a_relay_that_nobody_can_reach_is_refused_as_it_is_typed(hosts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        checked(TurnDecisions(hosts=hosts))
