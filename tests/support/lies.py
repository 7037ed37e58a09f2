"""Lies that the owner of a broker can tell, to be put together in tests.

It must not know what they are good for. He has the broker's key and reads what passes; he has no
key of a camera, of a viewer or of their owner, but as many of his own as he likes.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from mqcam.credentials import load_credentials
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.topics import Kind, Namespace
from mqcam.trust.envelope import sealed, signed
from mqcam.trust.keys import KEY_BYTES, SIGNATURE_BYTES, SealingKey, SigningKey, signing_key_text
from mqcam.trust.signing import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from support.broker import ShippedBroker
    from support.door import Packet
    from support.liar import Lie

TOPICS = Namespace()
HEAD_BYTES = 1 + KEY_BYTES + SIGNATURE_BYTES


def statuses(change: Lie, *, but: str) -> Lie:
    """Lie about every status to everybody ``but`` one: the camera, which reads its own."""
    return _about(lambda packet: packet.who != but and kind_of(packet) is Kind.STATUS, change)


def to_cameras(change: Lie) -> Lie:
    """Lie about what viewers say."""
    return _about(lambda packet: kind_of(packet) is Kind.TO_DEVICE, change)


def to_viewers(change: Lie) -> Lie:
    """Lie about what cameras answer."""
    return _about(lambda packet: kind_of(packet) is Kind.TO_VIEWER, change)


def drop(_packet: Packet) -> Iterable[Packet]:
    """Hand over nothing."""
    return ()


def instead(*, payload: Callable[[Packet], bytes]) -> Lie:
    """Hand over another payload on the same topic."""
    return lambda packet: (dataclasses.replace(packet, payload=payload(packet)),)


def flipped(packet: Packet) -> bytes:
    """Return a payload with one bit changed, where the body is."""
    changed = bytearray(packet.payload)
    changed[-20] ^= 1
    return bytes(changed)


def swapped(old: bytes, new: bytes) -> Callable[[Packet], bytes]:
    """Return what exchanges bytes that can be read."""
    return lambda packet: packet.payload.replace(old, new)


def opened(packet: Packet) -> bytes:
    """Return the body of a status without its signature: version 1 before there were any."""
    return packet.payload[HEAD_BYTES:]


def forged(key: SigningKey, **fields: object) -> Callable[[Packet], bytes]:
    """Return what writes a status anew, with other fields, and signs it with ``key``."""

    def forge(packet: Packet) -> bytes:
        body = json.dumps({**status_of(packet), **fields}).encode()
        return signed(key, Purpose.STATUS, packet.topic, body)

    return forge


def status_of(packet: Packet) -> dict[str, Any]:
    """Return what a signed status says."""
    values: dict[str, Any] = json.loads(opened(packet))
    return values


def sealed_to(status: Packet, topic: str, body: object, author: SigningKey) -> bytes:
    """Return a message of ``author`` to the camera with this status: anybody can seal to it."""
    camera = Recipient(
        key=signing_key_text(status.payload[1 : 1 + KEY_BYTES]),
        seal_key=status_of(status)["seal_key"],
    )
    content = json.dumps(body).encode()
    return sealed(author, topic, content, camera, reply_key=SealingKey.generate())


def identity_of(broker: ShippedBroker, camera: str) -> SigningKey:
    """Return a camera's own key, for what only it could have said at another place."""
    return SigningKey.parse(load_credentials(broker.credentials("device", camera)).identity or "")


def kind_of(packet: Packet) -> Kind | None:
    """Return what a topic is for."""
    names = TOPICS.parse(packet.topic)
    return None if names is None else names.kind


def _about(is_meant: Callable[[Packet], bool], change: Lie) -> Lie:
    return lambda packet: change(packet) if is_meant(packet) else (packet,)
