from __future__ import annotations

from importlib.metadata import version

import pytest
from mqcam.commandline import Parser


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="mqcam-thing", file_option="--config")
    made.add_version()
    made.add_subparsers().add_parser("check").add_argument("--config")
    return made


def test_the_version_is_that_of_the_package(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"mqcam-thing {version('mqcam')}\n"


def test_a_file_without_its_option_is_explained(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["check", "front.yaml"])
    assert end.value.code == 2
    assert "A file is named with --config front.yaml" in capsys.readouterr().err


def test_help_tells_the_exit_codes_of_every_verb(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--help"], ["check", "--help"]):
        with pytest.raises(SystemExit):
            parser.parse_args(words)
        assert "78 a configuration" in " ".join(capsys.readouterr().out.split())
