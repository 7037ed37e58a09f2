"""Let a device or viewer in, or shut it out: its password, its file, the running broker.

It must not know the command line: results are values, refusals are errors.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.credentials import Credentials, write_credentials
from mqcam.errors import SetupError

from mqcam_broker.authority import SERVER_NAME
from mqcam_broker.members import Member
from mqcam_broker.names import check_name
from mqcam_broker.passwords import new_password, password_hash
from mqcam_broker.process import Reload, reload_broker

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam.credentials import Kind

    from mqcam_broker.directory import BrokerDirectory
    from mqcam_broker.members import Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What ``add_member`` made."""

    file: Path
    reload: Reload


def add_member(directory: BrokerDirectory, kind: Kind, name: str, *, output: Path) -> Added:
    """Let ``name`` in and write its credentials file ``output``.

    Raises UsageError for an impossible name, SetupError for a taken name or an existing file.
    """
    check_name(name, what=f"the name of a {kind}")
    with directory.locked():
        decisions = directory.read_decisions()
        members = directory.read_members()
        members.check_free(name)
        _check_new(output)
        password = new_password()
        credentials = Credentials(
            kind=kind,
            name=name,
            namespace=decisions.namespace,
            broker=decisions.addresses,
            server_name=SERVER_NAME,
            ca=directory.ca_certificate.read_text("ascii"),
            username=name,
            password=password,
        )
        # The file first: a password that reached the broker but no file would help nobody.
        write_credentials(output, credentials)
        try:
            _give_to_caller(output)
            directory.write_members(
                members.with_member(
                    Member(kind=kind, name=name, password_hash=password_hash(password))
                )
            )
        except BaseException:
            output.unlink(missing_ok=True)
            raise
    return Added(file=output, reload=reload_broker(directory))


def remove_member(directory: BrokerDirectory, name: str) -> tuple[Member, Reload]:
    """Shut ``name`` out; the running broker ends its connection. Raises UsageError if unknown."""
    with directory.locked():
        members = directory.read_members()
        remaining = members.without(name)
        directory.write_members(remaining)
    return members.by_name[name], reload_broker(directory)


def read_members(directory: BrokerDirectory) -> Members:
    """Return the members, and see to it that the broker's password file says the same."""
    with directory.locked():
        members = directory.read_members()
        directory.refresh_passwords(members)
        directory.close_rules()
    return members


def _check_new(output: Path) -> None:
    if output.exists() or output.is_symlink():
        raise SetupError(
            f"{output} exists already and may be somebody's only copy",
            "move it away, or give another file with --output",
        )
    if not output.parent.is_dir():
        raise SetupError(f"there is no folder {output.parent}", "make it, or give another --output")


def _give_to_caller(output: Path) -> None:
    """Hand a file that sudo made to the person who typed sudo: viewers run without it."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and uid.isdecimal() and gid.isdecimal():
        os.chown(output, int(uid), int(gid))
