"""``mqcam-broker run`` as a program: readiness, signals, exit codes, ordinary users."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import re
import select
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam_broker.cli import main
from mqcam_broker.mosquitto.process import Listener, find_mosquitto, is_ready, running_broker
from support.broker import SUCCESS, ShippedBroker, log_in

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 15.0
ORDINARY_USER = "nobody"


@pytest.fixture
def prepared() -> Iterator[ShippedBroker]:
    """Return a broker that is set up and does not run yet."""
    shipped = ShippedBroker()
    yield shipped
    shipped.close()


@contextlib.contextmanager
def running(shipped: ShippedBroker, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mqcam_broker.cli", "run", "--dir"]
    with subprocess.Popen(
        [*command, str(shipped.directory.path), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=DEADLINE_S)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
    assert readable, "no line in time"
    return process.stdout.readline()


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Return a signal that a program obeys which is started now.

    Under nohup a test run ignores SIGHUP, and its programs would inherit that and keep to it.
    """
    chosen: signal.Signals = request.param
    before = signal.getsignal(chosen)
    if before is signal.SIG_IGN:
        signal.signal(chosen, lambda *_: None)  # a new program has the default instead of this
    yield chosen
    signal.signal(chosen, before)


def test_it_says_when_it_is_ready_and_ends_well_when_told(
    prepared: ShippedBroker, number: signal.Signals
) -> None:
    alice = load_credentials(prepared.credentials("viewer", "alice"))
    with running(prepared) as process:
        assert first_line(process) == f"broker ready on 127.0.0.1 port {prepared.port}\n"
        assert log_in(alice) == SUCCESS
        process.send_signal(number)
        output, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, output, errors) == (0, "broker stopped\n", "")
    assert running_broker(prepared.directory) is None


@pytest.mark.parametrize("is_relative", [False, True])
def test_who_is_removed_stays_out_although_a_second_mosquitto_took_the_number_away(
    prepared: ShippedBroker, is_relative: bool
) -> None:
    alice = load_credentials(prepared.credentials("viewer", "alice"))
    configuration = prepared.directory.configuration
    name = configuration.name if is_relative else str(configuration)
    listener = Listener(port=prepared.port, bind="127.0.0.1")
    program = [find_mosquitto(), "-c", name]
    with subprocess.Popen(program, cwd=configuration.parent, stderr=subprocess.DEVNULL) as first:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while not is_ready(listener, anchor=prepared.directory.anchor):
                assert time.monotonic() < deadline
            second = subprocess.run(
                program, cwd=configuration.parent, stderr=subprocess.DEVNULL, check=False
            )
            assert second.returncode != 0  # its port is taken
            assert not prepared.directory.process_id.exists()
            assert running_broker(prepared.directory) == first.pid
            assert "The revocation is published" in prepared.command("remove", "alice")
            assert log_in(alice) not in {SUCCESS, None}
        finally:
            first.terminate()


def test_verbose_shows_who_comes_and_goes(prepared: ShippedBroker) -> None:
    with running(prepared, "--verbose") as process:
        first_line(process)
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert re.search(r"^\d\d:\d\d:\d\d New connection from", errors, re.MULTILINE)


def test_somebody_who_is_not_let_in_is_shown(prepared: ShippedBroker) -> None:
    alice = load_credentials(prepared.credentials("viewer", "alice"))
    with running(prepared) as process:
        first_line(process)
        assert log_in(dataclasses.replace(alice, password="wrong")) != SUCCESS
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert "not authorised" in errors
    assert errors.count("\n") == 1


def test_a_tool_that_is_killed_takes_its_broker_along(prepared: ShippedBroker) -> None:
    with running(prepared) as process:
        first_line(process)
        assert running_broker(prepared.directory) is not None
        process.kill()
        process.communicate(timeout=DEADLINE_S)
        deadline = time.monotonic() + DEADLINE_S
        while running_broker(prepared.directory) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_broker_that_dies_is_reported(prepared: ShippedBroker) -> None:
    with running(prepared) as process:
        first_line(process)
        pid = running_broker(prepared.directory)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "mosquitto ended by itself with signal 9" in errors


def test_a_broker_that_refuses_its_files_is_reported(prepared: ShippedBroker) -> None:
    with prepared.directory.configuration.open("a") as file:
        file.write("no_such_option true\n")
    with running(prepared) as process:
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "no_such_option" in errors
    assert "mosquitto ended by itself with exit code" in errors


def test_a_second_start_names_the_first(prepared: ShippedBroker) -> None:
    prepared.start()
    with running(prepared) as process:
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert f"is already running as process {prepared.pid}" in errors


def test_a_port_that_is_taken_is_named(prepared: ShippedBroker) -> None:
    with socket.create_server(("127.0.0.1", prepared.port)), running(prepared) as process:
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert f"something else listens on 127.0.0.1 port {prepared.port}" in errors


def test_a_member_added_meanwhile_gets_in(prepared: ShippedBroker) -> None:
    with running(prepared) as process:
        first_line(process)
        alice = load_credentials(prepared.credentials("viewer", "alice"))
        deadline = time.monotonic() + DEADLINE_S
        while log_in(alice) != SUCCESS:
            assert time.monotonic() < deadline


@pytest.mark.root
def test_as_root_mosquitto_gives_its_rights_up(prepared: ShippedBroker) -> None:
    with running(prepared) as process:
        first_line(process)
        pid = running_broker(prepared.directory)
        status = prepared.directory.state.stat()
        assert pid is not None
        assert os.stat(f"/proc/{pid}").st_uid == status.st_uid != 0  # noqa: PTH116


@pytest.fixture
def ordinary_user() -> Iterator[str]:
    """Be an ordinary user; the programs that are started inherit it."""
    user = pwd.getpwnam(ORDINARY_USER)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    yield ORDINARY_USER
    os.seteuid(0)
    os.setegid(0)
    os.setgroups(groups)


@pytest.mark.root
def test_an_ordinary_user_needs_no_root_for_his_own_broker(ordinary_user: str) -> None:
    with ShippedBroker() as broker:
        assert f"\nuser {ordinary_user}\n" in broker.directory.configuration.read_text("utf-8")
        assert log_in(load_credentials(broker.credentials("viewer", "alice"))) == SUCCESS
        assert "Warning: Unable" not in broker.log


@pytest.mark.root
@pytest.mark.usefixtures("ordinary_user")
def test_an_ordinary_user_is_told_about_sudo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--dir", "/etc/mqcam-broker-of-root"]) == 1
    assert "try again with sudo" in capsys.readouterr().err
