from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import MissingRequirement, NotSetUp
from mqcam_broker import shipped
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.mosquitto import process
from mqcam_broker.mosquitto.process import Listener, Reload

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_mosquitto_tells_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "MOSQUITTO_PATHS", ())
    with pytest.raises(MissingRequirement, match="sudo apt install mosquitto"):
        process.find_mosquitto()


def test_mosquitto_is_found_where_the_path_does_not_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(process, "MOSQUITTO_PATHS", (str(program),))
    assert process.find_mosquitto() == str(program)


@pytest.mark.parametrize(
    ("bind", "host", "shown"),
    [
        (None, "127.0.0.1", "port 8883"),
        ("0.0.0.0", "127.0.0.1", "0.0.0.0 port 8883"),  # noqa: S104 - nothing is bound here
        ("::", "::1", ":: port 8883"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1 port 8883"),
    ],
)
def test_the_first_listener_is_reached_from_this_machine(
    tmp_path: Path, bind: str | None, host: str, shown: str
) -> None:
    file = tmp_path / "mosquitto.conf"
    file.write_text(shipped.configuration(directory=tmp_path, user="jan", bind=bind, ws_port=8084))
    listener = process.first_listener(file)
    assert listener == Listener(port=8883, bind=bind)
    assert listener.reachable_host == host
    assert str(listener) == shown


def test_a_configuration_without_listener_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mosquitto.conf"
    file.write_text("#listener 8883\nlistener x\n")
    with pytest.raises(NotSetUp, match="no line that begins with 'listener'"):
        process.first_listener(file)


@pytest.fixture
def directory(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path)
    made.state.mkdir()
    return made


@pytest.mark.parametrize("content", ["", "x", "-1", "0", "99999999999", "\xff", "SELF"])
def test_a_number_that_is_not_our_broker_is_not_believed(
    directory: BrokerDirectory, content: str
) -> None:
    content = content.replace("SELF", str(os.getpid()))
    directory.process_id.write_text(content, encoding="latin-1")
    assert process.running_broker(directory) is None
    assert process.reload_broker(directory) is Reload.NOT_RUNNING


def test_no_broker_runs_where_no_number_is_written(directory: BrokerDirectory) -> None:
    assert process.reload_broker(directory) is Reload.NOT_RUNNING


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, Reload.DONE),
        (PermissionError, Reload.FORBIDDEN),
        (ProcessLookupError, Reload.NOT_RUNNING),
    ],
)
def test_a_running_broker_is_told_to_read_again(
    directory: BrokerDirectory,
    monkeypatch: pytest.MonkeyPatch,
    error: type[OSError] | None,
    result: Reload,
) -> None:
    sent = []

    def kill(pid: int, number: int) -> None:
        sent.append((pid, number))
        if error is not None:
            raise error

    monkeypatch.setattr(process, "running_broker", lambda _directory: 4242)
    monkeypatch.setattr(os, "kill", kill)
    assert process.reload_broker(directory) is result
    assert sent == [(4242, signal.SIGHUP)]
