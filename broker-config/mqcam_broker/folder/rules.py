"""Who may write and read which topic, user by user: the rules that are made from the members.

It must not know where they are written. They hold for exactly these members: whoever changes one
makes the rules anew. ``fleet.acl`` says the same for all users at once, without the cameras of each
viewer.
"""

from __future__ import annotations

from fnmatch import filter as matching
from typing import TYPE_CHECKING

from mqcam.protocol.topics import Namespace

from mqcam_broker.folder.names import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mqcam_broker.folder.members import Member, Members

ANY = "+"
EVERY_CAMERA = "*"

_HEADER = (
    "# Written by mqcam-broker from members at every change: edits are lost. mosquitto forbids\n"
    "# whatever no line allows.\n"
)


def member_rules(members: Members, namespace: str) -> str:
    """Return the rules as mosquitto's ``acl_file`` wants them."""
    topics = Namespace(namespace)
    devices = [member.name for member in members.of_kind("device")]
    blocks = [_user(OWNER, [f"readwrite {topics.owner_state()}"])]
    for member in members.by_name.values():
        if member.kind == "device":
            rights = _device_rights(topics, member.name)
        else:
            rights = _viewer_rights(topics, member, devices)
        blocks.append(_user(member.name, (*rights, f"read {topics.owner_state()}")))
    return _HEADER + "".join(blocks)


def _device_rights(topics: Namespace, name: str) -> Iterator[str]:
    # It reads its own status too: that is how two agents with one identity find out.
    yield f"readwrite {topics.status(name)}"
    yield f"read {topics.device_filter(name)}"
    yield f"write {topics.name}/v1/v/{ANY}/in/{name}/{ANY}"


def _viewer_rights(topics: Namespace, viewer: Member, devices: Sequence[str]) -> Iterator[str]:
    yield f"read {topics.viewer_filter(viewer.name)}"
    covered = sorted({name for pattern in viewer.cameras for name in matching(devices, pattern)})
    if EVERY_CAMERA not in viewer.cameras and 2 * len(covered) <= len(devices):
        for camera in covered:
            yield f"read {topics.name}/v1/d/{camera}/status"
            yield f"write {topics.name}/v1/d/{camera}/in/{viewer.name}/{ANY}"
        return
    # Most of them: all but the others, who are fewer. mosquitto looks at what is denied first.
    # Its time to load grows with the square of what is allowed (2.0.11 walks the list for each).
    yield f"read {topics.name}/v1/d/{ANY}/status"
    yield f"write {topics.name}/v1/d/{ANY}/in/{viewer.name}/{ANY}"
    for camera in sorted({*devices}.difference(covered)):
        yield f"deny {topics.name}/v1/d/{camera}/status"
        yield f"deny {topics.name}/v1/d/{camera}/in/{viewer.name}/{ANY}"


def _user(name: str, rights: Iterable[str]) -> str:
    return f"\nuser {name}\n" + "".join(f"topic {right}\n" for right in rights)
