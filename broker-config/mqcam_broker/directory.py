"""The directory of one broker: which files it has, who owns them, how they change together.

It must not know processes: whoever changes the members tells the running broker.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqcam import config
from mqcam.errors import NotSetUp, SetupError, UsageError
from mqcam.files import read_bounded, write_atomically
from mqcam.trust.keys import SigningKey

from mqcam_broker import authority, shipped
from mqcam_broker.addresses import hosts_of
from mqcam_broker.members import Members
from mqcam_broker.ownerkey import read_owner_key, read_owner_public
from mqcam_broker.settings import BrokerDecisions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_TIMEOUT_S = 10.0
MEMBERS_LIMIT_BYTES = 32 * 1024 * 1024
MOSQUITTO_USER = "mosquitto"
"""The user that every package of mosquitto makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What ``init`` is asked to make."""

    decisions: BrokerDecisions
    user: str
    port: int = shipped.DEFAULT_PORT
    ws_port: int | None = None
    bind: str | None = None
    owner_key: Path | None = None
    """The file of an owner's key that exists already; None makes one in the directory."""


def default_user() -> str:
    """Return the user the broker shall run as: mosquitto's own if root asks, else the caller."""
    caller = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() != 0:
        return caller
    return next((user.pw_name for user in pwd.getpwall() if user.pw_name == MOSQUITTO_USER), caller)


class BrokerDirectory:
    """One broker's files below ``path``, which is made absolute without symbolic links."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.configuration = self.path / shipped.CONFIGURATION
        self.rules = self.path / shipped.RULES
        self.passwords = self.path / "passwd"
        self.state = self.path / "state"
        self.process_id = self.state / "broker.pid"
        self.ca_certificate = self.path / "ca.crt"
        self.ca_key = self.path / "ca.key"
        self.server_certificate = self.path / "server.crt"
        self.server_key = self.path / "server.key"
        self.decisions = self.path / "broker.yaml"
        self.members = self.path / "members"
        self.owner_key = self.path / "owner.key"
        self.owner_public = self.path / "owner.pub"
        self._lock = self.path / "lock"

    def create(self, plan: Plan) -> None:
        """Make all files; raise SetupError, leaving nothing, when the directory is not empty."""
        owner = _user(plan.user)
        self._check_empty()
        self._check_reachable(owner)
        existed = self.path.is_dir()
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._fill(plan, owner)
        except BaseException:
            self._clear(keep_directory=existed)
            raise

    def check(self) -> None:
        """Raise NotSetUp unless every file is there."""
        if not self.decisions.is_file():
            raise NotSetUp(
                f"there is no broker in {self.path}",
                f"make one with: mqcam-broker init --dir {self.path}",
            )
        for path in self._parts():
            if not path.exists():
                raise NotSetUp(
                    f"{path} is missing",
                    "take it from a backup, or begin anew with mqcam-broker init in an empty "
                    "directory and new credentials for everybody",
                )

    def read_decisions(self) -> BrokerDecisions:
        """Read broker.yaml; raise NotSetUp or ConfigError."""
        self.check()
        return config.load(self.decisions, BrokerDecisions)

    def read_owner(self) -> str:
        """Return the owner's public key; raise NotSetUp or CredentialsError."""
        self.check()
        return read_owner_public(self.owner_public)

    def read_owner_key(self, elsewhere: Path | None) -> SigningKey:
        """Return the owner's key, kept ``elsewhere`` or here; raise CredentialsError."""
        return read_owner_key(elsewhere or self.owner_key, public=self.read_owner())

    def read_members(self) -> Members:
        """Read the devices and viewers; raise NotSetUp or ConfigError."""
        self.check()
        content = read_bounded(self.members, limit_bytes=MEMBERS_LIMIT_BYTES)
        return Members.parse(content.decode("utf-8", "replace"), file=str(self.members))

    def write_members(self, members: Members) -> None:
        """Store the members and derive the broker's password file from them."""
        write_atomically(self.members, members.text().encode(), mode=0o600)
        self.refresh_passwords(members)

    def refresh_passwords(self, members: Members) -> None:
        """Make the password file say what the members are; the file has the broker's owner."""
        content = members.password_file().encode()
        with contextlib.suppress(FileNotFoundError):
            if self.passwords.read_bytes() == content:
                return
        write_atomically(self.passwords, content, mode=0o600)
        if os.geteuid() == 0:
            broker = self.state.stat()
            os.chown(self.passwords, broker.st_uid, broker.st_gid)

    def close_rules(self) -> None:
        """Take the rules from the eyes of others, in a directory that older versions made."""
        if self.rules.stat().st_uid == self.state.stat().st_uid:
            with contextlib.suppress(PermissionError):
                self.rules.chmod(0o600)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other mqcam-broker commands from changing the members meanwhile."""
        self.check()
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        with self._lock.open("a") as file:
            while not _lock_now(file.fileno()):
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"another mqcam-broker has been changing {self.path} for "
                        f"{LOCK_TIMEOUT_S:g} s",
                        "let it finish and try again",
                    )
                time.sleep(0.02)
            yield

    def _fill(self, plan: Plan, owner: pwd.struct_passwd) -> None:
        now = datetime.now(UTC)
        signer = read_owner_key(plan.owner_key) if plan.owner_key else SigningKey.generate()
        ours = authority.create_authority(now=now)
        hosts = hosts_of(plan.decisions.addresses)
        server = authority.issue_server_certificate(ours, hosts, now=now)
        configuration = shipped.configuration(
            directory=self.path,
            user=plan.user,
            port=plan.port,
            ws_port=plan.ws_port,
            bind=plan.bind,
        )
        self.state.mkdir(mode=0o700)
        public = {
            self.configuration: configuration.encode(),
            self.ca_certificate: ours.certificate,
            self.server_certificate: server.certificate,
            self.owner_public: f"{signer.public}\n".encode(),
        }
        for path, content in public.items():
            write_atomically(path, content, mode=0o644)
        # Not secret, but mosquitto warns of rules that others may read, and wants to refuse them.
        write_atomically(self.rules, shipped.rules(plan.decisions.namespace).encode())
        if plan.owner_key is None:
            write_atomically(self.owner_key, f"{signer.secret_text()}\n".encode())
        write_atomically(self.ca_key, ours.key)
        write_atomically(self.server_key, server.key)
        write_atomically(self.members, Members().text().encode())
        write_atomically(self.passwords, b"")
        if os.geteuid() == 0:
            for path in (self.state, self.rules, self.server_key, self.passwords):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        # Last, because it is what makes the directory a broker's.
        write_atomically(self.decisions, plan.decisions.text().encode(), mode=0o644)

    def _check_empty(self) -> None:
        if self.decisions.exists():
            raise SetupError(
                f"{self.path} is already a broker's directory",
                "add to it with mqcam-broker add-device and add-viewer, or give another --dir",
            )
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise SetupError(
                f"{self.path} is not an empty directory",
                "give another one with --dir, or empty it if an earlier init was interrupted",
            )

    def _check_reachable(self, owner: pwd.struct_passwd) -> None:
        if owner.pw_uid == 0:
            return
        for folder in self.path.parents:
            if folder.is_dir() and not _may_enter(folder, owner):
                raise SetupError(
                    f"the user {owner.pw_name}, who runs the broker, may not enter {folder}",
                    f"give a directory elsewhere, for example --dir {shipped.DEFAULT_DIRECTORY}",
                )

    def _parts(self) -> tuple[Path, ...]:
        return (
            self.configuration,
            self.rules,
            self.members,
            self.passwords,
            self.state,
            self.ca_certificate,
            self.ca_key,
            self.server_certificate,
            self.server_key,
            self.owner_public,
        )

    def _clear(self, *, keep_directory: bool) -> None:
        for path in (*self._parts(), self.owner_key, self.decisions):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not keep_directory:
            with contextlib.suppress(OSError):
                self.path.rmdir()


def _user(name: str) -> pwd.struct_passwd:
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        raise UsageError(
            f"this machine has no user {name!r}", "install mosquitto first, or give another --user"
        ) from error
    if os.geteuid() not in (0, user.pw_uid):
        raise UsageError(
            f"only root may set a broker up for the user {name!r}", "use sudo, or leave --user out"
        )
    return user


def _may_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    status = folder.stat()
    if status.st_uid == user.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
