"""What an owner signs: certificates of devices, grants of viewers.

It must not know files or who asks. A document is one word: its JSON body and the signature over
exactly these bytes, both base64url, with a dot between.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused, KeyUnusable, MalformedMessage
from mqcam.protocol.fields import SECOND_MAX, Fields, read_object
from mqcam.protocol.topics import Namespace, is_id
from mqcam.trust.keys import decode, encode, signing_key_bytes
from mqcam.trust.signing import Purpose, is_valid, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam.trust.keys import SigningKey

RIGHTS = ("view", "talk", "control")
"""What a viewer may be allowed."""
SERIAL_BYTES = 6
DOCUMENT_MAX_CHARS = 4096
CAMERAS_MAX = 64

_VERSION = 1
_SERIAL = re.compile(r"[A-Za-z0-9_-]{8}")
_PATTERN = re.compile(r"[A-Za-z0-9_*?-]{1,64}")
_WORD = re.compile(r"[a-z0-9-]{1,32}")
_KEY_CHARS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Say that the key of the device ``name`` is ``key``."""

    name: str
    key: str
    serial: str

    def issue(self, owner: SigningKey, namespace: str) -> str:
        """Return the document, signed; raise DocumentRefused if nobody could use it."""
        body = {
            "v": _VERSION,
            "t": "certificate",
            "name": self.name,
            "key": self.key,
            "serial": self.serial,
        }
        text = _issue(owner, Purpose.CERTIFICATE, _place(namespace, "d", self.name), body)
        read_certificate(text, owner=owner.public, namespace=namespace)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Say that the key of the viewer ``name`` is ``key``, and what it may do at which cameras.

    ``cameras`` holds names in which ``*`` and ``?`` stand for others; ``expires`` is a Unix second.
    """

    name: str
    key: str
    serial: str
    cameras: tuple[str, ...]
    rights: tuple[str, ...] = ("view",)
    expires: int | None = None

    def issue(self, owner: SigningKey, namespace: str) -> str:
        """Return the document, signed; raise DocumentRefused if nobody could use it."""
        body: dict[str, object] = {
            "v": _VERSION,
            "t": "grant",
            "name": self.name,
            "key": self.key,
            "cameras": list(self.cameras),
            "rights": list(self.rights),
        }
        if self.expires is not None:
            body["expires"] = self.expires
        body["serial"] = self.serial
        text = _issue(owner, Purpose.GRANT, _place(namespace, "v", self.name), body)
        read_grant(text, owner=owner.public, namespace=namespace)
        return text

    def covers(self, camera: str) -> bool:
        """Tell whether ``camera`` is among those that are meant."""
        # What is no pattern of ours counts for nothing: fnmatch would give brackets a meaning.
        return any(is_pattern(each) and fnmatchcase(camera, each) for each in self.cameras)


def read_certificate(text: str, *, owner: str, namespace: str) -> Certificate:
    """Return what the owner says in ``text``; raise DocumentRefused."""
    fields, body, signature = _open(text, "certificate")
    try:
        found = Certificate(
            name=fields.text("name", limit=_KEY_CHARS),
            key=fields.text("key", limit=_KEY_CHARS),
            serial=fields.text("serial", limit=_KEY_CHARS, pattern=_SERIAL),
        )
    except MalformedMessage as error:
        raise DocumentRefused("malformed", f"the certificate cannot be read: {error}") from error
    place = _place(namespace, "d", found.name)
    _check(signature, owner, Purpose.CERTIFICATE, place=place, holder=found.key, body=body)
    return found


def read_grant(text: str, *, owner: str, namespace: str) -> Grant:
    """Return what the owner says in ``text``; raise DocumentRefused."""
    fields, body, signature = _open(text, "grant")
    try:
        found = Grant(
            name=fields.text("name", limit=_KEY_CHARS),
            key=fields.text("key", limit=_KEY_CHARS),
            serial=fields.text("serial", limit=_KEY_CHARS, pattern=_SERIAL),
            cameras=fields.texts("cameras", count=CAMERAS_MAX, limit=_KEY_CHARS),
            rights=fields.texts("rights", count=16, limit=32),
            expires=fields.optional_integer("expires", low=0, high=SECOND_MAX),
        )
    except MalformedMessage as error:
        raise DocumentRefused("malformed", f"the grant cannot be read: {error}") from error
    place = _place(namespace, "v", found.name)
    _check(signature, owner, Purpose.GRANT, place=place, holder=found.key, body=body)
    return found


def is_pattern(text: str) -> bool:
    """Tell whether ``text`` may stand for cameras in a grant."""
    return _PATTERN.fullmatch(text) is not None


def is_serial(text: str) -> bool:
    """Tell whether ``text`` may be the serial of a document."""
    return _SERIAL.fullmatch(text) is not None


def new_serial(random_bytes: bytes) -> str:
    """Return the serial made of 6 random bytes, 8 characters."""
    if len(random_bytes) != SERIAL_BYTES:
        raise ValueError(f"a serial is made of {SERIAL_BYTES} random bytes")
    return encode(random_bytes)


def _issue(owner: SigningKey, purpose: Purpose, place: str, body: Mapping[str, object]) -> str:
    content = json.dumps(body, separators=(",", ":")).encode("utf-8")
    holder = signing_key_bytes(str(body["key"]))
    signature = sign(owner, purpose, topic=place, body=content, recipient=holder)
    text = f"{encode(content)}.{encode(signature)}"
    if len(text) > DOCUMENT_MAX_CHARS:
        raise DocumentRefused("too-large", f"the {purpose} has {len(text)} characters: name fewer")
    return text


def _open(text: str, kind: str) -> tuple[Fields, bytes, bytes]:
    if len(text) > DOCUMENT_MAX_CHARS:
        raise DocumentRefused("too-large", f"the {kind} is too long")
    first, _, second = text.partition(".")
    try:
        body, signature = decode(first), decode(second)
        fields = read_object(body)
        version = fields.integer("v", low=1, high=2**31)
        said = fields.text("t", limit=32, pattern=_WORD)
    except (KeyUnusable, MalformedMessage) as error:
        raise DocumentRefused("malformed", f"the {kind} cannot be read: {error}") from error
    if said != kind or version != _VERSION:
        raise DocumentRefused("malformed", f"the {kind} is a {said} of version {version}")
    return fields, body, signature


def _check(
    signature: bytes, owner: str, purpose: Purpose, *, place: str, holder: str, body: bytes
) -> None:
    try:
        recipient = signing_key_bytes(holder)
    except KeyUnusable as error:
        raise DocumentRefused("malformed", f"the {purpose} names no key: {error}") from error
    is_good = is_valid(
        signature,
        signing_key_bytes(owner),
        purpose,
        topic=place,
        body=body,
        recipient=recipient,
    )
    if not is_good:
        raise DocumentRefused("not-signed", f"the {purpose} is not signed by the owner")


def _place(namespace: str, kind: str, name: str) -> str:
    """Return what stands in a signature for the topic: the holder's own branch of the tree."""
    Namespace(namespace)
    if not is_id(name):
        raise DocumentRefused("malformed", "a document names somebody by an impossible name")
    return f"{namespace}/v1/{kind}/{name}"
