from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam_broker import cli, process
from mqcam_broker.cli import main
from mqcam_broker.process import Reload

if TYPE_CHECKING:
    from pathlib import Path

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
    assert capsys.readouterr().out == "device  cam1\ndevice  cam2\nviewer  alice\n"


@pytest.mark.usefixtures("home")
def test_remove_says_what_became_of_the_connection(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["add-viewer", "alice"])
    monkeypatch.setattr("mqcam_broker.membership.reload_broker", lambda _directory: Reload.DONE)
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

    monkeypatch.setattr("mqcam_broker.directory.read_bounded", forbid)
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
    monkeypatch.setattr(cli, "run_broker", lambda _directory, *, on_ready, on_line: 0)
    assert main(["run", "--dir", str(home)]) == 0
    assert "the broker's certificate ends on" in capsys.readouterr().err
