"""Somebody with everybody's keys who says again what was said, changed at one place of its making.

It must not know what a receiver does with it. Most of what he writes is signed and sealed as its
author would have done it, so that it reaches the rules behind the cryptography.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused
from mqcam.protocol.effects import Inbound
from mqcam.protocol.topics import Namespace
from mqcam.trust.documents import read_certificate, read_grant
from mqcam.trust.envelope import ViewerEnvelope, sealed, signed
from mqcam.trust.keys import KEY_BYTES, SIGNATURE_BYTES, SealingKey, SigningKey, decode, encode
from mqcam.trust.ownerstate import OwnerState, read_owner_state
from mqcam.trust.signing import Purpose, sign
from support.carried import carried
from support.mutation import change_body, change_bytes, change_topic

if TYPE_CHECKING:
    from random import Random

    from mqcam.protocol.envelope import Opened, Recipient
    from mqcam.trust.envelope import DeviceEnvelope

NAMES = ("cam", "alice", "bob", "mqcam", "v1", "v2", "d", "v", "in", "status", "owner", "state")
DRAFTS_MAX = 48
HEAD_BYTES = 1 + KEY_BYTES + SIGNATURE_BYTES


class NullKey(SealingKey):
    """A point of low order: nothing can be sealed to it (RFC 9180, section 7.1.4)."""

    def __init__(self) -> None:
        self.public_bytes = bytes(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class Draft:
    """A body as its author was about to sign it; without ``recipient`` it is a status."""

    author: SigningKey
    topic: str
    body: bytes
    recipient: Recipient | None
    reply_key: SealingKey

    def written(self) -> bytes:
        """Return the payload."""
        if self.recipient is None:
            return signed(self.author, Purpose.STATUS, self.topic, self.body)
        return sealed(self.author, self.topic, self.body, self.recipient, reply_key=self.reply_key)


class ListeningEnvelope:
    """An envelope that shows what goes through it before it is signed."""

    def __init__(self, inner: DeviceEnvelope | ViewerEnvelope, forger: Forger) -> None:
        self._inner = inner
        self._forger = forger

    def open(self, topic: str, payload: bytes) -> Opened:
        return self._inner.open(topic, payload)

    def seal(self, topic: str, body: bytes, recipient: Recipient | None) -> bytes:
        payload = self._inner.seal(topic, body, recipient)
        keys = self._inner._sealing
        levels = topic.split("/")
        reply_key = keys if isinstance(keys, SealingKey) else keys[levels[3], levels[-1]]
        draft = Draft(self._inner._identity, topic, body, recipient, reply_key)
        self._forger.overhear(draft)
        return payload

    def forget(self, topic: str) -> None:
        self._inner.forget(topic)
        if isinstance(self._inner, ViewerEnvelope):
            self._forger.forget(topic.rpartition("/")[2])


class Forger:
    """Makes wrong messages of the last real ones, and wrong documents of the owner's."""

    def __init__(self, random: Random, *, namespace: str, owner: SigningKey) -> None:
        self.drafts: deque[Draft] = deque(maxlen=DRAFTS_MAX)
        self.carried: set[str] = set()
        """The fields that the drafts held so far, see ``support.carried``."""
        self.authors: tuple[SigningKey, ...] = ()
        self.documents: dict[Purpose, tuple[str, str, SigningKey]] = {}
        """For each kind the text of a good one, its place and its holder."""
        self._random = random
        self._namespace = namespace
        self._owner = owner
        self._state = OwnerState(
            number=3, revoked=("AAAAAAAA",), brokers=("mqtts://b:8883",), ca="a certificate"
        )

    def overhear(self, draft: Draft) -> None:
        """Take note of what somebody is about to sign."""
        self.drafts.append(draft)
        self.carried |= carried(draft.body)

    def message(self) -> Inbound:
        """Return something that was once said, with one thing wrong."""
        random = self._random
        draft, other = self._recent(), self._recent()
        chance = random.random()
        if chance < 0.8:
            draft = self._remade(draft, other)
        payload, topic = draft.written(), draft.topic
        if chance > 0.9:
            payload = change_bytes(random, payload, other.body)
        elif chance > 0.87:
            topic = change_topic(random, topic, NAMES)
        # between them a replay, of which only the ciphertext is new
        return Inbound(topic=topic, payload=payload, retained=random.random() < 0.02)

    def forget(self, session: str) -> None:
        """Leave out most of what was said to a viewer in a session: its key is gone."""
        for draft in tuple(self.drafts):
            is_to_viewer = "/v/" in draft.topic and draft.topic.endswith(session)
            if is_to_viewer and self._random.random() < 0.9:
                self.drafts.remove(draft)

    def _recent(self) -> Draft:
        """Return one of the drafts, most often of the last."""
        return self.drafts[-1 - int(self._random.random() ** 2 * len(self.drafts))]

    def _remade(self, draft: Draft, other: Draft) -> Draft:
        """Return a draft with one part exchanged before it is signed, most often its body."""
        random = self._random
        match random.randrange(16):
            case 0:
                stranger = SigningKey(random.randbytes(KEY_BYTES))
                return replace(draft, author=random.choice((*self.authors, stranger)))
            case 1:
                return replace(draft, topic=change_topic(random, draft.topic, NAMES))
            case 2:
                return replace(draft, topic=other.topic)
            case 3:
                return replace(draft, recipient=other.recipient)
            case 4:
                keys = (NullKey(), SealingKey.generate(), other.reply_key)
                return replace(draft, reply_key=random.choice(keys))
        return replace(draft, body=self._changed(draft.body, other.body))

    def _changed(self, body: bytes, other: bytes) -> bytes:
        """Return a wrong body; of an offer sometimes a good one with a wrong grant."""
        good = self.documents[Purpose.GRANT][0].encode()
        if good in body and self._random.random() < 0.2:
            wrong = json.dumps(self._wrong_text(Purpose.GRANT))[1:-1].encode()
            return body.replace(good, wrong)
        return change_body(self._random, body, other)

    def document(self) -> str:
        """Read a wrong document; return why it was refused, empty if it was not."""
        purpose = self._random.choice((Purpose.CERTIFICATE, Purpose.GRANT, Purpose.OWNER_STATE))
        owner = self._owner.public
        try:
            if purpose is Purpose.OWNER_STATE:
                topic = Namespace(self._namespace).owner_state()
                read_owner_state(self._wrong_state(topic), topic, owner=owner)
            elif purpose is Purpose.GRANT:
                read_grant(self._wrong_text(purpose), owner=owner, namespace=self._namespace)
            else:
                read_certificate(self._wrong_text(purpose), owner=owner, namespace=self._namespace)
        except DocumentRefused as error:
            return error.code
        return ""

    def _wrong_state(self, topic: str) -> bytes:
        random = self._random
        payload = self._state.issue(self._owner, topic)
        if random.random() < 0.2:
            return change_bytes(random, payload, payload)
        body = change_body(random, payload[HEAD_BYTES:], payload)
        return signed(self._owner, Purpose.OWNER_STATE, topic, body)

    def _wrong_text(self, purpose: Purpose) -> str:
        random = self._random
        text, place, holder = self.documents[purpose]
        if random.random() < 0.2:
            return change_bytes(random, text.encode(), text.encode()).decode("latin-1")
        body = change_body(random, decode(text.partition(".")[0]), b"{}")
        recipient = holder.public_bytes
        signature = sign(self._owner, purpose, topic=place, body=body, recipient=recipient)
        return f"{encode(body)}.{encode(signature)}"
