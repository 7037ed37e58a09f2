"""Who is tried out at a broker, what each of them tries to say, and what each may hear.

It must not know connections. The names that are made up here belong to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused
from mqcam.protocol.topics import Kind, Namespace
from mqcam.trust.documents import Grant, read_grant

from mqcam_broker.audit.caller import Account, Door
from mqcam_broker.audit.findings import ANYBODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mqcam.credentials import Credentials

STATUS = "write another's status"
OWNER_STATE = "write the owner's state"
AS_VIEWER = "write as another viewer"
AS_DEVICE = "write as another device"
DEEPER = "write a level deeper"
WILL = "forged will"
OUTSIDE = "read outside mqcam"
LETTER = "a letter of its own"
"""What an account is for; it also shows who can read other people's letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Somebody who has been let in; an outsider has neither kind nor name."""

    door: Door
    account: Account
    kind: str = ""
    name: str = ""
    grant: Grant | None = None

    @property
    def who(self) -> str:
        """Return how findings call the guest."""
        return self.name or ANYBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghosts:
    """Names that nobody has, new for each audit."""

    device: str
    viewer: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One letter that somebody tries to send; ``payload`` tells it from all others."""

    check: str
    topic: str
    payload: bytes = field(default=b"")


def guest_of(door: Door, credentials: Credentials) -> Guest:
    """Return the holder of these credentials."""
    grant = None
    if credentials.grant is not None and credentials.owner is not None:
        try:
            grant = read_grant(
                credentials.grant, owner=credentials.owner, namespace=credentials.namespace
            )
        except DocumentRefused:
            grant = None  # the cameras' business; here it only tells what is worth a note
    return Guest(
        door=door,
        account=Account(name=credentials.username, password=credentials.password),
        kind=credentials.kind,
        name=credentials.name,
        grant=grant,
    )


def filters(topics: Namespace, share: str) -> tuple[str, ...]:
    """Return what an eavesdropper subscribes to."""
    tree = f"{topics.name}/v1"
    return (
        "#",
        "$SYS/#",
        f"{tree}/#",
        f"{tree}/d/+/in/+/+",
        f"{tree}/v/+/in/+/+",
        topics.status_filter(),
        topics.owner_state(),
        f"$share/{share}/{tree}/#",
    )


def trials(
    guest: Guest, everybody: Sequence[Guest], topics: Namespace, ghosts: Ghosts
) -> Iterator[Trial]:
    """Yield what ``guest`` tries to say: all but the last must not come through."""
    session = ghosts.session
    devices = [ghosts.device, *_others("device", guest, everybody)]
    # His own mailbox too: nobody else but a device may write there, and he is sure to hear it.
    viewers = [ghosts.viewer, *_named("viewer", everybody)]
    yield Trial(check=STATUS, topic=topics.status(ghosts.device))
    yield Trial(check=OWNER_STATE, topic=topics.owner_state())
    yield Trial(check=OUTSIDE, topic=outside_topic(ghosts))
    for device in devices:
        topic = topics.to_device(device, ghosts.viewer, session)
        yield Trial(check=AS_VIEWER, topic=topic)
    for viewer in viewers:
        topic = topics.to_viewer(viewer, ghosts.device, session)
        yield Trial(check=AS_DEVICE, topic=topic)
    for topic in letters(guest, everybody, topics, ghosts):
        yield Trial(check=DEEPER, topic=f"{topic}/deeper")
        yield Trial(check=LETTER, topic=topic)


def letters(
    guest: Guest, everybody: Sequence[Guest], topics: Namespace, ghosts: Ghosts
) -> Iterator[str]:
    """Yield topics of letters that ``guest`` may write."""
    if guest.kind == "viewer":
        for device in (ghosts.device, *_others("device", guest, everybody)):
            if guest.grant is None or guest.grant.covers(device):
                yield topics.to_device(device, guest.name, ghosts.session)
    elif guest.kind == "device":
        for viewer in (ghosts.viewer, *_others("viewer", guest, everybody)):
            yield topics.to_viewer(viewer, guest.name, ghosts.session)


def outside_topic(ghosts: Ghosts) -> str:
    """Return a topic that is not mqcam's and nobody's: who hears it hears whatever is said."""
    return f"{ghosts.device}/outside"


def will_topic(guest: Guest, topics: Namespace, ghosts: Ghosts) -> str:
    """Return where a forged will is sure to be heard: in the guest's own mailbox."""
    if guest.kind == "viewer":
        return topics.to_viewer(guest.name, ghosts.device, ghosts.session)
    if guest.kind == "device":
        return topics.to_device(guest.name, ghosts.viewer, ghosts.session)
    return topics.status(ghosts.device)


def may_hear(guest: Guest, topic: str, topics: Namespace) -> bool:
    """Tell whether a letter on ``topic`` is meant for ``guest``."""
    place = topics.parse(topic)
    if place is None or not guest.kind:
        return False
    if place.kind is Kind.TO_DEVICE:
        return guest.kind == "device" and place.device == guest.name
    if place.kind is Kind.TO_VIEWER:
        return guest.kind == "viewer" and place.viewer == guest.name
    return True


def _named(kind: str, guests: Iterable[Guest]) -> Iterator[str]:
    return (guest.name for guest in guests if guest.kind == kind)


def _others(kind: str, guest: Guest, everybody: Iterable[Guest]) -> Iterator[str]:
    return (name for name in _named(kind, everybody) if name != guest.name)
