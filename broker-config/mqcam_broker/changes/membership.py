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

from mqcam_broker.folder.members import Member
from mqcam_broker.folder.names import check_name
from mqcam_broker.folder.passwords import new_password, password_hash
from mqcam_broker.mosquitto.process import Reload, reload_broker
from mqcam_broker.owner.decree import read_state, revoke
from mqcam_broker.owner.publication import Publication, publish_state
from mqcam_broker.relay.turn import RelayAccess, TurnFiles

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam.credentials import Kind

    from mqcam_broker.folder.directory import BrokerDirectory
    from mqcam_broker.folder.members import Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who is to be let in, and as what; the last three are for viewers only."""

    kind: Kind
    name: str
    output: Path
    is_replacement: bool = False
    """The name is taken, on purpose: it gets a new key and password, and loses the old ones."""
    public_key: str | None = None
    """The key of somebody who keeps the private half; None makes both."""
    cameras: tuple[str, ...] = ("*",)
    rights: tuple[str, ...] = ("view",)
    expires: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What ``add_member`` made; ``publication`` only if it replaced somebody."""

    file: Path
    credentials: Credentials
    reload: Reload
    publication: Publication | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Who is shut out, and who has heard of it."""

    member: Member
    reload: Reload
    publication: Publication


def add_member(
    directory: BrokerDirectory, admission: Admission, *, owner_key: Path | None = None
) -> Added:
    """Let somebody in and write the credentials file.

    Raises UsageError for an impossible name, SetupError for a taken name or an existing file,
    CredentialsError for an owner's key that cannot be used.
    """
    output = admission.output
    check_name(admission.name, what=f"the name of a {admission.kind}")
    with directory.locked():
        members = directory.read_members()
        former = _former(members, admission)
        check_new(output)
        owner = directory.read_owner_key(owner_key)
        member, credentials = _introduce(directory, admission, owner)
        # The file first: a password that reached the broker but no file would help nobody.
        write_credentials(output, credentials, owner=caller())
        try:
            if former is not None:
                revoke(directory, owner, former.serial)
            directory.write_members(members.replacing(member))
        except BaseException:
            output.unlink(missing_ok=True)
            raise
    return Added(
        file=output,
        credentials=credentials,
        reload=reload_broker(directory),
        publication=publish_state(directory) if former is not None else None,
    )


def remove_member(
    directory: BrokerDirectory, name: str, *, owner_key: Path | None = None
) -> Removed:
    """Shut ``name`` out: the broker ends its connection, the owner revokes what was signed for it.

    Raises UsageError if unknown, CredentialsError for an owner's key that cannot be used.
    """
    with directory.locked():
        members = directory.read_members()
        member = members.by_name.get(name)
        if member is None:
            directory.refresh(members)
        else:
            owner = directory.read_owner_key(owner_key)
            # The revocation first: if we are interrupted, the member is still there to be removed.
            revoke(directory, owner, member.serial)
            directory.write_members(members.without(name))
    # Also for who is there no longer: an earlier removal may have ended before this.
    reload, publication = reload_broker(directory), publish_state(directory)
    return Removed(member=members.find(name), reload=reload, publication=publication)


def read_members(directory: BrokerDirectory) -> Members:
    """Return the members, and see to it that the broker's passwords and rules say the same."""
    with directory.locked():
        members = directory.read_members()
        directory.refresh(members)
    return members


def _former(members: Members, admission: Admission) -> Member | None:
    """Return who is replaced; raise what is wrong about the name."""
    if not admission.is_replacement:
        members.check_free(admission.name)
        return None
    former = members.find(admission.name)
    if former.kind != admission.kind:
        members.check_free(admission.name)
    return former


def _introduce(
    directory: BrokerDirectory, admission: Admission, owner: SigningKey
) -> tuple[Member, Credentials]:
    """Make what the broker remembers of somebody, and what this somebody gets."""
    decisions = directory.read_decisions()
    identity = SigningKey.generate() if admission.public_key is None else None
    key = identity.public if identity is not None else str(admission.public_key)
    serial, is_shared = new_serial(secrets.token_bytes(SERIAL_BYTES)), decisions.shared_user
    password = directory.read_owner_password() if is_shared else new_password()
    is_device = admission.kind == "device"
    relay = TurnFiles(directory).access() if is_device else RelayAccess()
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
    secret = identity.secret_text() if identity is not None else None
    document = document_of(member).issue(owner, decisions.namespace)
    credentials = credentials_for(
        directory, member, document, password=password, identity=secret, relay=relay
    )
    return member, credentials


def credentials_for(
    directory: BrokerDirectory,
    member: Member,
    document: str,
    *,
    password: str | None,
    identity: str | None,
    relay: RelayAccess,
) -> Credentials:
    """Return the credentials of a member with the ``document`` that the owner signed for it."""
    decisions = directory.read_decisions()
    return Credentials(
        kind=member.kind,
        name=member.name,
        namespace=decisions.namespace,
        broker=decisions.addresses,
        server_name=directory.fixed_name(),
        ca=directory.read_authority(),
        username=decisions.shared_user or member.name,
        password=password,
        identity=identity,
        owner=directory.read_owner(),
        owner_number=read_state(directory).number,
        certificate=document if member.kind == "device" else None,
        grant=document if member.kind == "viewer" else None,
        turn=relay.urls,
        turn_secret=relay.secret,
    )


def document_of(member: Member) -> Certificate | Grant:
    """Return what the owner says of a member."""
    if member.kind == "device":
        return Certificate(name=member.name, key=member.key, serial=member.serial)
    return Grant(
        name=member.name,
        key=member.key,
        serial=member.serial,
        cameras=member.cameras,
        rights=member.rights,
        expires=member.expires,
    )


def check_new(output: Path) -> None:
    """Raise SetupError unless a credentials file can be written there without loss."""
    if output.exists() or output.is_symlink():
        raise SetupError(
            f"{output} exists already and may be somebody's only copy",
            "move it away, or give another file with --output",
        )
    if not output.parent.is_dir():
        raise SetupError(f"there is no folder {output.parent}", "make it, or give another --output")


def caller() -> tuple[int, int] | None:
    """Return user and group of the person who typed sudo: viewers run without it."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and uid.isdecimal() and gid.isdecimal():
        return int(uid), int(gid)
    return None
