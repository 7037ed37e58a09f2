from __future__ import annotations

import json
import os
import pwd
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.trust.keys import SigningKey
from mqcam_broker import cli
from mqcam_broker.certificates import authority
from mqcam_broker.cli import main
from mqcam_broker.mosquitto import process
from mqcam_broker.mosquitto.process import Reload
from mqcam_broker.owner.publication import Publication

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam.credentials import Credentials

USER = pwd.getpwuid(os.geteuid()).pw_name
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a broker's directory that the commands find by themselves."""
    path = tmp_path / "broker"
    monkeypatch.setenv("MQCAM_BROKER_DIR", str(path))
    monkeypatch.chdir(tmp_path)
    user = ["--user", pwd.getpwuid(os.geteuid()).pw_name]
    assert main(["init", "--address", "nas.local", "mqtts://192.0.2.1:443", *user]) == 0
    return path


def test_init_says_what_it_made_and_what_comes_next(tmp_path: Path, capsys: Captured) -> None:
    command = ["init", "--dir", str(tmp_path), "--user", pwd.getpwuid(os.geteuid()).pw_name]
    assert main([*command, "--address", "nas.local", "mqtts://192.0.2.1:443"]) == 0
    output = capsys.readouterr().out
    assert f"set up in {tmp_path}." in output
    assert "mqtts://nas.local:8883, mqtts://192.0.2.1:443" in output
    assert f"mqcam-broker run --dir {tmp_path}" in output


def test_add_writes_a_file_named_after_its_owner(home: Path, capsys: Captured) -> None:
    assert main(["add-device", "cam1"]) == main(["add-viewer", "alice"]) == 0
    output = capsys.readouterr()
    for name, kind in (("cam1", "device"), ("alice", "viewer")):
        credentials = load_credentials(home.parent / f"{name}.{kind}.yaml")
        assert credentials.kind == kind
        assert credentials.password is not None
        assert credentials.password not in output.out + output.err
    assert "Next: copy it to the camera" in output.out


def test_list_shows_devices_and_viewers(home: Path, capsys: Captured) -> None:
    assert main(["list"]) == 0
    assert "Nobody yet" in capsys.readouterr().out
    main(["add-viewer", "alice"])
    main(["add-device", "cam2"])
    main(["add-device", "cam1"])
    capsys.readouterr()
    assert main(["list", "--dir", str(home)]) == 0
    words = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert words[:3] == [["device", "cam1"], ["device", "cam2"], ["viewer", "alice"]]
    assert words[3][0] == "owner"


@pytest.mark.usefixtures("home")
def test_remove_says_what_became_of_the_connection(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["add-viewer", "alice"])
    monkeypatch.setattr(
        "mqcam_broker.changes.membership.reload_broker", lambda _directory: Reload.DONE
    )
    capsys.readouterr()
    assert main(["remove", "alice"]) == 0
    assert "the broker has ended its connection" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["add-device", "a/b"], 2, "'a/b' cannot be the name of a device; use 1 to 64 letters"),
        (["remove", "bob"], 2, "no device or viewer 'bob'; see the names with"),
        (["init"], 1, "already a broker's directory; add to it"),
        (["init", "--dir", "x", "--namespace", "a/b"], 2, "'a/b' cannot be a namespace"),
        (["init", "--dir", "x", "--address", "mqtt://a"], 2, "only TLS"),
        (["init", "--dir", "x", "--ws-port", "8883"], 2, "are the same"),
        (["init", "--dir", "x", "--user", "no-such-user"], 2, "no user 'no-such-user'"),
        (["list", "--dir", "x"], 78, "no broker in"),
        (["run", "--dir", "x"], 78, "make one with: mqcam-broker init --dir"),
        (["add-viewer", "bob", "--output", "no/bob.yaml"], 1, "there is no folder no"),
    ],
)
def test_what_goes_wrong_is_one_sentence_with_the_next_step(
    arguments: list[str], code: int, says: str, capsys: Captured
) -> None:
    capsys.readouterr()
    assert main(arguments) == code
    errors = capsys.readouterr().err
    assert errors.startswith("mqcam-broker: ")
    assert errors.count("\n") == 1
    assert says in errors


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "8_0"])
def test_an_impossible_port_is_a_usage_error(port: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["init", "--port", port])
    assert refusal.value.code == 2
    assert "--port" in capsys.readouterr().err


def test_only_an_address_can_be_bound(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["init", "--bind", "nas.local"])
    assert refusal.value.code == 2
    assert "'nas.local' is no IP address" in capsys.readouterr().err


def test_what_is_to_be_typed_next_keeps_the_directory(
    home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MQCAM_BROKER_DIR")
    main(["add-viewer", "alice", "--dir", str(home)])
    capsys.readouterr()
    for words in (["remove", "bob"], ["add-device", "alice"]):
        assert main([*words, "--dir", str(home)]) != 0
        assert capsys.readouterr().err.endswith(f" --dir {home}\n")


def test_the_command_alone_prints_its_help(capsys: Captured) -> None:
    assert main([]) == 0
    assert "add-device" in capsys.readouterr().out


def test_damaged_settings_are_shown_with_their_place(home: Path, capsys: Captured) -> None:
    (home / "broker.yaml").write_text("addresses: [nas.local]\n")
    assert main(["add-device", "cam1"]) == 78
    assert "broker.yaml:1:" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_named(
    home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(*_arguments: object, **_options: object) -> bytes:
        raise PermissionError(13, "Permission denied", str(home / "members"))

    monkeypatch.setattr("mqcam_broker.folder.directory.read_bounded", forbid)
    assert main(["list"]) == 1
    assert "members: may not be opened by this user; try again with sudo" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_run_without_mosquitto_tells_how_to_get_it(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "MOSQUITTO_PATHS", ())
    assert main(["run"]) == 1
    assert "sudo apt install mosquitto" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only then a user is looked for")
def test_as_root_init_wants_mosquitto_with_its_user(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "MOSQUITTO_PATHS", ())
    assert main(["init", "--dir", str(tmp_path / "new")]) == 1
    assert "sudo apt install mosquitto" in capsys.readouterr().err


def test_a_certificate_that_ends_soon_is_announced(
    home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "EXPIRY_WARNING_DAYS", 365 * 20)
    monkeypatch.setattr(cli, "run_broker", lambda _directory, *, on_ready, on_line, meanwhile: 0)
    assert main(["run", "--dir", str(home)]) == 0
    assert "the broker's certificate ends on" in capsys.readouterr().err


def added(home: Path, name: str, kind: str = "viewer") -> Credentials:
    return load_credentials(home.parent / f"{name}.{kind}.yaml")


def test_a_viewer_is_let_in_with_cameras_rights_and_an_end(home: Path, capsys: Captured) -> None:
    options = ["--camera", "door-*,garden", "--camera", "attic", "--right", "talk,view"]
    assert main(["add-viewer", "ann", *options, "--days", "30"]) == 0
    capsys.readouterr()
    assert main(["list", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    [ann] = shown["members"]
    assert (ann["cameras"], ann["rights"]) == (["door-*", "garden", "attic"], ["view", "talk"])
    assert datetime.fromisoformat(ann["until"]) > datetime.now(UTC) + timedelta(days=29)
    assert (shown["owner"], shown["revoked"]) == (added(home, "ann").owner, [])


def test_the_name_may_stand_behind_the_cameras_and_one_that_is_not_there_yet_is_noted(
    home: Path, capsys: Captured
) -> None:
    assert main(["add-device", "garden-pond"]) == 0
    assert main(["add-viewer", "--camera", "garden-pond", "--camera", "shed-*", "fred"]) == 0
    output = capsys.readouterr().out
    assert "fred may come in" in output
    assert "shed-* matches none of the cameras yet" in output
    assert "garden-pond matches none" not in output
    assert main(["add-viewer", "ann"]) == 0
    assert "matches none" not in capsys.readouterr().out


def test_a_name_of_the_other_kind_is_told_with_the_command_that_replaces_it(
    home: Path, capsys: Captured
) -> None:
    main(["add-viewer", "anna"])
    assert main(["add-device", "anna", "--replace"]) == 1
    assert "mqcam-broker add-viewer anna --replace" in capsys.readouterr().err


def test_a_viewer_may_watch_all_cameras_for_ever_unless_said_otherwise(
    home: Path, capsys: Captured
) -> None:
    main(["add-viewer", "ann"])
    main(["list"])
    assert re.search(r"viewer  ann  [0-9a-f ]{29}  \*  view\n", capsys.readouterr().out)
    assert added(home, "ann").grant is not None


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--camera", "a/b"], "'a/b' stands for no camera"),
        (["--camera", ",".join(f"cam{i}" for i in range(65))], "use * and ?"),
        (["--right", "view,watch"], "there is no right 'watch'; there are view, talk, control"),
        (["--right", ""], "there is no right ''"),
        (["--until", "2001-01-01"], "2001-01-01 is over"),
        (["--public-key", "x25519:abc"], "is no public key; it begins with ed25519:"),
        (["--replace"], "there is no device or viewer 'ann'"),
    ],
)
def test_a_grant_that_cannot_be_meant_is_one_sentence(
    options: list[str], says: str, capsys: Captured
) -> None:
    assert main(["add-viewer", "ann", *options]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert says in errors


@pytest.mark.parametrize("options", [["--until", "2999-01-01", "--days", "1"], ["--days", "x"]])
def test_an_end_is_given_once_and_in_numbers(options: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["add-viewer", "ann", *options])
    assert refusal.value.code == 2


def test_a_public_key_is_signed_and_its_private_half_never_seen(
    home: Path, capsys: Captured
) -> None:
    key = SigningKey.generate()
    file = home.parent / "ann.pub"
    file.write_text(key.public + "\n")
    assert main(["add-viewer", "ann", "--public-key-file", str(file)]) == 0
    assert main(["add-device", "cam1", "--public-key", key.public]) == 0
    assert added(home, "ann").identity is added(home, "cam1", "device").identity is None
    assert "holds its password." in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_a_private_key_in_the_place_of_a_public_one_is_not_repeated(
    tmp_path: Path, capsys: Captured
) -> None:
    secret = SigningKey.generate().secret_text()
    (tmp_path / "key").write_text(secret)
    assert main(["add-viewer", "ann", "--public-key-file", str(tmp_path / "key")]) == 2
    errors = capsys.readouterr().err
    assert "is a private key, which now too many have seen; make a new one" in errors
    assert secret[20:40] not in errors


def test_no_secret_is_printed(home: Path, capsys: Captured) -> None:
    """Not even where everything that can be printed is asked for."""
    main(["add-viewer", "ann"])
    main(["add-device", "cam1"])
    main(["add-device", "cam1", "--replace", "--output", "new.yaml"])
    main(["remove", "ann"])
    main(["list", "--json"])
    printed = "".join(capsys.readouterr())
    files = [home.parent / name for name in ("ann.viewer.yaml", "cam1.device.yaml", "new.yaml")]
    for credentials in map(load_credentials, files):
        assert credentials.password is not None
        assert credentials.password not in printed
        assert str(credentials.identity)[20:40] not in printed


def test_the_owners_key_is_found_where_the_environment_says(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    elsewhere = (home / "owner.key").rename(home.parent / "stick.key")
    assert main(["add-viewer", "ann"]) == 78
    errors = capsys.readouterr().err
    assert f"{home}/owner.key: " in errors
    assert "--owner-key FILE or MQCAM_OWNER_KEY" in errors
    monkeypatch.setenv("MQCAM_OWNER_KEY", str(elsewhere))
    assert main(["add-viewer", "ann"]) == 0
    monkeypatch.delenv("MQCAM_OWNER_KEY")
    assert main(["remove", "ann", "--owner-key", str(elsewhere)]) == 0


@pytest.mark.usefixtures("home")
def test_remove_says_what_is_left_to_do_while_the_broker_is_down(capsys: Captured) -> None:
    main(["add-viewer", "ann"])
    capsys.readouterr()
    assert main(["remove", "ann"]) == 0
    output = capsys.readouterr().out
    assert "The viewer ann is shut out." in output
    assert "the broker publishes it when it starts" in output
    assert "The broker is not running; start it with: mqcam-broker run" in output


@pytest.mark.usefixtures("home")
def test_a_revocation_that_reached_nobody_is_a_failure_with_the_next_step(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Publication(is_done=False, problem="the broker confirmed nothing within 5 s")
    monkeypatch.setattr("mqcam_broker.changes.membership.publish_state", lambda _directory: lost)
    main(["add-viewer", "ann"])
    capsys.readouterr()
    assert main(["remove", "ann"]) == 1
    output = capsys.readouterr()
    assert "The viewer ann is shut out." in output.out
    assert "confirmed nothing within 5 s; try again with: mqcam-broker publish" in output.err


@pytest.mark.usefixtures("home")
def test_publish_without_a_broker_says_when_it_will_be(capsys: Captured) -> None:
    capsys.readouterr()
    assert main(["publish"]) == 0
    assert "when it starts" in capsys.readouterr().out


def test_init_takes_a_certificate_of_a_public_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    issue(tmp_path, "cam.example.org")
    options = ["--certificate", "c.pem", "--key", "k.pem", "--user", USER]
    assert main(["init", "--dir", "b", "--address", "cam.example.org", *options]) == 0
    main(["add-viewer", "ann", "--dir", "b"])
    credentials = load_credentials(tmp_path / "ann.viewer.yaml")
    assert (credentials.ca, credentials.server_name) == (None, None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--certificate", "c.pem"], "belong together"),
        (["--certificate", "c.pem", "--key", "other.pem"], "does not belong"),
        (["--certificate", "k.pem", "--key", "k.pem"], "certificate cannot be read"),
        (["--certificate", "c.pem", "--key", "c.pem"], "key cannot be read"),
    ],
)
def test_a_certificate_that_cannot_serve_makes_no_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, options: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.pem").write_bytes(issue(tmp_path, "nas.local").key)
    issue(tmp_path, "nas.local")
    assert main(["init", "--dir", "b", "--address", "nas.local", *options, "--user", USER]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def issue(folder: Path, host: str) -> authority.Identity:
    now = datetime.now(UTC)
    issued = authority.issue_server_certificate(
        authority.create_authority(now=now), [host], now=now
    )
    (folder / "c.pem").write_bytes(issued.certificate)
    (folder / "k.pem").write_bytes(issued.key)
    return issued
