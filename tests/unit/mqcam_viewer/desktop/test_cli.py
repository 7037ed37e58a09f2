"""Opening the window, up to the moment where Qt begins."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials, write_credentials
from mqcam.trust.keys import SigningKey
from mqcam_viewer import cli
from mqcam_viewer.desktop import cli as window
from mqcam_viewer.desktop import display

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def credentials(tmp_path: Path) -> str:
    made = Credentials(
        kind="viewer",
        name="anna",
        namespace="home",
        broker=("mqtts://broker.example.org",),
        username="anna",
        password="secret",
        identity=SigningKey(b"1" * 32).secret_text(),
    )
    write_credentials(tmp_path / "anna.yaml", made)
    return str(tmp_path / "anna.yaml")


def test_without_the_extra_it_says_how_to_install_it(
    credentials: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    assert cli.main(["--credentials", credentials]) == 2
    assert capsys.readouterr().err == f"mqcam-viewer: {window.MISSING_EXTRA}\n"


def test_without_a_display_it_fails_with_a_sentence(
    credentials: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setattr(display, "problem", lambda _environment: "there is none")

    assert cli.main(["--credentials", credentials, "--seconds", "1"]) == 1
    assert capsys.readouterr().err == "mqcam-viewer: there is none\n"


def test_the_command_line_loads_no_qt() -> None:
    code = "import sys, mqcam_viewer.cli; sys.exit('PySide6' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
