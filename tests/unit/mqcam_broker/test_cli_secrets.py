from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from mqcam.commandline import VARIABLES
from mqcam_broker.cli import main
from mqcam_broker.folder.ownerkey import VARIABLE

if TYPE_CHECKING:
    from pathlib import Path


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


def refused(words: list[str], capsys: Captured) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr()
    return told.out + told.err


def test_the_owners_key_itself_is_refused_where_its_file_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    key = (home / "owner.key").read_text().strip()
    for words in (
        ["add-viewer", "q", "--owner-key", key],
        ["init", f"--owner-key={key}", "--address", "nas.local"],
        ["add-viewer", key],
        ["remove", key.partition(":")[2]],
    ):
        told = refused(words, capsys)
        assert "type the file's name" in told
        assert key[-20:] not in told
    monkeypatch.setenv(VARIABLE, key)
    told = refused(["add-viewer", "q"], capsys)
    assert f"{VARIABLE} holds a secret itself" in told
    assert key[-20:] not in told
    assert list(home.parent.glob("*.yaml")) == []


def test_a_name_that_may_be_a_secret_is_not_repeated(home: Path, capsys: Captured) -> None:
    assert main(["add-viewer", "q9Zt0fXw4mLr7JcS2vYb5N/"]) != 0
    assert "q9Zt0fXw" not in capsys.readouterr().err


def test_every_variable_of_this_program_is_known_to_the_command_lines() -> None:
    assert {VARIABLE, "MQCAM_BROKER_DIR"} <= set(VARIABLES)
