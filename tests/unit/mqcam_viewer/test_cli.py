from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.protocol.messages import CaptureState, Status
from mqcam_viewer.cli import as_json, describe, main, parser, verb_first

if TYPE_CHECKING:
    from pathlib import Path

ONLINE = Status(
    n=1,
    state="online",
    boot="b",
    nonce="n",
    capture=CaptureState(state="running", width=1280, height=720, fps_min=5, fps_max=30),
)


def test_a_camera_is_one_line() -> None:
    assert describe("front", ONLINE).split() == ["front", "online", "1280x720", "30", "fps"]


def test_a_camera_that_is_gone_is_offline() -> None:
    assert describe("front", None).split() == ["front", "offline"]
    assert as_json(None) == {"state": "offline"}


def test_a_camera_as_json_names_its_picture() -> None:
    assert as_json(ONLINE) == {
        "state": "online",
        "source": "running",
        "width": 1280,
        "height": 720,
        "fps": 30,
    }


def test_a_camera_that_hangs_askew_has_the_size_that_a_person_sees() -> None:
    turned = replace(ONLINE, capture=replace(ONLINE.capture, rotation=270))

    assert "720x1280" in describe("front", turned)
    assert (as_json(turned)["width"], as_json(turned)["height"]) == (720, 1280)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("--credentials F list", "list --credentials F"),
        ("--loopback --credentials F probe front", "probe --loopback --credentials F front"),
        ("--json list", "list --json"),
        ("--credentials=F list", "list --credentials=F"),
        ("--credentials list", "window --credentials list"),
        ("--credentials F", "window --credentials F"),
    ],
)
def test_a_verb_may_stand_behind_its_options(typed: str, read: str) -> None:
    assert verb_first(typed.split()) == read.split()


@pytest.mark.parametrize("text", ["-1", "inf", "nan", "soon"])
def test_impossible_durations_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["probe", "front", "--seconds", text])

    assert ended.value.code == 2
    assert "--seconds" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["probe", "snapshot", "record"])
def test_a_name_that_no_camera_has_is_a_usage_error(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([verb, "front door"])

    assert ended.value.code == 2
    assert "a camera's name is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("last.gif", 2, ".png"), ("none/last.jpg", 1, "folder does not exist"), (".", 2, ".jpg")],
)
def test_a_snapshot_that_cannot_be_written_is_said_before_anything_is_watched(
    name: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The credentials are not even looked for."""
    file = str(tmp_path / name)
    arguments = ["probe", "front", "--credentials", str(tmp_path / "no"), "--snapshot", file]

    assert main(arguments) == code
    assert said in capsys.readouterr().err


def test_missing_credentials_are_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MQCAM_CREDENTIALS", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["list"])

    assert ended.value.code == 2
    assert "--credentials" in capsys.readouterr().err


def test_unusable_credentials_are_bad_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--credentials", str(tmp_path / "none.yaml")]) == 78
    assert "none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x/y.jpg"), "/x/y.jpg: No such file"),
        (OSError(28, "No space left on device"), "mqcam-viewer: No space left on device"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    error: OSError,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A picture's folder that is missing must not end in a traceback, nor cost the report."""

    async def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("mqcam_viewer.cli.list_cameras", fail)

    assert main(["list", "--credentials", "x"]) == 1
    assert said in capsys.readouterr().err
