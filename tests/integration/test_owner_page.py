"""The page for owners, typed as it stands against a real broker."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.owner.decree import read_state
from support.broker import SUCCESS, free_port, log_in
from support.certificates import Authority
from support.polling import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = Path(__file__).parents[2] / "docs/owner.md"
BLOCK = re.compile(r"^## (.*?)\n|^```sh\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
COMMAND_TIMEOUT_S = 50
CAMERA_TIMEOUT_S = 3
"""For each camera in a loop: half of it is Python's start, and the machine may be busy."""
STOP_TIMEOUT_S = 10
FEW, MANY = 10, 1000
STOLEN = 5
FLEET_FROM = 1000
"""From so many cameras on the page wants `init --fleet`."""

SUDO = '#!/bin/sh\nexec "$@"\n'
# What systemd does for the broker, without systemd.
SYSTEMCTL = """#!/bin/sh
mqcam-broker run > "$HOME/run.log" 2>&1 &
echo $! > "$HOME/run.pid"
for _ in $(seq 500); do grep -q 'broker ready' "$HOME/run.log" && exit 0; sleep 0.02; done
cat "$HOME/run.log"; exit 1
"""
INIT = "mqcam-broker init --address nas.local"


def blocks() -> dict[str, list[str]]:
    """Return what the page wants typed, by the headings that it stands below."""
    found: dict[str, list[str]] = {}
    heading = ""
    for match in BLOCK.finditer(PAGE.read_text("utf-8")):
        if match[1] is not None:
            heading = match[1]
        else:
            found.setdefault(heading, []).append(match[2])
    return found


class Machine:
    """The broker's machine: a folder, a shell, no root and no systemd."""

    def __init__(self, home: Path, number: int) -> None:
        self.home = home
        self.cameras = tuple(f"house-{each}" for each in range(1, number + 1))
        self._init = f"{INIT} --fleet" if number >= FLEET_FROM else INIT
        self._timeout_s = COMMAND_TIMEOUT_S + CAMERA_TIMEOUT_S * number
        self.port = free_port()
        self.directory = BrokerDirectory(home / "broker")
        self.carried = home / "carried"
        self.carried.mkdir()
        programs = home / "bin"
        programs.mkdir()
        for name, text in (("sudo", SUDO), ("systemctl", SYSTEMCTL)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        places = (programs, Path(sys.executable).parent, os.environ["PATH"])
        self._environment = {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "MQCAM_BROKER_DIR": str(self.directory.path),
            "PATH": ":".join(map(str, places)),
        }

    def type(self, block: str) -> str:
        """Type a block of the page; the names on it are those of this machine."""
        here = f"127.0.0.1:{self.port}"
        text = block.replace(INIT, f"{self._init} --bind 127.0.0.1 --port {self.port}")
        text = text.replace("new-nas.local", here).replace("nas.local", here)
        done = subprocess.run(
            ["bash", "-e", "-u", "-o", "pipefail", "-c", text],
            cwd=self.home,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=self._timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def carry(self) -> None:
        """Take every credentials file to whom it is for."""
        for file in self.home.glob("*.yaml"):
            file.replace(self.carried / file.name)

    def can_log_in(self, name: str) -> bool:
        """Tell whether the file that was carried last opens the broker."""
        return log_in(load_credentials(self.carried / name)) == SUCCESS

    def members(self) -> set[str]:
        return set(self.directory.read_members().by_name)

    def stop(self) -> None:
        """Switch the broker off."""
        file = self.home / "run.pid"
        if not file.exists():
            return
        pid = int(file.read_text())
        file.unlink()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        log = self.home / "run.log"
        until(lambda: "broker stopped" in log.read_text(), timeout_s=STOP_TIMEOUT_S)

    def lose_everything(self) -> None:
        """Be a new machine, with what was carried and the archives."""
        self.stop()
        shutil.rmtree(self.directory.path)


@pytest.fixture
def machine(number: int) -> Iterator[Machine]:
    home = Path(tempfile.mkdtemp(prefix="mqcam-owner-"))
    home.chmod(0o755)  # as root, mosquitto becomes a user who must get in
    made = Machine(home, number)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(FEW, marks=pytest.mark.timeout(180)),
        pytest.param(MANY, marks=[pytest.mark.timeout(3600), pytest.mark.long]),
    ],
)
def test_every_command_of_the_page_does_what_it_says(machine: Machine) -> None:
    """A heading without a check here, or a check without a heading, fails."""
    checks: dict[str, Callable[[Machine, list[str]], None]] = {
        "Begin": begin,
        "Add": add,
        "Replace": replace,
        "Revoke": revoke,
        "Renew": renew,
        "Move": move,
        "Back up and restore": restore,
        "A broker that is already there": adopt,
        "Look at it from outside": audit,
    }
    page = blocks()
    assert list(page) == list(checks)
    for heading, check in checks.items():
        check(machine, page[heading])


def begin(machine: Machine, typed: list[str]) -> None:
    for block in typed:
        machine.type(block)
    assert machine.members() == set()


def add(machine: Machine, typed: list[str]) -> None:
    (machine.home / "cameras.txt").write_text("".join(f"{name}\n" for name in machine.cameras))
    for block in typed:
        machine.type(block)
    machine.carry()
    few = {"front-door", "garden", "garage", "attic", "anna", "ben", "guard"}
    assert machine.members() == few | set(machine.cameras)
    assert machine.can_log_in(f"{machine.cameras[-1]}.device.yaml")
    assert machine.can_log_in("anna.viewer.yaml")


def replace(machine: Machine, typed: list[str]) -> None:
    stolen = machine.cameras[-STOLEN:]
    (machine.home / "stolen.txt").write_text("".join(f"{name}\n" for name in stolen))
    old = load_credentials(machine.carried / "front-door.device.yaml")
    for block in typed:
        machine.type(block)
    machine.carry()
    new = load_credentials(machine.carried / "front-door.device.yaml")
    assert old.identity != new.identity
    assert log_in(old) != SUCCESS
    assert machine.can_log_in("front-door.device.yaml")
    assert len(read_state(machine.directory).revoked) == 2 + STOLEN


def revoke(machine: Machine, typed: list[str]) -> None:
    [block] = typed
    machine.type(block)
    assert "ben" not in machine.members()
    assert not machine.can_log_in("ben.viewer.yaml")


def renew(machine: Machine, typed: list[str]) -> None:
    look, longer = typed
    assert "is good until" in machine.type(look)
    machine.type(longer)
    renewed = load_credentials(machine.home / "anna.viewer.yaml")
    assert renewed.password is None
    assert renewed.grant != load_credentials(machine.carried / "anna.viewer.yaml").grant
    (machine.home / "anna.viewer.yaml").unlink()


def move(machine: Machine, typed: list[str]) -> None:
    old, new = typed
    machine.type(old)
    told = read_state(machine.directory)
    assert told.brokers == (f"mqtts://127.0.0.1:{machine.port}",)
    members = machine.members()
    machine.lose_everything()
    machine.type(new)
    assert (machine.members(), read_state(machine.directory)) == (members, told)
    assert machine.can_log_in("anna.viewer.yaml")


def restore(machine: Machine, typed: list[str]) -> None:
    backup, again = typed
    machine.type(backup)
    machine.lose_everything()
    machine.type(again)
    assert machine.can_log_in("front-door.device.yaml")
    assert not machine.can_log_in("ben.viewer.yaml")
    machine.type("mqcam-broker remove garden")  # the owner can still sign


def adopt(machine: Machine, typed: list[str]) -> None:
    [block] = typed
    (machine.home / "ha-ca.crt").write_text(Authority().pem)
    printed = machine.type(block)
    assert "user shed" in printed
    assert "carol:$7$" in printed
    password = load_credentials(machine.home / "carol.viewer.yaml").password
    assert str(password) not in printed


def audit(machine: Machine, typed: list[str]) -> None:
    [block] = typed
    shutil.copy2(machine.carried / "anna.viewer.yaml", machine.home)
    assert "Nothing bad was found." in machine.type(block)
