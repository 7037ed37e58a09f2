from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials, write_credentials
from mqcam.trust.keys import SigningKey, is_signing_key
from mqcam_device.cli import main, print_status
from support.films import make_film

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a good configuration with its credentials."""
    credentials = Credentials(
        kind="device",
        name="front",
        broker=("mqtts://nas.local",),
        identity=SigningKey(b"1" * 32).secret_text(),
    )
    write_credentials(tmp_path / "c.yaml", credentials)
    path = tmp_path / "device.yaml"
    path.write_text("credentials: c.yaml\nruntime_dir: run\nstate_dir: state\n")
    return path


def checked(config: Path, source: str = "") -> int:
    with config.open("a") as file:
        file.write(f"source: {{kind: film, path: {source}}}\n" if source else "")
    return main(["check", "--config", str(config)])


def test_check_of_a_good_configuration_says_so_and_makes_nothing(
    config: Path, capsys: Captured
) -> None:
    before = sorted(config.parent.iterdir())
    assert checked(config, str(make_film(config.parent / "film.mp4"))) == 0
    assert "good; front at mqtts://nas.local" in capsys.readouterr().out
    assert sorted(config.parent.iterdir()) == [*before, config.parent / "film.mp4"]


@pytest.mark.parametrize("film", ["missing", "damaged", "pipe", "folder"])
def test_check_looks_into_the_film(config: Path, capsys: Captured, film: str) -> None:
    (config.parent / "damaged").write_bytes(bytes(1000))
    os.mkfifo(config.parent / "pipe")
    (config.parent / "folder").mkdir()
    assert checked(config, film) == 78
    told = capsys.readouterr().err
    assert told.startswith(f"{config}: source.path: {config.parent / film}: ")


def test_check_tells_every_mistake(config: Path, capsys: Captured) -> None:
    (config.parent / "c.yaml").unlink()
    (config.parent / "run").touch()
    (config.parent / "state").touch()
    assert checked(config, "missing.mp4") == 78
    told = capsys.readouterr().err
    assert told.count("\n") == 4
    for part in ("c.yaml: does not exist", "runtime_dir: ", "state_dir: ", "source.path: "):
        assert part in told


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("front.identity", SigningKey(b"2" * 32).secret_text(), "another identity"),
        ("front.authorized_viewers", "laptop rubbish", "line 1"),
    ],
)
def test_check_refuses_what_the_start_refuses(
    config: Path, capsys: Captured, name: str, content: str, said: str
) -> None:
    """Such a file came from another camera, or from a slip of the hand."""
    credentials = Credentials(
        kind="device",
        name="front",
        broker=("mqtts://nas.local",),
        identity=SigningKey(b"1" * 32).public,
        owner=SigningKey(b"3" * 32).public,
    )
    write_credentials(config.parent / "c.yaml", credentials)
    state = config.parent / "state"
    state.mkdir()
    for file, text in (("front.identity", SigningKey(b"1" * 32).secret_text()), (name, content)):
        (state / file).write_text(f"{text}\n")
        (state / file).chmod(0o600)
    assert checked(config) == 78
    told = capsys.readouterr().err
    assert name in told
    assert said in told


def test_a_missing_configuration_is_told_without_a_line(tmp_path: Path, capsys: Captured) -> None:
    assert main(["check", "--config", str(tmp_path / "no.yaml")]) == 78
    assert capsys.readouterr().err == f"{tmp_path}/no.yaml: does not exist\n"


def test_without_a_configuration_in_its_place_the_way_to_one_is_told(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcam_device.settings.DEFAULT_CONFIG", tmp_path / "no.yaml")
    assert main(["status", "--config", str(tmp_path / "no.yaml")]) == 78
    told = capsys.readouterr().err
    assert "does not exist: name this camera's configuration with --config FILE" in told


def test_the_command_alone_prints_its_help(capsys: Captured) -> None:
    assert main([]) == 0
    assert "viewers" in capsys.readouterr().out


def test_status_leaves_out_what_says_nothing(capsys: Captured) -> None:
    print_status({"viewers": 0, "source_text": "", "capture_pid": None, "layers": {"main": 1}})
    assert capsys.readouterr().out == "viewers      0\nlayers       main 1\n"


def test_a_cameras_key_is_made_before_there_are_credentials_and_never_again(
    config: Path, capsys: Captured
) -> None:
    (config.parent / "c.yaml").unlink()
    assert main(["key", "front", "--config", str(config)]) == 0
    public = capsys.readouterr().out.strip()
    assert is_signing_key(public)
    file = config.parent / "state/front.identity"
    assert file.stat().st_mode & 0o777 == 0o600
    assert main(["key", "front", "--config", str(config)]) == 0
    assert capsys.readouterr().out.strip() == public

    bare = Credentials(kind="device", name="front", broker=("mqtts://nas.local",), identity=public)
    write_credentials(config.parent / "c.yaml", bare)
    assert main(["key", "--config", str(config)]) == 0
    assert capsys.readouterr().out.strip() == public


def test_a_key_is_for_somebody_with_a_name(config: Path) -> None:
    assert main(["key", "a b", "--config", str(config)]) == 2


def test_the_key_of_credentials_that_hold_one_is_shown(config: Path, capsys: Captured) -> None:
    key = SigningKey.generate()
    credentials = Credentials(
        kind="device", name="front", broker=("mqtts://nas.local",), identity=key.secret_text()
    )
    write_credentials(config.parent / "c.yaml", credentials)
    assert main(["key", "--config", str(config)]) == 0
    assert capsys.readouterr().out == f"{key.public}\n"
    assert not (config.parent / "state").exists()


def test_a_secret_in_place_of_a_name_is_refused_and_not_repeated(
    config: Path, capsys: Captured
) -> None:
    secret = SigningKey(b"1" * 32).secret_text()
    for words in (["key", secret], ["revoke", f"x{secret}"], ["check", secret]):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--config", str(config)])
        told = capsys.readouterr().err
        assert ended.value.code == 2
        assert "type the file's name" in told
        assert secret[-20:] not in told


def test_a_name_that_may_be_a_secret_is_not_repeated(config: Path, capsys: Captured) -> None:
    assert main(["key", "q9Zt0fXw4mLr7JcS2vYb5N/", "--config", str(config)]) == 2
    told = capsys.readouterr().err
    assert "is no name" in told
    assert "q9Zt0fXw" not in told
