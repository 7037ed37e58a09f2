"""The directory of one broker: which files it has, who owns them, how they change together.

It must not know processes: whoever changes the members tells the running broker.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from mqcam import config
from mqcam.credentials import read_password
from mqcam.errors import NotSetUp, SetupError
from mqcam.files import read_bounded, write_atomically

from mqcam_broker import shipped
from mqcam_broker.folder.addresses import hosts_of
from mqcam_broker.folder.members import Members
from mqcam_broker.folder.names import OWNER, SERVER_NAME
from mqcam_broker.folder.ownerkey import read_owner_key, read_owner_public
from mqcam_broker.folder.passwords import password_hash, salt_of
from mqcam_broker.folder.rules import member_rules
from mqcam_broker.folder.settings import BrokerDecisions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mqcam.trust.keys import SigningKey

LOCK_TIMEOUT_S = 10.0
MEMBERS_LIMIT_BYTES = 32 * 1024 * 1024


class BrokerDirectory:
    """One broker's files below ``path``, which is made absolute without symbolic links."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.configuration = self.path / shipped.CONFIGURATION
        self.fleet_rules = self.path / shipped.RULES
        self.member_rules = self.path / shipped.MEMBER_RULES
        self.passwords = self.path / "passwd"
        self.state = self.path / "state"
        self.process_id = self.state / "broker.pid"
        self.ca_certificate = self.path / "ca.crt"
        self.ca_key = self.path / "ca.key"
        self.coming_ca_key = self.path / "ca-next.key"
        self.server_certificate = self.path / "server.crt"
        self.server_key = self.path / "server.key"
        self.decisions = self.path / "broker.yaml"
        self.members = self.path / "members"
        self.owner_key = self.path / "owner.key"
        self.owner_public = self.path / "owner.pub"
        self.owner_state = self.path / "owner.state"
        self.owner_password = self.path / "owner.password"
        self._lock = self.path / "lock"

    def check(self) -> BrokerDecisions:
        """Return what the owner decided; raise NotSetUp unless every file is there."""
        if not self.decisions.is_file():
            raise NotSetUp(
                f"there is no broker in {self.path}",
                f"make one with: mqcam-broker init --dir {self.path}",
            )
        decisions = config.load(self.decisions, BrokerDecisions)
        self._check_there(*self.parts(decisions))
        return decisions

    def read_decisions(self) -> BrokerDecisions:
        """Read broker.yaml; raise NotSetUp or ConfigError."""
        return self.check()

    def check_own(self) -> BrokerDecisions:
        """Return the decisions; raise SetupError when the broker is somebody else's."""
        decisions = self.check()
        if decisions.existing:
            raise SetupError(
                f"the broker of {self.path} is not run from here",
                "its own machine runs it and keeps its certificates",
            )
        return decisions

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
        """Store the members and derive the broker's passwords and rules from them."""
        write_atomically(self.members, members.text().encode(), mode=0o600)
        self.refresh(members)

    def refresh(self, members: Members) -> None:
        """Make the broker's passwords and rules say what the members are; they are its user's."""
        password = self.read_owner_password()
        owner = f"{OWNER}:{password_hash(password, salt=salt_of(password))}\n"
        self._derive(self.passwords, owner + members.password_file())
        if self.is_fleet:
            self._close(self.fleet_rules)
        else:
            self._derive(self.member_rules, member_rules(members, self.read_decisions().namespace))

    @property
    def is_existing(self) -> bool:
        """Tell whether the broker is somebody else's."""
        return self.decisions.exists() and self.read_decisions().existing

    @property
    def is_fleet(self) -> bool:
        """Tell whether one set of rules stands for all members, not one for each."""
        return self.fleet_rules.exists()

    @property
    def rules(self) -> Path:
        """Return the file of rules that counts."""
        return self.fleet_rules if self.is_fleet else self.member_rules

    def read_owner_password(self) -> str:
        """Return the password of ``owner_user``, who writes the owner's state."""
        return read_password(self.owner_password)

    def read_authority(self) -> str | None:
        """Return the certificate that vouches for the broker; None: every system's authorities."""
        decisions = self.read_decisions()
        if decisions.public_certificate or not self.ca_certificate.exists():
            return None
        return self.ca_certificate.read_text("ascii")

    def server_name(self) -> str:
        """Return a name that stands in the broker's certificate."""
        return self.fixed_name() or hosts_of(self.read_decisions().addresses)[0]

    def fixed_name(self) -> str | None:
        """Return the name that the certificate has whatever the address; None: the address's."""
        decisions = self.read_decisions()
        return None if decisions.public_certificate or decisions.existing else SERVER_NAME

    @property
    def anchor(self) -> Path:
        """Return the certificate by which this machine recognises its own broker."""
        return self.ca_certificate if self.ca_certificate.exists() else self.server_certificate

    def user(self) -> tuple[int, int] | None:
        """Return the broker's user and group where we may give them files, else None."""
        status = self.state.stat()
        return (status.st_uid, status.st_gid) if os.geteuid() == 0 else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other mqcam-broker commands from changing the members meanwhile."""
        self.check()
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        # Closed to others: a reader could hold it too, and nobody could be removed meanwhile.
        with open(self._lock, "a", encoding="ascii", opener=_closed_to_others) as file:
            while not _lock_now(file.fileno()):
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"another mqcam-broker has been changing {self.path} for "
                        f"{LOCK_TIMEOUT_S:g} s",
                        "let it finish and try again",
                    )
                time.sleep(0.02)
            yield

    def parts(self, decisions: BrokerDecisions) -> tuple[Path, ...]:
        """Return the files without which there is no broker."""
        everywhere: tuple[Path, ...] = (
            self.rules,
            self.members,
            self.passwords,
            self.state,
            self.owner_public,
            self.owner_state,
            self.owner_password,
        )
        if decisions.existing:
            return everywhere
        own: tuple[Path, ...] = (self.configuration, self.server_certificate, self.server_key)
        if not decisions.public_certificate:
            own = (*own, self.ca_certificate, self.ca_key)
        return (*everywhere, *own)

    def _check_there(self, *paths: Path) -> None:
        for path in paths:
            if not path.exists():
                raise NotSetUp(
                    f"{path} is missing",
                    "take it from a backup, or begin anew with mqcam-broker init in an empty "
                    "directory and new credentials for everybody",
                )

    def _derive(self, path: Path, text: str) -> None:
        content = text.encode()
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == content:
                self._close(path)
                return
        write_atomically(path, content, owner=self.user())

    def _close(self, path: Path) -> None:
        """Take a file from the eyes of others: newer mosquittos refuse it otherwise."""
        if path.stat().st_uid == self.state.stat().st_uid:
            with contextlib.suppress(PermissionError):
                path.chmod(0o600)


def _closed_to_others(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return descriptor


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
