"""How bodies travel: signed for all, or signed and sealed for one reader.

It must not know sessions' rules, nor whose key is to be believed: it proves who wrote what.

    signed   0x01, signer (32), signature (64), body
    sealed   0x02, HPKE of: signer (32), reply key (32), signature (64), body

HPKE is RFC 9180, base mode, X25519, HKDF-SHA256, AES-128-GCM: encapsulated key (32), ciphertext.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from mqcam.errors import KeyUnusable, LocalProtocolError, Unauthentic
from mqcam.protocol.envelope import Opened
from mqcam.protocol.topics import Kind, Namespace
from mqcam.trust.keys import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    SealingKey,
    sealing_key,
    sealing_key_text,
    signing_key_bytes,
    signing_key_text,
)
from mqcam.trust.signing import Purpose, is_valid, sign

if TYPE_CHECKING:
    from mqcam.protocol.envelope import Recipient
    from mqcam.protocol.topics import Topic
    from mqcam.trust.keys import SigningKey

SIGNED = 0x01
SEALED = 0x02
SESSION_KEYS_MAX = 1024
"""A viewer's sealing keys at one time; beyond it the oldest session can no longer be read."""

_SIGNED_HEAD = 1 + KEY_BYTES + SIGNATURE_BYTES
_INNER_HEAD = 2 * KEY_BYTES + SIGNATURE_BYTES
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
_TAG_BYTES = 16


class DeviceEnvelope:
    """A device's envelope: one sealing key for as long as the program runs."""

    def __init__(self, identity: SigningKey, namespace: str) -> None:
        self._identity = identity
        self._namespace = Namespace(namespace)
        self._sealing = SealingKey.generate()

    @property
    def seal_key(self) -> str:
        """Return the public key that the status announces."""
        return self._sealing.public

    def open(self, topic: str, payload: bytes) -> Opened:
        """Return what a viewer wrote to us, or what stands as our status; raise Unauthentic."""
        if _names(self._namespace, topic).kind is Kind.STATUS:
            return open_signed(payload, topic, Purpose.STATUS)
        return open_sealed(payload, topic, self._sealing, reader=self._identity)

    def seal(self, topic: str, body: bytes, recipient: Recipient | None) -> bytes:
        """Return the payload for one viewer, or, without ``recipient``, the status."""
        if recipient is None:
            return signed(self._identity, Purpose.STATUS, topic, body)
        return sealed(self._identity, topic, body, recipient, reply_key=self._sealing)

    def forget(self, topic: str) -> None:
        """Keep the key: all viewers seal to it."""


class ViewerEnvelope:
    """A viewer's envelope: a sealing key of its own for every session, forgotten with it."""

    def __init__(self, identity: SigningKey, namespace: str) -> None:
        self._identity = identity
        self._namespace = Namespace(namespace)
        # By device too: a message under a name that was never written to is not even decrypted.
        self._sealing: OrderedDict[tuple[str, str], SealingKey] = OrderedDict()

    def open(self, topic: str, payload: bytes) -> Opened:
        """Return what a device wrote to us or announces; raise Unauthentic."""
        names = _names(self._namespace, topic)
        if names.kind is Kind.STATUS:
            return open_signed(payload, topic, Purpose.STATUS)
        sealing = self._sealing.get((names.device, names.session))
        if sealing is None:
            raise Unauthentic("the message belongs to no session that runs")
        return open_sealed(payload, topic, sealing, reader=self._identity)

    def seal(self, topic: str, body: bytes, recipient: Recipient | None) -> bytes:
        """Return the payload for a device; raise LocalProtocolError without a recipient."""
        if recipient is None:
            raise LocalProtocolError("a viewer writes nothing that everybody may read")
        names = _names(self._namespace, topic)
        session = (names.device, names.session)
        reply_key = self._sealing.get(session)
        if reply_key is None:
            reply_key = self._sealing[session] = SealingKey.generate()
            if len(self._sealing) > SESSION_KEYS_MAX:
                self._sealing.popitem(last=False)
        return sealed(self._identity, topic, body, recipient, reply_key=reply_key)

    def forget(self, topic: str) -> None:
        """Forget the key of the session on ``topic``: what was said in it stays unreadable."""
        names = _names(self._namespace, topic)
        self._sealing.pop((names.device, names.session), None)


def signed(key: SigningKey, purpose: Purpose, topic: str, body: bytes) -> bytes:
    """Return a payload that everybody may read and nobody may change."""
    signature = sign(key, purpose, topic=topic, body=body)
    return bytes((SIGNED,)) + key.public_bytes + signature + body


def open_signed(payload: bytes, topic: str, purpose: Purpose) -> Opened:
    """Return what ``signed`` was given and who signed; raise Unauthentic."""
    if len(payload) < _SIGNED_HEAD or payload[0] != SIGNED:
        raise Unauthentic("the payload is not signed")
    signer = payload[1 : 1 + KEY_BYTES]
    signature, body = payload[1 + KEY_BYTES : _SIGNED_HEAD], payload[_SIGNED_HEAD:]
    if not is_valid(signature, signer, purpose, topic=topic, body=body):
        raise Unauthentic("the signature is not good for this topic and these bytes")
    return Opened(body=body, key=signing_key_text(signer))


def sealed(
    key: SigningKey, topic: str, body: bytes, recipient: Recipient, *, reply_key: SealingKey
) -> bytes:
    """Return a payload that ``recipient`` alone can read; LocalProtocolError for a bad key."""
    try:
        reader, to = signing_key_bytes(recipient.key), sealing_key(recipient.seal_key)
        signature = sign(
            key,
            Purpose.MESSAGE,
            topic=topic,
            body=body,
            recipient=reader,
            reply_key=reply_key.public_bytes,
        )
        inner = key.public_bytes + reply_key.public_bytes + signature + body
        return bytes((SEALED,)) + _SUITE.encrypt(inner, to, info=_info(topic))
    except (KeyUnusable, ValueError) as error:  # ValueError: a key of low order (RFC 9180, 7.1.4)
        raise LocalProtocolError("the recipient's keys cannot be sealed to") from error


def open_sealed(payload: bytes, topic: str, sealing: SealingKey, *, reader: SigningKey) -> Opened:
    """Return what ``sealed`` was given for ``reader`` and who wrote it; raise Unauthentic."""
    if len(payload) < 1 + KEY_BYTES + _INNER_HEAD + _TAG_BYTES or payload[0] != SEALED:
        raise Unauthentic("the payload is not sealed")
    try:
        inner = _SUITE.decrypt(payload[1:], sealing.private, info=_info(topic))
    except (InvalidTag, ValueError) as error:
        raise Unauthentic("the payload is not sealed to us, or was changed on its way") from error
    signer, reply_key = inner[:KEY_BYTES], inner[KEY_BYTES : 2 * KEY_BYTES]
    signature, body = inner[2 * KEY_BYTES : _INNER_HEAD], inner[_INNER_HEAD:]
    is_good = is_valid(
        signature,
        signer,
        Purpose.MESSAGE,
        topic=topic,
        body=body,
        recipient=reader.public_bytes,
        reply_key=reply_key,
    )
    if not is_good:
        raise Unauthentic("the signature is not good for this topic and these bytes")
    return Opened(body=body, key=signing_key_text(signer), seal_key=sealing_key_text(reply_key))


def _info(topic: str) -> bytes:
    # The one-shot API of cryptography has no associated data; `info` binds the topic as well.
    return f"mqcam/1 sealed {topic}".encode()


def _names(namespace: Namespace, topic: str) -> Topic:
    names = namespace.parse(topic)
    if names is None:
        raise Unauthentic("the topic names no sender")
    return names
