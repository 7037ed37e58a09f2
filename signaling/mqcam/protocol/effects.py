"""What an endpoint asks its shell to do, and the values that name a session and an arrival.

It must not know how an effect is carried out: no effect holds anything but plain values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from mqcam.protocol.messages import Answer, Offer, Pair, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """Name one session: the other side's name, its public key and the session id.

    With the pass-through envelope the public key is the other side's name.
    """

    peer: str
    peer_key: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Carry one message that arrived; ``retained`` is MQTT's retain flag on arrival."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Publish this; the broker may forget it after ``ttl_s`` seconds."""

    topic: str
    payload: bytes
    retain: bool
    ttl_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Build a peer for this offer (device); at most once per session.

    ``replaces`` is the running session that the endpoint ends when this one is connected,
    ``rights`` what the viewer may do.
    """

    key: SessionKey
    offer: Offer
    replaces: SessionKey | None
    rights: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Apply this answer (viewer); at most once per session."""

    key: SessionKey
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCandidates:
    """Hand these candidates to the connection, in this order.

    Never comes before ``Answered`` at the viewer and before ``answered()`` at the device.
    """

    key: SessionKey
    candidates: tuple[str, ...]
    ufrag: str
    end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Close the peer of this session; ``text`` is a sentence for a person.

    Comes for every end that the shell did not itself report, never after one that it did.
    """

    key: SessionKey
    code: str
    text: str
    remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """Use ``new`` wherever ``old`` was used: the offer goes out again under a new session id."""

    old: SessionKey
    new: SessionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """Show this status (viewer); ``gone`` if the device may not be there any more."""

    device: str
    status: Status | None
    gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRefused:
    """Warn of a status that its device did not write, or that nobody vouches for (viewer)."""

    device: str
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRequested:
    """Judge a request to be let in (device) and answer it with ``reply_to_pair``.

    ``seal_key`` is what a reply is sealed to, ``re`` the hash of the request's body.
    """

    key: SessionKey
    seal_key: str
    re: str
    pair: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Count a message, or a part of one, that was not obeyed; ``text`` holds no secret."""

    topic: str
    code: str
    text: str


Effect: TypeAlias = (
    Send
    | Started
    | Answered
    | RemoteCandidates
    | Ended
    | Renamed
    | StatusChanged
    | StatusRefused
    | PairRequested
    | Reject
)
