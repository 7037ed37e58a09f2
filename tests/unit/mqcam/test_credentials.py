"""Credentials survive the way through their file, and a damaged file is told, never shown."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.config import decode
from mqcam.credentials import (
    Credentials,
    credentials_of,
    load_credentials,
    write_credentials,
)
from mqcam.errors import ConfigError, CredentialsError
from mqcam.trust.documents import Certificate, Grant
from mqcam.trust.keys import SigningKey

if TYPE_CHECKING:
    from pathlib import Path

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nTUlJ\nQg==\n-----END CERTIFICATE-----\n"
FRONT = Credentials(
    kind="device",
    name="front",
    namespace="home",
    broker=("mqtts://192.0.2.1:8883", "mqtts://nas.local:8883"),
    ca=CERTIFICATE,
    username="front",
    password="s3cret: #'\" no",
)
OWNER, CAMERA, OTHER = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
CERTIFIED = dataclasses.replace(
    FRONT,
    identity=CAMERA.secret_text(),
    owner=OWNER.public,
    certificate=Certificate(name="front", key=CAMERA.public, serial="serial01").issue(
        OWNER, "home"
    ),
)
GRANT = Grant(name="anna", key=CAMERA.public, serial="serial02", cameras=("*",))
ANNA = dataclasses.replace(
    CERTIFIED,
    kind="viewer",
    name="anna",
    certificate=None,
    grant=GRANT.issue(OWNER, "home"),
)
LEAST = "kind: device\nname: front\nbroker: [mqtt://nas]\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "credentials",
    [
        FRONT,
        CERTIFIED,
        ANNA,
        dataclasses.replace(ANNA, identity=None),
        dataclasses.replace(ANNA, identity=CAMERA.public),
        dataclasses.replace(FRONT, ca=CERTIFICATE * 2, server_name=None),
        dataclasses.replace(FRONT, kind="viewer", name="no", username="007", password="1e3"),
        dataclasses.replace(FRONT, turn=("stun:r", "turn:r:3479"), turn_secret="s3cret too"),
        Credentials(kind="device", name="a", broker=("ws://h/x",)),
    ],
)
def test_credentials_survive_their_file(tmp_path: Path, credentials: Credentials) -> None:
    path = tmp_path / "c.yaml"
    write_credentials(path, credentials)
    assert load_credentials(path) == credentials
    assert path.stat().st_mode & 0o777 == 0o600


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30))
def test_any_password_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, password: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    write_credentials(path, dataclasses.replace(FRONT, password=password))
    assert load_credentials(path).password == password


def test_certificates_are_written_readably(tmp_path: Path) -> None:
    write_credentials(tmp_path / "c.yaml", FRONT)
    assert "ca: |\n  -----BEGIN CERTIFICATE-----\n  TUlJ\n" in (tmp_path / "c.yaml").read_text()


def test_broker_settings_carry_everything() -> None:
    broker = FRONT.broker_settings()
    assert [each.host for each in broker.addresses] == ["192.0.2.1", "nas.local"]
    assert (broker.username, broker.password) == (FRONT.username, FRONT.password)
    assert broker.ca_pem == CERTIFICATE
    assert broker.server_name == "mqcam-broker"


def test_no_server_name_means_the_name_of_the_address() -> None:
    assert dataclasses.replace(FRONT, server_name=None).broker_settings().server_name == ""


def test_the_secret_of_a_relay_is_not_in_the_repr() -> None:
    relayed = dataclasses.replace(FRONT, turn=("turn:r",), turn_secret="hush")
    assert "hush" not in repr(relayed)


def test_a_file_without_a_relay_says_nothing_of_one(tmp_path: Path) -> None:
    write_credentials(tmp_path / "c.yaml", FRONT)
    assert "turn" not in (tmp_path / "c.yaml").read_text()


def test_password_is_not_in_the_repr() -> None:
    assert "s3cret" not in repr(FRONT)
    assert "s3cret" not in repr(FRONT.broker_settings())


def test_file_that_others_can_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml", LEAST)
    path.chmod(0o644)
    with pytest.raises(CredentialsError, match=f"run chmod 600 {path}"):
        load_credentials(path)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"none\.yaml: does not exist"):
        load_credentials(tmp_path / "none.yaml")


def test_folder_that_is_missing_is_told_on_writing(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="does not exist"):
        write_credentials(tmp_path / "none" / "c.yaml", FRONT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty; ask the owner of the broker for a new one"),
        ("\0\0\0\0", "line 1: (YAML): holds a control character"),
        ("kind: device\nname: fr", "line 1: broker: is missing"),
        (
            "kind: phone\nname: a\nbroker: [mqtt://a]",
            "line 1: kind: expected one of device, viewer",
        ),
        (LEAST + "ca: |\n  -----BEGIN CERTIFICATE-----\n  TUlJ\n", "ca: expected PEM certificates"),
        (LEAST + "ca: |\n  -----BEGIN PRIVATE KEY-----\n  s3cret\n", "ca: expected PEM"),
        (LEAST + "password: s3cret", "line 4: password: needs a username beside it"),
        (LEAST + "pasword: s3cret", "line 4: pasword: unknown key; did you mean 'password'?"),
        (LEAST + "username: a\npassword: [s3cret]", "line 5: password: expected a text"),
        ("kind: device\nname: a/b\nbroker: [mqtt://a]", "name: expected 1 to 64 letters"),
        ("kind: device\nname: a\nbroker: []", "broker: expected 1 to 16 addresses, got 0"),
        ("kind: device\nname: a\nbroker: mqtt://a", "broker: expected a list"),
        ("kind: device\nname: a\nbroker: [http://a]", "it must begin with one of mqtt"),
        ("kind: device\nname: a\nbroker: ['mqtt://u:s3cret@a']", "user and password"),
        (LEAST + "namespace: a/b", "namespace: expected 1 to 64"),
        (LEAST + "turn: ['turn:r']", "turn_secret: is missing"),
        (LEAST + "turn_secret: s3cret", "turn: is missing"),
        (LEAST + "turn: [r]\nturn_secret: s3cret", "turn: expected a server such as"),
    ],
)
def test_damaged_file_is_told_and_its_secrets_are_not(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        load_credentials(written(tmp_path / "c.yaml", text))
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_damaged_bytes_cause_only_config_errors(content: bytes) -> None:
    with pytest.raises(ConfigError):
        decode(LEAST.encode() + b"x" + content, Credentials, file="c.yaml")


def test_reading_credentials_loads_no_broker_library() -> None:
    """The capture child and `check` must stay small."""
    code = "import sys, mqcam.credentials; sys.exit(any(m.startswith('paho') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], timeout=20, check=False).returncode == 0


def test_credentials_of_the_other_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    write_credentials(path, CERTIFIED)

    assert credentials_of("device", path) == credentials_of("device", CERTIFIED) == CERTIFIED
    for these, shown in ((path, str(path)), (FRONT, FRONT.name)):
        with pytest.raises(CredentialsError, match="add-viewer") as refusal:
            credentials_of("viewer", these)
        assert refusal.value.path == shown


def test_a_configuration_in_their_place_is_named_before_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "device.yaml"
    path.write_text("credentials: c.yaml\n")
    path.chmod(0o644)
    with pytest.raises(CredentialsError, match="a camera's configuration, not a credentials file"):
        load_credentials(path)


def test_a_file_of_an_earlier_release_is_told_with_the_command_that_makes_a_new_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.yaml"
    write_credentials(path, FRONT)
    with pytest.raises(CredentialsError, match="'mqcam-broker add-device front --replace'"):
        credentials_of("device", path)


@pytest.mark.parametrize("field", ["identity", "certificate", "grant"])
def test_a_file_that_says_who_it_is_by_one_field_is_read(tmp_path: Path, field: str) -> None:
    """The private key may lie in the keyring, or never have left the viewer's machine."""
    whole = CERTIFIED if field == "certificate" else ANNA
    others = {name: None for name in ("identity", "certificate", "grant") if name != field}
    path = tmp_path / "c.yaml"
    write_credentials(path, dataclasses.replace(whole, **others))  # type: ignore[arg-type]
    assert credentials_of(whole.kind, path).owner == OWNER.public


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"identity": "s3cret"}, "identity: expected ed25519-secret: and 43 characters"),
        ({"identity": "x25519:" + "s3cret0_" * 5 + "s3c"}, "identity: expected a key that begins"),
        ({"owner": "s3cret"}, "owner: expected a public key"),
        ({"owner": OWNER.secret_text()}, "owner: expected a public key"),
        ({"owner": OTHER.public}, "certificate: the certificate is not signed by the owner"),
        ({"owner": None}, "owner: is missing"),
        ({"namespace": "other"}, "certificate: the certificate is not signed by the owner"),
        ({"certificate": "s3cret"}, "certificate: the certificate cannot be read"),
        ({"certificate": ANNA.grant}, "certificate: the certificate is a grant"),
        ({"name": "back"}, "certificate: is made for front, not for back"),
        ({"identity": OTHER.secret_text()}, "certificate: is made for another key"),
        ({"identity": OTHER.public}, "certificate: is made for another key"),
        ({"certificate": None, "grant": ANNA.grant}, "grant: belongs into the file of a viewer"),
        ({"kind": "viewer"}, "certificate: belongs into the file of a device"),
    ],
)
def test_what_does_not_fit_together_is_told_and_no_secret_with_it(
    tmp_path: Path, changes: dict[str, str | None], told: str
) -> None:
    path = tmp_path / "c.yaml"
    write_credentials(path, dataclasses.replace(CERTIFIED, **changes))  # type: ignore[arg-type]
    with pytest.raises(CredentialsError) as caught:
        load_credentials(path)
    assert told in str(caught.value)
    for secret in ("s3cret", *(key.secret_text()[15:] for key in (OWNER, CAMERA, OTHER))):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_letter_of_a_document_can_be_changed(data: st.DataObject) -> None:
    for field, whole in (("certificate", CERTIFIED), ("grant", ANNA)):
        text = getattr(whole, field)
        at = data.draw(st.integers(0, len(text) - 1))
        letter = data.draw(st.characters(codec="ascii", exclude_characters=text[at]))
        changed = dataclasses.replace(whole, **{field: text[:at] + letter + text[at + 1 :]})
        assert [key for key, _ in changed.mistakes()] == [field]


def test_secrets_are_in_no_repr() -> None:
    assert CAMERA.secret_text() not in repr(CERTIFIED)
