"""The agent as a person runs it: who may, how it ends, what its log says about the broker."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.agent import SMALL, RunningAgent
from support.polling import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.broker import ShippedBroker

TIMEOUT_S = 20.0
ORDINARY_USER = "nobody"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_closed_terminal_ends_the_agent_with_a_good_bye(
    broker: ShippedBroker, number: signal.Signals
) -> None:
    with RunningAgent(broker, name="brief", settings=SMALL) as camera:
        os.kill(camera.pid, number)
        until(lambda: "broker left" in camera.log, timeout_s=TIMEOUT_S)
        assert camera.stop() == 0
        assert "Traceback" not in camera.log


def test_each_cause_is_told_once_and_that_it_goes_on(own_broker: ShippedBroker) -> None:
    with RunningAgent(own_broker, name="shunned", settings=SMALL) as camera:
        own_broker.remove("shunned")
        until(lambda: "account is unknown" in camera.log, timeout_s=TIMEOUT_S)
        told = re.findall(r"WARNING .*", camera.log)
    assert len(told) == 2  # that the connection ended, and why it stays so
    assert "if it is missing, add it again and copy the new file" in told[1]
    assert all('trying again until it answers"' in line for line in told)
    assert "Unspecified error" not in camera.log


@pytest.fixture
def home() -> Iterator[Path]:
    """Return the home of an ordinary user."""
    folder = Path(tempfile.mkdtemp(prefix="mqcam-home-"))
    user = pwd.getpwnam(ORDINARY_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.root
def test_an_ordinary_user_needs_no_folder_of_the_system(broker: ShippedBroker, home: Path) -> None:
    """What `check` calls good does run, and `status` finds it."""
    user = pwd.getpwnam(ORDINARY_USER)
    credentials = home / "front.yaml"
    shutil.copy(broker.credentials("device", "homely"), credentials)
    os.chown(credentials, user.pw_uid, user.pw_gid)
    config = home / "device.yaml"
    config.write_text(f"credentials: ~/front.yaml\nice: {{loopback: true}}\n{SMALL}")
    log = home / "log"

    checked = as_ordinary_user("check", config)
    assert checked.wait(TIMEOUT_S) == 0
    agent = as_ordinary_user("run", config, log)
    try:
        until(lambda: "camera online" in log.read_text(), timeout_s=TIMEOUT_S)
        asked = as_ordinary_user("status", config, home / "status")
        assert asked.wait(TIMEOUT_S) == 0
    finally:
        agent.terminate()
        agent.wait(TIMEOUT_S)
    assert "connected to" in (home / "status").read_text()
    assert (home / f"mqcam-{user.pw_uid}").stat().st_mode & 0o777 == 0o700
    assert (home / ".local/state/mqcam/homely.client-id").is_file()


def as_ordinary_user(
    verb: str, config: Path, output: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a verb of the agent as the owner of the configuration's folder.

    Loaded before the change of user, who may not be able to read our Python; the camera itself
    then has no picture, which does not matter here.
    """
    code = "import os, sys, mqcam_device.app; from mqcam_device.cli import main; os.setgroups([]); "
    code += "import encodings.idna, encodings.utf_8_sig, mqcam_device.capture.process; "
    code += "user, *words = sys.argv[1:]; os.setgid(int(user)); os.setuid(int(user)); "
    code += "sys.exit(main(words))"
    folder, user_id = str(config.parent), str(pwd.getpwnam(ORDINARY_USER).pw_uid)
    with (output or Path(os.devnull)).open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", code, user_id, verb, "--config", str(config)],
            env={"HOME": folder, "TMPDIR": folder, "PATH": os.environ["PATH"]},
            stdout=file,
            stderr=file,
        )
