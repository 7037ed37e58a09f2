from __future__ import annotations

from importlib.metadata import version

import pytest
from mqcam.commandline import VARIABLES, Parser


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


KEY = "ed25519-secret:q9Zt0fXw4mLr7JcS2vYb5NdKx8HaPe3GuTi6oWQsE1k"
LINE = "MQCAM:" + "PDPMLCGODAMHB234" * 6


def refusal(parser: Parser, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    assert end.value.code == 2
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        (KEY, "type the file's name"),
        (KEY.partition(":")[2], "type the file's name"),
        (LINE, "paste the mqcam: line"),
        (LINE.partition(":")[2], "paste the mqcam: line"),
    ],
)
@pytest.mark.parametrize("before", [["check", "--config"], ["check"], []])
def test_a_secret_that_was_typed_is_refused_with_where_it_belongs(
    parser: Parser,
    before: list[str],
    word: str,
    advice: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = refusal(parser, [*before, word], capsys)
    assert "every program on this machine can read it" in told
    assert advice in told
    assert word[-20:] not in told


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_secret_in_a_variable_that_names_a_file_is_refused(
    parser: Parser,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, KEY)
    told = refusal(parser, ["check"], capsys)
    assert f"{variable} holds a secret itself" in told
    assert KEY[-20:] not in told


@pytest.mark.parametrize("words", [["q9Zt0fXw4mLr7JcS2vYb5N"], ["check", "q9Zt0fXw4mLr7JcS2vYb5N"]])
def test_what_may_be_a_secret_is_not_repeated_when_it_cannot_be_read(
    parser: Parser, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = refusal(parser, words, capsys)
    assert "[redacted]" in told
    assert words[-1] not in told
