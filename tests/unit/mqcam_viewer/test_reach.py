from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import CredentialsError, UsageError
from mqcam.ice import IceSettings
from mqcam_viewer import reach

if TYPE_CHECKING:
    from pathlib import Path


def read(*arguments: str) -> IceSettings:
    parser = argparse.ArgumentParser()
    reach.add_options(parser)
    return reach.settings(parser.parse_args(arguments))


def test_without_options_no_server_is_asked() -> None:
    assert read() == IceSettings()


def test_servers_come_with_their_account(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_text("secret\n")
    file.chmod(0o600)
    account = ("--ice-username", "u", "--ice-credential-file", str(file))
    urls = ("--ice-server", "turn:a", "--ice-server", "stun:b")
    settings = read(*urls, *account, "--ice-policy", "relay")
    assert [each.urls for each in settings.servers] == [("turn:a:3478",), ("stun:b:3478",)]
    assert settings.servers[0].credential == "secret"
    assert settings.is_relay_only


def test_a_turn_server_without_an_account_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="--ice-credential-file"):
        read("--ice-server", "turn:a")


def test_a_password_that_is_not_there_is_told(tmp_path: Path) -> None:
    account = ("--ice-username", "u", "--ice-credential-file", str(tmp_path / "none"))
    with pytest.raises(CredentialsError, match="does not exist"):
        read("--ice-server", "turn:a", *account)


def test_an_address_that_cannot_be_read_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read("--ice-server", "http://a")
    assert caught.value.code == 2
    assert "expected a server such as" in capsys.readouterr().err
