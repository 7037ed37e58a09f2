"""What every arrival passes before an endpoint looks at it: topic, size, rate, envelope, JSON.

It must not know sessions: it says who wrote what, or why that is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.errors import MalformedMessage, Unauthentic, UnsupportedVersion
from mqcam.protocol.bucket import Buckets
from mqcam.protocol.codes import Drop
from mqcam.protocol.messages import PAYLOAD_MAX_BYTES, Gone, Message, decode, is_gone
from mqcam.protocol.topics import Kind, Namespace, Topic

if TYPE_CHECKING:
    from mqcam.protocol.effects import Inbound
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Hold what a proven sender wrote; ``key`` is empty for the unsigned `Gone`."""

    names: Topic
    key: str
    body: bytes
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Say why an arrival is not looked at.

    ``names`` is there if the topic is ours, ``key`` if the sender is proven, ``received`` if
    its wire version is the reason.
    """

    code: Drop
    text: str
    names: Topic | None = None
    key: str = ""
    received: int | None = None


class Inbox:
    """Open what arrives for one device or one viewer."""

    def __init__(
        self, *, namespace: Namespace, own: Kind, name: str, envelope: Envelope, limits: Limits
    ) -> None:
        self._namespace = namespace
        self._own = own
        self._name = name
        self._envelope = envelope
        self._buckets = Buckets(
            burst=limits.bucket_burst, per_s=limits.bucket_per_s, names_max=limits.bucket_names
        )

    def take(self, inbound: Inbound, now: float) -> Arrival | Refusal:
        """Return what arrived, opened and decoded, or why not."""
        names = self._namespace.parse(inbound.topic)
        if names is None or not self._is_ours(names):
            return Refusal(code=Drop.WRONG_TOPIC, text="the topic is not ours to read")
        if inbound.retained and names.kind is not Kind.STATUS:
            return Refusal(code=Drop.RETAINED, text="a mailbox holds no retained messages")
        if len(inbound.payload) > PAYLOAD_MAX_BYTES:
            size = len(inbound.payload)
            return Refusal(code=Drop.TOO_LARGE, text=f"{size} bytes are too large", names=names)
        sender = names.viewer if names.kind is Kind.TO_DEVICE else names.device
        if not self._buckets.take(sender, now):
            return Refusal(code=Drop.THROTTLED, text=f"{sender} sends too much")
        if is_gone(inbound.payload):
            return Arrival(names=names, key="", body=inbound.payload, message=Gone())
        return self._open(inbound, names)

    def _is_ours(self, names: Topic) -> bool:
        if names.kind is Kind.STATUS:
            return self._own is Kind.TO_VIEWER or names.device == self._name
        reader = names.device if names.kind is Kind.TO_DEVICE else names.viewer
        return names.kind is self._own and reader == self._name

    def _open(self, inbound: Inbound, names: Topic) -> Arrival | Refusal:
        try:
            opened = self._envelope.open(inbound.topic, inbound.payload)
        except Unauthentic as error:
            return Refusal(code=Drop.UNAUTHENTIC, text=error.text, names=names)
        try:
            message = decode(opened.body)
        except MalformedMessage as error:
            return Refusal(code=Drop.MALFORMED, text=error.text, names=names, key=opened.key)
        except UnsupportedVersion as error:
            return Refusal(
                code=Drop.UNSUPPORTED_VERSION,
                text=error.text,
                names=names,
                key=opened.key,
                received=error.theirs,
            )
        if isinstance(message, Gone):
            return Refusal(code=Drop.UNEXPECTED, text="gone is never signed", names=names)
        return Arrival(names=names, key=opened.key, body=opened.body, message=message)
