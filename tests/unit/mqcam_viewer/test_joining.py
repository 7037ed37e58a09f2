"""The verb ``pair``: where the line comes from, what becomes of it, what is never done."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes.memory_keyring import LockedKeyring, MemoryKeyring
from mqcam.credentials import Credentials, load_credentials, write_credentials
from mqcam.errors import SessionError
from mqcam.protocol.messages import Paired
from mqcam.qr import write_qr
from mqcam.trust import keystore
from mqcam.trust.documents import Grant
from mqcam.trust.keys import SigningKey, fingerprint
from mqcam.trust.pins import KnownDevices
from mqcam.trust.places import KNOWN_DEVICES, viewer_folder
from mqcam.uri import Invitation, credentials_uri, invitation_uri
from mqcam_viewer import joining
from mqcam_viewer.cli import main
from mqcam_viewer.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyring.backend import KeyringBackend

Captured = pytest.CaptureFixture[str]

KEY = SigningKey(bytes(range(32)))
OWNER = SigningKey(bytes(32))
CAMERA = SigningKey(bytes([1]) * 32)
WAY = Credentials(
    kind="viewer",
    name="front",
    broker=("mqtt://192.0.2.2",),
    username="home",
    password="hunter2",
)
INVITATION = Invitation(key=CAMERA.public, secret=bytes(range(16)), way=WAY)
GRANT = Grant(name="laptop", key=KEY.public, serial="abcdefgh", cameras=("*",))
ACCOUNT = replace(
    WAY,
    name="laptop",
    identity=KEY.secret_text(),
    owner=OWNER.public,
    grant=GRANT.issue(OWNER, "mqcam"),
)


class FakePairing:
    """Stands for a camera at which somebody says yes, or does not."""

    refusal: SessionError | None = None
    seen: Credentials | None = None

    def __init__(
        self,
        invitation: Invitation,
        account: Credentials,
        identity: SigningKey,
        *,
        tell: Callable[[str], None],
    ) -> None:
        FakePairing.seen = account
        tell(f"fingerprint {fingerprint(identity.public)}")

    async def run(self) -> Paired:
        if self.refusal is not None:
            raise self.refusal
        return Paired(re="r", mac="m", rights=("view",))


@pytest.fixture(autouse=True)
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand in a folder of one's own, at a machine without a keyring."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MQCAM_CREDENTIALS", raising=False)
    monkeypatch.setattr(joining, "Pairing", FakePairing)
    monkeypatch.setattr(keystore, "_installed", lambda: None)
    monkeypatch.setattr(FakePairing, "refusal", None)


def install(monkeypatch: pytest.MonkeyPatch, ring: KeyringBackend) -> None:
    monkeypatch.setattr(keystore, "_installed", lambda: ring)


def pair(monkeypatch: pytest.MonkeyPatch, line: str, *options: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    return main(["pair", *options])


def pins(name: str, key: str) -> KnownDevices:
    return KnownDevices(viewer_folder(name, key) / KNOWN_DEVICES)


def public_of(file: Path) -> str:
    return SigningKey.parse(load_credentials(file).identity or "").public


def test_a_whole_account_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    assert pair(monkeypatch, credentials_uri(ACCOUNT) + "\n") == 0
    file = tmp_path / "laptop.viewer.yaml"
    assert load_credentials(file) == ACCOUNT
    assert file.stat().st_mode & 0o777 == 0o600
    told = capsys.readouterr()
    assert "laptop may watch with laptop.viewer.yaml" in told.out
    assert "hunter2" not in told.out + told.err


def test_secrets_go_into_the_keyring_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    ring = MemoryKeyring()
    install(monkeypatch, ring)
    assert pair(monkeypatch, credentials_uri(ACCOUNT)) == 0
    text = (tmp_path / "laptop.viewer.yaml").read_text()
    assert "hunter2" not in text
    assert KEY.secret_text() not in text
    assert KEY.public in text
    assert set(ring.entries.values()) == {KEY.secret_text(), "hunter2"}
    assert "in the system's keyring" in capsys.readouterr().out


def test_a_viewer_finds_its_secrets_in_the_keyring_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, MemoryKeyring())
    assert pair(monkeypatch, credentials_uri(ACCOUNT)) == 0
    client = Client(tmp_path / "laptop.viewer.yaml")
    assert client._credentials.password == "hunter2"
    assert client._trust.identity.public == KEY.public


def test_a_locked_keyring_leaves_them_in_the_file_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    install(monkeypatch, LockedKeyring())
    assert pair(monkeypatch, credentials_uri(ACCOUNT)) == 0
    assert load_credentials(tmp_path / "laptop.viewer.yaml") == ACCOUNT
    assert "Its secrets stay in the file" in capsys.readouterr().out


def test_an_invitation_makes_a_viewer_with_a_key_of_its_own_and_pins_the_camera(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    assert pair(monkeypatch, invitation_uri(INVITATION), "--name", "phone") == 0
    file = tmp_path / "phone.viewer.yaml"
    made = load_credentials(file)
    assert (made.name, made.broker, made.username, made.password) == (
        "phone",
        WAY.broker,
        "home",
        "hunter2",
    )
    assert (made.owner, made.grant) == (None, None)
    found = pins("phone", public_of(file)).find("front")
    assert found is not None
    assert found.key == CAMERA.public
    told = capsys.readouterr()
    assert fingerprint(public_of(file)) in told.out
    assert fingerprint(CAMERA.public) in told.out
    assert "hunter2" not in told.out + told.err


@pytest.mark.parametrize(
    ("asked", "host", "name"),
    [("anna", "box", "anna"), ("", "Annas Laptop!.lan", "Annas-Laptop"), ("", "...", "viewer")],
)
def test_a_viewer_without_a_name_gets_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: str, host: str, name: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert pair(monkeypatch, invitation_uri(replace(INVITATION, visitor=asked))) == 0
    assert load_credentials(tmp_path / f"{name}.viewer.yaml").name == name


def test_a_no_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    refusal = SessionError("pairing-declined", "somebody at the camera said no")
    monkeypatch.setattr(FakePairing, "refusal", refusal)
    assert pair(monkeypatch, invitation_uri(INVITATION), "--name", "phone") == 1
    assert "said no" in capsys.readouterr().err
    assert list(tmp_path.glob("*.yaml")) == []
    assert not list(tmp_path.glob("state/**/known_devices"))


def test_one_more_camera_is_pinned_for_an_account_that_exists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_credentials(tmp_path / "mine.yaml", ACCOUNT)
    before = (tmp_path / "mine.yaml").read_bytes()
    assert pair(monkeypatch, invitation_uri(INVITATION), "--credentials", "mine.yaml") == 0
    found = pins("laptop", KEY.public).find("front")
    assert found is not None
    assert found.key == CAMERA.public
    assert FakePairing.seen == ACCOUNT
    assert (tmp_path / "mine.yaml").read_bytes() == before


def test_the_usual_account_is_taken_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And begun where there is none: the other verbs look there."""
    file = tmp_path / "usual.yaml"
    monkeypatch.setenv("MQCAM_CREDENTIALS", str(file))
    assert pair(monkeypatch, invitation_uri(INVITATION), "--name", "phone") == 0
    key = public_of(file)
    back = replace(INVITATION, way=replace(WAY, name="back"))
    assert pair(monkeypatch, invitation_uri(back)) == 0
    assert public_of(file) == key
    known = pins("phone", key)
    assert [known.find(name) is not None for name in ("front", "back")] == [True, True]


def test_a_camera_with_a_new_key_replaces_the_pin_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    write_credentials(tmp_path / "mine.yaml", ACCOUNT)
    pins("laptop", KEY.public).pin("front", OWNER.public, 1)
    assert pair(monkeypatch, invitation_uri(INVITATION), "--credentials", "mine.yaml") == 0
    assert f"takes the place of {fingerprint(OWNER.public)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "way", [replace(WAY, broker=("mqtt://192.0.2.9",)), replace(WAY, namespace="other")]
)
def test_a_camera_at_another_broker_wants_a_file_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured, way: Credentials
) -> None:
    write_credentials(tmp_path / "mine.yaml", ACCOUNT)
    line = invitation_uri(replace(INVITATION, way=way))
    assert pair(monkeypatch, line, "--credentials", "mine.yaml") == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--output", "there.yaml"), "exists already"),
        (("--output", "no/where.yaml"), "does not exist"),
        (("--credentials", "there.yaml"), "is a whole account"),
        (("--name", "tablet"), "the account's name is laptop"),
    ],
)
def test_what_cannot_be_meant_is_said_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: Captured,
    options: tuple[str, ...],
    why: str,
) -> None:
    (tmp_path / "there.yaml").write_text("mine")
    assert pair(monkeypatch, credentials_uri(ACCOUNT), *options) in {2, 78}
    assert why in capsys.readouterr().err
    assert [each.read_text() for each in tmp_path.glob("*.yaml")] == ["mine"]


@pytest.mark.parametrize("line", ["", "\n", "hello", "mqcam:AAAA", "x" * 100_000])
def test_a_line_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, line: str
) -> None:
    assert pair(monkeypatch, line) == 1
    assert "the mqcam: line" in capsys.readouterr().err


def test_the_line_can_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text(credentials_uri(ACCOUNT))
    assert main(["pair", "--from", "line.txt"]) == 0
    assert main(["pair", "--from", "nowhere.txt"]) == 78


def test_the_line_can_be_in_a_picture(tmp_path: Path, capsys: Captured) -> None:
    write_qr(tmp_path / "code.png", credentials_uri(ACCOUNT))
    assert main(["pair", "--image", "code.png"]) == 0
    write_qr(tmp_path / "other.png", "https://example.org")
    assert main(["pair", "--image", "other.png"]) == 78
    assert "none of mqcam" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["pair", credentials_uri(ACCOUNT)],
        ["pair", "--from", invitation_uri(INVITATION)],
        ["pair", f"--from={credentials_uri(ACCOUNT).lower()}"],
        ["pair", credentials_uri(ACCOUNT).partition(":")[2]],
        ["pair", "--name", f"x{credentials_uri(ACCOUNT)}"],
        [credentials_uri(ACCOUNT)],
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(
    words: list[str], capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert "shell's history" in told.err
    assert "paste the mqcam: line" in told.err
    for word in words:
        if len(word) > 40:
            assert word[-20:] not in told.out + told.err


def test_a_file_in_the_variable_that_names_it_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    write_credentials(tmp_path / "anna.yaml", ACCOUNT)
    monkeypatch.setenv("MQCAM_CREDENTIALS", (tmp_path / "anna.yaml").read_text())
    with pytest.raises(SystemExit) as ended:
        main(["list"])
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert "MQCAM_CREDENTIALS holds a secret itself" in told.err
    assert str(ACCOUNT.password) not in told.err
    assert str(ACCOUNT.identity) not in told.err


def test_a_terminal_is_asked_without_showing_the_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Screen())
    monkeypatch.setattr("getpass.getpass", lambda _: credentials_uri(ACCOUNT))
    assert main(["pair"]) == 0
    assert (tmp_path / "laptop.viewer.yaml").exists()


def test_a_key_of_this_machine_meets_its_grant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    """The private half never leaves: the owner signs what `key` prints."""
    assert main(["key", "laptop"]) == 0
    public = capsys.readouterr().out.strip()
    grant = replace(GRANT, key=public).issue(OWNER, "mqcam")
    line = credentials_uri(replace(ACCOUNT, identity=None, grant=grant))
    assert pair(monkeypatch, line) == 0
    assert "Its key is on this machine" in capsys.readouterr().out
    assert load_credentials(tmp_path / "laptop.viewer.yaml").identity is None


def test_an_account_for_a_key_of_another_machine_is_not_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    assert pair(monkeypatch, credentials_uri(replace(ACCOUNT, identity=None))) == 78
    assert "the key that these credentials are for" in capsys.readouterr().err
    assert list(tmp_path.glob("*.yaml")) == []
