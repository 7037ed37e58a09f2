"""A new broker's directory: every file, for the right user, or nothing at all.

It must not know the command line, nor how the files are used later.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqcam.errors import SetupError, UsageError
from mqcam.files import write_atomically
from mqcam.trust.keys import SigningKey

from mqcam_broker import shipped
from mqcam_broker.certificates import authority
from mqcam_broker.folder.addresses import hosts_of
from mqcam_broker.folder.members import Members
from mqcam_broker.folder.ownerkey import read_owner_key
from mqcam_broker.folder.passwords import new_password
from mqcam_broker.owner.decree import first_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mqcam_broker.certificates.authority import Identity
    from mqcam_broker.folder.directory import BrokerDirectory
    from mqcam_broker.folder.settings import BrokerDecisions

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
    is_fleet: bool = False
    """One set of rules for all members, not one for each."""
    owner_key: Path | None = None
    """The file of an owner's key that exists already; None makes one in the directory."""
    certificate: Identity | None = field(default=None, repr=False)
    """What a public authority has issued; None makes an authority."""


def default_user() -> str:
    """Return the user the broker shall run as: mosquitto's own if root asks, else the caller."""
    caller = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() != 0:
        return caller
    return next((user.pw_name for user in pwd.getpwall() if user.pw_name == MOSQUITTO_USER), caller)


def create(directory: BrokerDirectory, plan: Plan) -> None:
    """Make all files; raise SetupError, leaving nothing, when the directory is not empty."""
    user = user_named(plan.user)
    owner = read_owner_key(plan.owner_key) if plan.owner_key else SigningKey.generate()
    with new_folder(directory, user):
        _fill(directory, plan, user, owner)


@contextlib.contextmanager
def new_folder(directory: BrokerDirectory, user: pwd.struct_passwd) -> Iterator[None]:
    """Make the folder that the block fills, and leave nothing of it when the block fails.

    Raises SetupError unless it is empty, or not there, and ``user`` gets there.
    """
    _check_empty(directory)
    _check_own(directory.path)
    _check_reachable(directory.path, user)
    existed = directory.path.is_dir()
    try:
        directory.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        yield
    except BaseException:
        _clear(directory, keep_folder=existed)
        raise


def give_to_broker(directory: BrokerDirectory, user: pwd.struct_passwd) -> None:
    """Hand what the broker itself reads and writes to the user that runs it; only root can."""
    if os.geteuid() == 0:
        for path in (directory.state, directory.rules, directory.server_key, directory.passwords):
            if path.exists():
                os.chown(path, user.pw_uid, user.pw_gid)


def _fill(
    directory: BrokerDirectory, plan: Plan, user: pwd.struct_passwd, owner: SigningKey
) -> None:
    directory.state.mkdir(mode=0o700)
    _write_certificates(directory, plan)
    write_owner(directory, owner, plan.decisions, keeps_key=plan.owner_key is None)
    write_atomically(directory.owner_password, f"{new_password()}\n".encode())
    configuration = shipped.configuration(
        directory=directory.path,
        user=plan.user,
        port=plan.port,
        ws_port=plan.ws_port,
        bind=plan.bind,
        is_fleet=plan.is_fleet,
        is_public=plan.certificate is not None,
    )
    write_atomically(directory.configuration, configuration.encode(), mode=0o644)
    if plan.is_fleet:
        rules = shipped.rules(plan.decisions.namespace)
        write_atomically(directory.fleet_rules, rules.encode())
    else:
        write_atomically(directory.member_rules, b"")
    write_atomically(directory.passwords, b"")
    give_to_broker(directory, user)
    # Last but for the members, because it is what makes the directory a broker's.
    write_atomically(directory.members, Members().text().encode())
    write_atomically(directory.decisions, plan.decisions.text().encode(), mode=0o644)
    directory.write_members(Members())


def write_owner(
    directory: BrokerDirectory, owner: SigningKey, decisions: BrokerDecisions, *, keeps_key: bool
) -> None:
    """Write the owner's public key and first state, and the private key if it is kept here."""
    if keeps_key:
        write_atomically(directory.owner_key, f"{owner.secret_text()}\n".encode())
    write_atomically(directory.owner_public, f"{owner.public}\n".encode(), mode=0o644)
    state = first_state(owner, decisions.namespace)
    write_atomically(directory.owner_state, state, mode=0o644)


def _write_certificates(directory: BrokerDirectory, plan: Plan) -> None:
    server = plan.certificate
    if server is None:
        now = datetime.now(UTC)
        ours = authority.create_authority(now=now)
        hosts = hosts_of(plan.decisions.addresses)
        server = authority.issue_server_certificate(ours, hosts, now=now)
        write_atomically(directory.ca_certificate, ours.certificate, mode=0o644)
        write_atomically(directory.ca_key, ours.key)
    write_atomically(directory.server_certificate, server.certificate, mode=0o644)
    write_atomically(directory.server_key, server.key)


def _check_empty(directory: BrokerDirectory) -> None:
    path = directory.path
    if directory.decisions.exists():
        raise SetupError(
            f"{path} is already a broker's directory",
            "add to it with mqcam-broker add-device and add-viewer, or give another --dir",
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SetupError(
            f"{path} is not an empty directory",
            "give another one with --dir, or empty it if an earlier init was interrupted",
        )


def _check_own(path: Path) -> None:
    """Raise SetupError where somebody else could put other files in the place of ours."""
    if not path.exists():
        return
    status = path.stat()
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & stat.S_IWOTH:
        raise SetupError(
            f"{path} belongs to another user, or everybody may write there",
            "give a directory that is not there yet, or one of your own (chmod 755)",
        )


def _check_reachable(path: Path, user: pwd.struct_passwd) -> None:
    if user.pw_uid == 0:
        return
    for folder in path.parents:
        if folder.is_dir() and not _may_enter(folder, user):
            raise SetupError(
                f"the user {user.pw_name}, who runs the broker, may not enter {folder}",
                f"give a directory elsewhere, for example --dir {shipped.DEFAULT_DIRECTORY}",
            )


def _clear(directory: BrokerDirectory, *, keep_folder: bool) -> None:
    """Remove what was made; it began with nothing."""
    for path in directory.path.iterdir() if directory.path.is_dir() else ():
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not keep_folder:
        with contextlib.suppress(OSError):
            directory.path.rmdir()


def user_named(name: str) -> pwd.struct_passwd:
    """Return a user of this machine; raise UsageError when we may not set a broker up for it."""
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
