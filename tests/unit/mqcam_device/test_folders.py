from __future__ import annotations

import os
from pathlib import Path

import pytest
from mqcam.errors import ConfigError
from mqcam_device import folders

ORDINARY = 1000


@pytest.fixture(autouse=True)
def ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be told by the system calls that we are an ordinary user without a session."""
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("HOME", "/home/jan")
    for name in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_configuration_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/mqcam")
    assert folders.runtime_folder(Path("/a")) == folders.state_folder(Path("/a")) == Path("/a")
    assert folders.places_to_ask(Path("/a")) == (Path("/a"),)


def test_the_service_uses_what_systemd_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one")
    assert folders.runtime_folder(None) == Path("/run/one")
    assert folders.state_folder(None) == Path("/var/lib/one")


def test_root_uses_the_folders_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert folders.runtime_folder(None) == Path("/run/mqcam")
    assert folders.state_folder(None) == Path("/var/lib/mqcam")
    assert folders.places_to_ask(None) == (Path("/run/mqcam"),)


def test_an_ordinary_user_uses_his_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.runtime_folder(None) == tmp_path / "mqcam-1000"
    assert folders.state_folder(None) == Path("/home/jan/.local/state/mqcam")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid or ORDINARY)
    monkeypatch.setattr(folders, "_is_ours", lambda _folder: True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/jan/state")
    assert folders.runtime_folder(None) == Path("/run/user/1000/mqcam")
    assert folders.state_folder(None) == Path("/home/jan/state/mqcam")


def test_the_session_of_another_user_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what `sudo -u jan mqcam-device run` inherits."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/")
    assert folders.runtime_folder(None) == tmp_path / "mqcam-1000"


def test_an_ordinary_user_may_ask_the_service_too(tmp_path: Path) -> None:
    assert folders.places_to_ask(None) == (tmp_path / "mqcam-1000", Path("/run/mqcam"))


def test_looking_makes_nothing_and_preparing_makes_both(tmp_path: Path) -> None:
    runtime, state = tmp_path / "mqcam-1000", tmp_path / "home" / "state" / "mqcam"
    assert folders.problems(runtime=runtime, state=state, file="d.yaml") == []
    assert list(tmp_path.iterdir()) == []
    runtime, state = tmp_path / "r" / "mqcam", tmp_path / "home" / "state" / "mqcam"
    folders.prepare(runtime=runtime, state=state, file="d.yaml")
    assert [each.stat().st_mode & 0o777 for each in (runtime, state)] == [0o700, 0o700]


def test_both_folders_are_told_with_the_key_that_helps(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = folders.problems(runtime=tmp_path / "file" / "x", state=Path("~/x"), file="d.yaml")
    assert "d.yaml: runtime_dir: " in str(found[0])
    assert "name another folder with 'runtime_dir'" in str(found[0])
    assert "d.yaml: state_dir: ~/x: is no place" in str(found[1])


@pytest.mark.parametrize(("mode", "is_asked"), [(0o700, True), (0o777, False)])
def test_nobody_is_asked_where_somebody_else_could_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_asked: bool
) -> None:
    """His invitation would be shown as that of our camera."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid or ORDINARY)
    own = folders.runtime_folder(None)
    if tmp_path.stat().st_uid == 0:  # we are root, told to be somebody else
        own.mkdir()
        os.chown(own, ORDINARY, ORDINARY)
    own.mkdir(exist_ok=True)
    own.chmod(mode)
    assert (own in folders.places_to_ask(None)) is is_asked


def test_what_somebody_else_prepared_in_tmp_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "mqcam-1000"
    (tmp_path / "elsewhere").mkdir()
    planted.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="belongs to another user"):
        folders.prepare(runtime=planted, state=tmp_path / "s" / "mqcam", file="d.yaml")
