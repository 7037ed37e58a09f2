"""Another end for what a viewer was granted, with the key and the password that it has.

It must not know the command line, nor who publishes what was signed.
"""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.credentials import write_credentials
from mqcam.errors import SetupError, UsageError
from mqcam.trust.documents import SERIAL_BYTES, new_serial
from mqcam.trust.keys import SigningKey, is_signing_key

from mqcam_broker.changes.membership import caller, check_new, credentials_for, document_of
from mqcam_broker.owner.decree import revoke
from mqcam_broker.relay.turn import RelayAccess

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam.credentials import Credentials

    from mqcam_broker.folder.directory import BrokerDirectory
    from mqcam_broker.folder.members import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Regranted:
    """The viewer as it is now, and whether what it had before is revoked."""

    member: Member
    is_revoked: bool


def regrant(
    directory: BrokerDirectory,
    name: str,
    *,
    expires: int | None,
    output: Path,
    old: Credentials | None = None,
    owner_key: Path | None = None,
) -> Regranted:
    """Sign a grant that ends at ``expires`` (a Unix second) and write it into ``output``.

    With the ``old`` credentials the file is whole; without it holds no secret. A grant that ends
    later than the new one is revoked. Raises UsageError or SetupError for another viewer's file.
    """
    with directory.locked():
        members = directory.read_members()
        member = members.find(name)
        if member.kind != "viewer":
            raise UsageError(f"{name} is a {member.kind}", "only viewers' grants have an end")
        if old is not None:
            _check_belongs(old, member)
        if old is None or not output.exists():
            check_new(output)
        owner = directory.read_owner_key(owner_key)
        is_shorter = expires is not None and (member.expires is None or expires < member.expires)
        # The longer one would outlive the shorter one: it must go, and with it its serial.
        serial = new_serial(secrets.token_bytes(SERIAL_BYTES)) if is_shorter else member.serial
        renewed = dataclasses.replace(member, expires=expires, serial=serial)
        grant = document_of(renewed).issue(owner, directory.read_decisions().namespace)
        # The file last: a grant whose serial we forgot again could never be revoked.
        if is_shorter:
            revoke(directory, owner, member.serial)
        directory.write_members(members.replacing(renewed))
        credentials = credentials_for(
            directory,
            renewed,
            grant,
            password=old.password if old is not None else None,
            # The public key says that the private one is elsewhere.
            identity=old.identity if old is not None else renewed.key,
            relay=RelayAccess(),
        )
        write_credentials(output, credentials, owner=caller())
    return Regranted(member=renewed, is_revoked=is_shorter)


def _check_belongs(old: Credentials, member: Member) -> None:
    identity = old.identity or member.key
    public = identity if is_signing_key(identity) else SigningKey.parse(identity).public
    if old.kind != member.kind or old.name != member.name or public != member.key:
        raise SetupError(
            f"these credentials are not those of the viewer {member.name}",
            "give the file that it uses, or leave --old out",
        )
