"""A directory for members of a broker that is already there, and what its owner is to paste.

It must not know the command line. Nothing of that broker is touched, or even looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.files import write_atomically
from mqcam.trust.keys import SigningKey

from mqcam_broker.changes.creation import new_folder, user_named, write_owner
from mqcam_broker.folder.members import Members
from mqcam_broker.folder.ownerkey import read_owner_key
from mqcam_broker.folder.passwords import new_password

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mqcam_broker.folder.directory import BrokerDirectory
    from mqcam_broker.folder.settings import BrokerDecisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What is known about the broker that is already there."""

    decisions: BrokerDecisions
    user: str
    """Who the files belong to: whoever keeps this directory."""
    ca: bytes | None = None
    """The certificates (PEM) that vouch for it; None: those that every system knows."""
    shared_password: str | None = field(default=None, repr=False)
    owner_key: Path | None = None


def adopt(directory: BrokerDirectory, adoption: Adoption) -> None:
    """Make the directory; raise SetupError, leaving nothing, when it is not empty."""
    user = user_named(adoption.user)
    owner = read_owner_key(adoption.owner_key) if adoption.owner_key else SigningKey.generate()
    with new_folder(directory, user):
        _fill(directory, adoption, owner)


def _fill(directory: BrokerDirectory, adoption: Adoption, owner: SigningKey) -> None:
    directory.state.mkdir(mode=0o700)
    write_owner(directory, owner, adoption.decisions, keeps_key=adoption.owner_key is None)
    password = adoption.shared_password or new_password()
    write_atomically(directory.owner_password, f"{password}\n".encode())
    if adoption.ca is not None:
        write_atomically(directory.ca_certificate, adoption.ca, mode=0o644)
    for path in (directory.member_rules, directory.passwords):
        write_atomically(path, b"")
    write_atomically(directory.members, Members().text().encode())
    write_atomically(directory.decisions, adoption.decisions.text().encode(), mode=0o644)
    directory.write_members(Members())


_CAREFUL = """\
# For somebody else's mosquitto. No line holds a password or a key: those of users are hashes.
#
# CAREFUL: what stands in mosquitto.conf counts for everybody at that broker, not for mqcam alone.
# Keep a copy of its files, and look afterwards whether everything else there still works.
#
# 1. mosquitto.conf. These two are needed, if they are not there already:
#password_file /etc/mosquitto/passwd
#acl_file /etc/mosquitto/acl
# An acl_file where there was none forbids EVERYBODY ELSE whatever it does not allow: give each user
# that is there already its own rules in it first, for example 'user NAME' and 'topic readwrite #',
# and begin the file with 'topic readwrite #' if programs come in without a password. Whoever may do
# that sees who watches whom and can disturb it; pictures and addresses stay unseen.
# mqcam wants nobody without a password there, but works beside them:
#allow_anonymous false
# shuts out every program that logs in without one. Leave it away if you are not sure.
# A max_packet_size, if there is one, must be 65536 or more; if there is none, add none.
# Messages are 40 ms faster, for everybody, with:
#set_tcp_nodelay true"""


def lines_to_paste(directory: BrokerDirectory) -> Iterator[str]:
    """Yield what somebody else's mosquitto needs, as it is written in its files: no secrets."""
    decisions = directory.read_decisions()
    if decisions.shared_user is not None:
        yield "# For somebody else's mosquitto, which needs nothing new: everybody comes in as"
        yield f"# {decisions.shared_user}, who is there already. Only if it has an acl_file that"
        yield "# forbids that user something, add there (and never an acl_file where none was: it"
        yield "# would shut everybody else out):"
        yield f"user {decisions.shared_user}"
        yield f"topic readwrite {decisions.namespace}/v1/#"
        return
    yield from _CAREFUL.splitlines()
    yield ""
    yield "# 2. Into the file that password_file names; take the lines of removed members out:"
    yield from directory.passwords.read_text("utf-8").splitlines()
    yield ""
    yield "# 3. At the end of the file that acl_file names, in place of all that mqcam had there:"
    yield from directory.rules.read_text("utf-8").splitlines()
    yield ""
    yield "# 4. Let it read its files again: sudo systemctl reload mosquitto"
    yield "# After a change of mosquitto.conf itself: sudo systemctl restart mosquitto"


def is_readable_on_the_way(decisions: BrokerDecisions) -> bool:
    """Tell whether somebody between us and the broker can read names and passwords."""
    return any(url.startswith(("mqtt://", "ws://")) for url in decisions.addresses)
