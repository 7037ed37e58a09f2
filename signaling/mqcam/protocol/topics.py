"""Build and read the topics of the wire: who writes what to whom.

It must not know what a message on a topic means.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import Enum

from mqcam.errors import LocalProtocolError

DEFAULT_NAMESPACE = "mqcam"
SESSION_BYTES = 16
CLIENT_ID_BYTES = 16

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WIRE = "v1"


class Kind(Enum):
    """Tell the four kinds of topic apart."""

    STATUS = "status"
    TO_DEVICE = "to-device"
    TO_VIEWER = "to-viewer"
    OWNER_STATE = "owner-state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Hold the names in a topic; those that its kind does not have are empty."""

    kind: Kind
    device: str = ""
    viewer: str = ""
    session: str = ""


def is_id(text: str) -> bool:
    """Tell whether ``text`` may be a name or a session id."""
    return _ID.fullmatch(text) is not None


def new_session_id(random_bytes: bytes) -> str:
    """Return a session id made of 16 random bytes; raise LocalProtocolError for another count."""
    if len(random_bytes) != SESSION_BYTES:
        raise LocalProtocolError(f"a session id is made of {SESSION_BYTES} random bytes")
    return _base64url(random_bytes)


def new_client_id(name: str, random_bytes: bytes) -> str:
    """Return an MQTT client id: the name, a dash and 16 random bytes.

    Raises LocalProtocolError for a name that is no id or another count of bytes.
    """
    if not is_id(name) or len(random_bytes) != CLIENT_ID_BYTES:
        raise LocalProtocolError(f"a client id is made of a name and {CLIENT_ID_BYTES} bytes")
    return f"{name}-{_base64url(random_bytes)}"


@dataclass(frozen=True, slots=True)
class Namespace:
    """Build and read the topics below one namespace."""

    name: str = DEFAULT_NAMESPACE

    def __post_init__(self) -> None:
        _require_id("namespace", self.name)

    def status(self, device: str) -> str:
        """Return the retained topic on which ``device`` says how it is."""
        return f"{self.name}/{_WIRE}/d/{_require_id('device', device)}/status"

    def status_filter(self) -> str:
        """Return the filter for the statuses of all devices."""
        return f"{self.name}/{_WIRE}/d/+/status"

    def to_device(self, device: str, viewer: str, session: str) -> str:
        """Return the topic of a session from ``viewer`` to ``device``."""
        return f"{self.name}/{_WIRE}/d/{_mailbox(device, viewer, session)}"

    def to_viewer(self, viewer: str, device: str, session: str) -> str:
        """Return the topic of a session from ``device`` to ``viewer``."""
        return f"{self.name}/{_WIRE}/v/{_mailbox(viewer, device, session)}"

    def owner_state(self) -> str:
        """Return the retained topic of the owner's revocations and moves."""
        return f"{self.name}/{_WIRE}/owner/state"

    def device_filter(self, device: str) -> str:
        """Return the filter for everything that viewers write to ``device``."""
        return f"{self.name}/{_WIRE}/d/{_require_id('device', device)}/in/+/+"

    def viewer_filter(self, viewer: str) -> str:
        """Return the filter for everything that devices write to ``viewer``."""
        return f"{self.name}/{_WIRE}/v/{_require_id('viewer', viewer)}/in/+/+"

    def parse(self, topic: str) -> Topic | None:
        """Return the names in ``topic``, or None if it is none of ours."""
        levels = topic.split("/")
        match levels:
            case [self.name, "v1", "owner", "state"]:
                return Topic(kind=Kind.OWNER_STATE)
            case [self.name, "v1", "d", device, "status"]:
                names = Topic(kind=Kind.STATUS, device=device)
            case [self.name, "v1", "d", device, "in", viewer, session]:
                names = Topic(kind=Kind.TO_DEVICE, device=device, viewer=viewer, session=session)
            case [self.name, "v1", "v", viewer, "in", device, session]:
                names = Topic(kind=Kind.TO_VIEWER, device=device, viewer=viewer, session=session)
            case _:
                return None
        return names if all(map(is_id, levels)) else None


def _mailbox(reader: str, writer: str, session: str) -> str:
    _require_id("reader", reader)
    _require_id("writer", writer)
    return f"{reader}/in/{writer}/{_require_id('session', session)}"


def _require_id(what: str, text: str) -> str:
    if not is_id(text):
        raise LocalProtocolError(f"{what} must be 1 to 64 of A-Z a-z 0-9 _ -, not {text!r}")
    return text


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
