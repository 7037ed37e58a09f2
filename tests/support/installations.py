"""A machine below a folder, on which ./install-device is tried out with stand-ins for programs.

It must not know what is tested: it installs, and says why something was refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.commands import FakeCommands
from mqcam.credentials import Credentials, write_credentials
from mqcam.trust.keys import SigningKey

from scripts.install_device.machine import Machine
from scripts.install_device.plan import Plan, Wish, make_plan
from scripts.install_device.refusal import Refused
from scripts.install_device.work import Work, missing_packages

if TYPE_CHECKING:
    from pathlib import Path

KEY = SigningKey(b"1" * 32)
FRONT = Credentials(
    kind="device",
    name="front",
    broker=("mqtts://nas.local", "mqtts://192.0.2.1"),
    ca="-----BEGIN CERTIFICATE-----\nTWljaGFlbA==\n-----END CERTIFICATE-----\n",
    username="front",
    password="it's: #secret",
    identity=KEY.secret_text(),
    turn=("turn:nas.local",),
    turn_secret="1234",
)
PI = Machine(
    user_id=0,
    system="Debian GNU/Linux 12 (bookworm)",
    is_debian=True,
    is_64_bit=True,
    python=(3, 11),
    runs_systemd=True,
    model="Raspberry Pi Zero 2 W Rev 1.0",
    has_pi_packages=True,
    free_bytes=10**10,
)


class Card:
    """A machine below a folder, with a credentials file to install."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.file = self.write(FRONT)
        self.commands = FakeCommands()
        self.said: list[str] = []

    def write(self, credentials: Credentials) -> Path:
        path = self.folder / f"{credentials.name}.mqcam"
        write_credentials(path, credentials)
        return path

    def plan(self, machine: Machine = PI, **wishes: Any) -> Plan:
        wish = Wish(**{"file": self.file, "root": self.root, **wishes})
        # Below another root nothing would be started: these tests look at what would be.
        plan = make_plan(wish, machine, missing=lambda n: missing_packages(self.commands, n))
        return replace(plan, is_elsewhere=False, member=wish.user)

    def install(self, machine: Machine = PI, **wishes: Any) -> Plan:
        plan = self.plan(machine, **wishes)
        Work(plan=plan, commands=self.commands, say=self.said.append).do_all()
        return plan

    def is_somebody(self, name: str = "front", file: str = "credentials.yaml") -> None:
        """Be a machine on which a camera was installed before."""
        (self.root / "etc/mqcam").mkdir(parents=True, exist_ok=True)
        write_credentials(self.root / "etc/mqcam" / file, replace(FRONT, name=name))

    def files(self) -> list[str]:
        return sorted(p.relative_to(self.root).as_posix() for p in self.root.rglob("*"))

    def refused(self, machine: Machine = PI, **wishes: Any) -> str:
        """Return why nothing was touched."""
        before = self.files()
        with pytest.raises(Refused) as caught:
            self.plan(machine, **wishes)
        assert self.commands.called == []
        assert self.files() == before
        return str(caught.value)
