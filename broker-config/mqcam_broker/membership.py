"""Let a device or viewer in, or shut it out: its keys, its file, the running broker.

It must not know the command line: results are values, refusals are errors.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.credentials import Credentials, write_credentials
from mqcam.errors import SetupError
from mqcam.trust.documents import SERIAL_BYTES, Certificate, Grant, new_serial
from mqcam.trust.keys import SigningKey

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
class Admission:
    """Who is to be let in, and as what; the last four are for viewers only."""

    kind: Kind
    name: str
    output: Path
    public_key: str | None = None
    """The key of somebody who keeps the private half; None makes both."""
    cameras: tuple[str, ...] = ("*",)
    rights: tuple[str, ...] = ("view",)
    expires: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What ``add_member`` made."""

    file: Path
    reload: Reload


def add_member(
    directory: BrokerDirectory, admission: Admission, *, owner_key: Path | None = None
) -> Added:
    """Let somebody in and write the credentials file.

    Raises UsageError for an impossible name, SetupError for a taken name or an existing file,
    CredentialsError for an owner's key that cannot be used.
    """
    name, output = admission.name, admission.output
    check_name(name, what=f"the name of a {admission.kind}")
    with directory.locked():
        members = directory.read_members()
        members.check_free(name)
        _check_new(output)
        owner = directory.read_owner_key(owner_key)
        member, credentials = _introduce(directory, admission, owner)
        # The file first: a password that reached the broker but no file would help nobody.
        write_credentials(output, credentials)
        try:
            _give_to_caller(output)
            directory.write_members(members.with_member(member))
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


def _introduce(
    directory: BrokerDirectory, admission: Admission, owner: SigningKey
) -> tuple[Member, Credentials]:
    """Make what the broker remembers of somebody, and what this somebody gets."""
    decisions = directory.read_decisions()
    identity = SigningKey.generate() if admission.public_key is None else None
    key = identity.public if identity is not None else str(admission.public_key)
    serial, password = new_serial(secrets.token_bytes(SERIAL_BYTES)), new_password()
    is_device = admission.kind == "device"
    member = Member(
        kind=admission.kind,
        name=admission.name,
        password_hash=password_hash(password),
        key=key,
        serial=serial,
        cameras=() if is_device else admission.cameras,
        rights=() if is_device else admission.rights,
        expires=None if is_device else admission.expires,
    )
    credentials = Credentials(
        kind=admission.kind,
        name=admission.name,
        namespace=decisions.namespace,
        broker=decisions.addresses,
        server_name=SERVER_NAME,
        ca=directory.ca_certificate.read_text("ascii"),
        username=admission.name,
        password=password,
        identity=identity.secret_text() if identity is not None else None,
        owner=owner.public,
        certificate=_certificate(member).issue(owner, decisions.namespace) if is_device else None,
        grant=None if is_device else _grant(member).issue(owner, decisions.namespace),
    )
    return member, credentials


def _certificate(member: Member) -> Certificate:
    return Certificate(name=member.name, key=member.key, serial=member.serial)


def _grant(member: Member) -> Grant:
    return Grant(
        name=member.name,
        key=member.key,
        serial=member.serial,
        cameras=member.cameras,
        rights=member.rights,
        expires=member.expires,
    )


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
