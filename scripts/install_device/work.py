"""Doing what the plan says, step by step; each can be done again.

It must not decide anything, nor start anything below another root.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .commands import must
from .plan import CHECKOUT
from .refusal import Refused
from .site import DEVICE_UNITS, IMPORT_UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .commands import Commands
    from .plan import Plan
    from .site import Site


def missing_packages(commands: Commands, names: Sequence[str]) -> tuple[str, ...]:
    """Return which of these Debian packages are not there."""
    missing = []
    for name in names:
        if name == "python3-venv" and importlib.util.find_spec("ensurepip") is not None:
            continue  # this Python has what it is for, from wherever
        done = commands.call(["dpkg-query", "-W", "-f", "${db:Status-Status}", name])
        if done.code != 0 or done.said.strip() != "installed":
            missing.append(name)
    return tuple(missing)


@contextlib.contextmanager
def _alone(site: Site) -> Iterator[None]:
    """Keep a second installer out meanwhile; the kernel lets go of the file of one that died."""
    site.log.parent.mkdir(parents=True, exist_ok=True)
    with site.log.open("a") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("another install-device is at work here: wait for it") from None
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The steps of an installation, in their order."""

    plan: Plan
    commands: Commands
    say: Callable[[str], None]

    def do_all(self) -> None:
        """Install everything and start it; raise Refused at the first step that fails."""
        with _alone(self.plan.site):
            self._packages()
            self._program()
            self._user()
            self._credentials()
            self._units()

    def _must(self, command: Sequence[str], sentence: str) -> str:
        told = f"{sentence} What was said is in {self.plan.site.log}."
        return must(self.commands, command, told).said

    def _packages(self) -> None:
        if not self.plan.packages:
            return
        self.say(f"mqcam: {', '.join(self.plan.packages)} ...")
        self._must(
            ["bash", str(CHECKOUT / "scripts/install-packages.sh"), *self.plan.packages],
            f"could not install {', '.join(self.plan.packages)}: is the network up, and no other "
            "installation running?",
        )

    def _program(self) -> None:
        site = self.plan.site
        self.say(f"mqcam: {site.program}, which takes minutes on a small Pi ...")
        if self.plan.is_venv_new:
            # It sees the system's packages: libcamera and picamera2 are had from apt only.
            command = [sys.executable, "-m", "venv", "--clear", "--system-site-packages"]
            self._must([*command, str(site.program)], f"could not make {site.program}.")
        pip = [str(site.program / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
        pip += ["--no-input", "install"]
        # As scripts/install.sh: hashes keep out every file that is not the locked one, from
        # whichever index it comes. Wheels only: nothing is compiled.
        locked = ["--require-hashes", "--only-binary", ":all:", "--retries", "2"]
        self._must(
            [*pip, *locked, "-r", str(CHECKOUT / "requirements.lock")],
            "could not install the libraries of requirements.lock: is the network up?",
        )
        self._must(
            [*pip, "--no-deps", "--no-index", "--no-build-isolation", str(CHECKOUT)],
            f"could not install {CHECKOUT} into {site.program}.",
        )
        if not self.plan.is_elsewhere and not os.path.lexists(site.link):
            site.link.parent.mkdir(parents=True, exist_ok=True)
            site.link.symlink_to(site.command)

    def _user(self) -> None:
        elsewhere = []
        if self.plan.is_elsewhere:
            elsewhere = [f"--root={self.plan.site.root}"]
            (self.plan.site.root / "etc").mkdir(exist_ok=True)  # where it makes its list of users
        users = str(CHECKOUT / "systemd/mqcam.sysusers.conf")
        self._must(["systemd-sysusers", *elsewhere, users], "could not make the user mqcam.")
        if self.plan.member is not None:
            self._must(
                ["usermod", "-aG", "mqcam", self.plan.member],
                f"could not add {self.plan.member} to the group mqcam.",
            )

    def _credentials(self) -> None:
        site, paper = self.plan.site, self.plan.paper
        if paper is None:
            return
        command = [str(site.command), "import", str(paper.path.absolute())]
        command += ["--config", str(site.config)]
        command += ["--replace"] if self.plan.is_replacing else []
        done = self.commands.call(command)
        if done.code != 0:
            raise Refused(done.said.strip() or f"{paper.path}: could not be imported")
        for line in done.said.strip().splitlines():
            self.say(f"  {line}")
        self.say(f"  {paper.path} can be deleted now: whoever has it is {paper.name}")

    def _units(self) -> None:
        site = self.plan.site
        site.units.mkdir(parents=True, exist_ok=True)
        for name in (*DEVICE_UNITS, IMPORT_UNIT):
            shutil.copyfile(CHECKOUT / "systemd" / name, site.units / name)
            (site.units / name).chmod(0o644)
        enabled = [site.unit, *([IMPORT_UNIT] if self.plan.paper is None else [])]
        if self.plan.is_elsewhere:
            self._systemctl(f"--root={site.root}", "enable", *enabled)
            return
        self._systemctl("daemon-reload")
        self._systemctl("enable", *enabled)
        if self.plan.paper is not None:
            self._check()
            self.say("mqcam: the camera starts ...")
            # Whether it came up, is seen from the agent itself: this says only that it did not.
            self.commands.call(["systemctl", "restart", site.unit])

    def _check(self) -> None:
        site = self.plan.site
        done = self.commands.call([str(site.command), "check", "--config", str(site.config)])
        if done.code != 0:
            told = done.said.strip()
            raise Refused(f"installed, but not started, because of what stands there:\n{told}")

    def _systemctl(self, *words: str) -> None:
        self._must(["systemctl", *words], f"systemd did not do '{' '.join(words)}'.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Taking away again what was installed."""

    site: Site
    commands: Commands
    is_purging: bool
    is_elsewhere: bool

    def sentences(self) -> list[str]:
        """Return what will be done, a line for each thing."""
        site = self.site
        lines = ["every camera of this machine is stopped, and its service removed"]
        if site.has_broker:
            lines.append(f"{site.program} stays: the broker runs from it")
        else:
            lines.append(f"{site.program} is removed")
        verb = "are removed, and with them who the camera is" if self.is_purging else "stay"
        lines.append(f"{site.etc} and {site.state} {verb}")
        return lines

    def do_all(self) -> None:
        """Remove everything that is there."""
        site = self.site
        units = [DEVICE_UNITS[0], IMPORT_UNIT, *self._instances()]
        elsewhere = [f"--root={site.root}"] if self.is_elsewhere else ["--now"]
        for unit in units:  # one at a time: one that is not there must not keep the others
            self.commands.call(["systemctl", "disable", *elsewhere, unit])
        for name in (*DEVICE_UNITS, IMPORT_UNIT):
            (site.units / name).unlink(missing_ok=True)
        if not self.is_elsewhere:
            self.commands.call(["systemctl", "daemon-reload"])
        if site.link.is_symlink() and not site.has_broker:
            site.link.unlink()
        folders = [] if site.has_broker else [site.program]
        folders += [site.etc, site.state] if self.is_purging else []
        for folder in folders:
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Refused(f"{folder}: could not be removed: {error.strerror}") from error

    def _instances(self) -> list[str]:
        suffix = ".credentials.yaml"
        found = sorted(path.name for path in self.site.etc.glob(f"*{suffix}"))
        return [f"mqcam-device@{name.removesuffix(suffix)}.service" for name in found]
