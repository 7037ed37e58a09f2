from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from mqcam.credentials import Credentials
from mqcam.errors import UsageError
from mqcam.uri import read_uri
from mqcam_broker.verbs import handover
from mqcam_broker.verbs.handover import Forms, show, wanted_forms

Captured = pytest.CaptureFixture[str]

ANN = Credentials(
    kind="viewer",
    name="ann",
    broker=("mqtts://nas.local:8883",),
    username="ann",
    password="a-password",
    owner="ed25519:z-V3HqcW7ZJ5N1uhumj-ftU_6rhy3jXBzRhfAtPPVoA",
)
FILE = Path("ann.viewer.yaml")


def test_a_pipe_gets_nothing_unless_asked(capsys: Captured) -> None:
    forms = wanted_forms(qr=False, uri=False, picture=None)
    assert forms == Forms()
    show(ANN, FILE, forms)
    assert capsys.readouterr().out == ""


def test_a_terminal_shows_the_code_and_the_line_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert wanted_forms(qr=False, uri=False, picture=None) == Forms(has_code=True)
    assert wanted_forms(qr=False, uri=True, picture=None) == Forms(has_line=True)
    picture = tmp_path / "ann.png"
    assert wanted_forms(qr=False, uri=False, picture=picture) == Forms(picture=picture)


def test_the_line_is_the_whole_file(capsys: Captured) -> None:
    show(ANN, FILE, wanted_forms(qr=False, uri=True, picture=None))
    warning, _, line = capsys.readouterr().out.strip().split("\n")
    assert read_uri(line) == ANN
    assert "and as secret" in warning


def test_the_code_is_drawn_when_asked_for(capsys: Captured) -> None:
    show(ANN, FILE, wanted_forms(qr=True, uri=False, picture=None))
    output = capsys.readouterr().out
    assert "█" in output
    assert "mqcam:" not in output.lower()


def test_only_what_is_shown_is_spoken_of(tmp_path: Path, capsys: Captured) -> None:
    show(ANN, FILE, Forms(picture=tmp_path / "ann.png"))
    assert "the line" not in capsys.readouterr().out
    show(ANN, FILE, Forms(has_line=True))
    assert "the code" not in capsys.readouterr().out


def test_a_code_with_more_rows_than_the_terminal_is_told_and_what_else_to_do(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_size", lambda: (200, 24))
    show(ANN, FILE, Forms(has_code=True))
    output = capsys.readouterr().out
    assert "rows with the prompt, this terminal 24" in output
    assert "--qr-file ann.png" in output


def test_a_code_that_does_not_fit_is_told_and_the_line_follows(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "UNLIMITED_COLUMNS", 20)
    show(ANN, FILE, Forms(has_code=True, has_line=True))
    *_, told, _, remedy, line = capsys.readouterr().out.strip().split("\n")
    assert told.startswith("No code: the code needs a terminal of")
    assert "--qr-file ann.png" in remedy
    assert read_uri(line) == ANN


def test_a_picture_is_for_its_owners_eyes_only(tmp_path: Path, capsys: Captured) -> None:
    picture = tmp_path / "ann.png"
    show(ANN, FILE, wanted_forms(qr=False, uri=False, picture=picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert f"The code is in {picture}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [("ann.txt", "end it in .png"), ("no/ann.png", "no folder"), ("is.png", "exists already")],
)
def test_a_picture_that_cannot_be_written_is_refused_before_anybody_is_let_in(
    tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / "is.png").touch()
    with pytest.raises(UsageError, match=says):
        wanted_forms(qr=False, uri=False, picture=tmp_path / name)
    assert os.listdir(tmp_path) == ["is.png"]  # noqa: PTH208 - names only
