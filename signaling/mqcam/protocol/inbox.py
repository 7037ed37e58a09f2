"""What every arrival passes before an endpoint looks at it: topic, size, rate, envelope, JSON.

It must not know sessions: it says who wrote what, or why that is not looked at.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.errors import MalformedMessage, Unauthentic, UnsupportedVersion
from mqcam.protocol.bucket import Buckets
from mqcam.protocol.codec import decode, is_gone
from mqcam.protocol.codes import Drop
from mqcam.protocol.messages import PAYLOAD_MAX_BYTES, Gone, Message
from mqcam.protocol.topics import Kind, Namespace, Topic

if TYPE_CHECKING:
    from mqcam.protocol.effects import Inbound
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Hold what a proven sender wrote; ``key`` is empty for the unsigned `Gone`.

    ``seal_key`` is the key to which a reply is sealed.
    """

    names: Topic
    key: str
    body: bytes
    message: Message
    seal_key: str = ""


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
    seal_key: str = ""
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
        # Apart: invented names must not push those with a right into the bucket that many share.
        self._buckets, self._proven_buckets = (
            Buckets(
                burst=limits.bucket_burst, per_s=limits.bucket_per_s, names_max=limits.bucket_names
            )
            for _ in range(2)
        )
        self._doubts = Buckets(burst=limits.doubt_burst, per_s=limits.doubt_per_s, names_max=1)
        self._doubts_by_name = Buckets(
            burst=limits.doubt_name_burst,
            per_s=limits.doubt_name_per_s,
            names_max=limits.bucket_names,
        )
        self._proven: OrderedDict[str, None] = OrderedDict()
        self._proven_max = limits.bucket_names

    def take(self, inbound: Inbound, now: float) -> Arrival | Refusal:
        """Return what arrived, opened and decoded, or why not."""
        names = self._namespace.parse(inbound.topic)
        if names is None or not self._is_ours(names):
            return Refusal(code=Drop.WRONG_TOPIC, text="the topic is not ours to read")
        if inbound.retained and names.kind is not Kind.STATUS:
            return Refusal(code=Drop.RETAINED, text="a mailbox holds no retained messages")
        if len(inbound.payload) > PAYLOAD_MAX_BYTES:
            text = f"{len(inbound.payload)} bytes are too large"
            return Refusal(code=Drop.TOO_LARGE, text=text, names=names)
        flood = self._flood(names, inbound.payload, now)
        if flood:
            return Refusal(code=Drop.THROTTLED, text=flood)
        if is_gone(inbound.payload):
            return Arrival(names=names, key="", body=inbound.payload, message=Gone())
        return self._open(inbound, names)

    def _is_ours(self, names: Topic) -> bool:
        if names.kind is Kind.STATUS:
            return self._own is Kind.TO_VIEWER or names.device == self._name
        reader = names.device if names.kind is Kind.TO_DEVICE else names.viewer
        return names.kind is self._own and reader == self._name

    def prove(self, sender: str) -> None:
        """Note that a sender is one of those who have a right to be here."""
        self._proven[sender] = None
        self._proven.move_to_end(sender)
        if len(self._proven) > self._proven_max:
            self._proven.popitem(last=False)

    def _flood(self, names: Topic, payload: bytes, now: float) -> str:
        """Return who sends more than may be looked at; empty if nobody does."""
        sender = names.viewer if names.kind is Kind.TO_DEVICE else names.device
        is_proven = sender in self._proven
        if not (self._proven_buckets if is_proven else self._buckets).take(sender, now):
            return f"{sender} sends too much"
        if names.kind is not Kind.TO_DEVICE or is_proven or is_gone(payload):
            return ""
        # A signature is checked at a stranger's cost only as long as few strangers come.
        if not self._doubts_by_name.take(sender, now):
            return f"{sender} sends too much for somebody who is not known"
        return "" if self._doubts.take("", now) else "too many senders are not known"

    def _open(self, inbound: Inbound, names: Topic) -> Arrival | Refusal:
        try:
            opened = self._envelope.open(inbound.topic, inbound.payload)
        except Unauthentic as error:
            return Refusal(code=Drop.UNAUTHENTIC, text=error.text, names=names)
        key, seal_key = opened.key, opened.seal_key
        try:
            message = decode(opened.body)
        except MalformedMessage as error:
            code = Drop.MALFORMED
            return Refusal(code=code, text=error.text, names=names, key=key, seal_key=seal_key)
        except UnsupportedVersion as error:
            return Refusal(
                code=Drop.UNSUPPORTED_VERSION,
                text=error.text,
                names=names,
                key=key,
                seal_key=seal_key,
                received=error.theirs,
            )
        if isinstance(message, Gone):
            return Refusal(code=Drop.UNEXPECTED, text="gone is never signed", names=names)
        return Arrival(names=names, key=key, body=opened.body, message=message, seal_key=seal_key)
