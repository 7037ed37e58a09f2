"""One line of text that opens an account: a viewer's whole credentials, or an invitation to pair.

It must not know how the line travels (paper, a terminal, a picture), nor the pairing itself. It is
``mqcam:`` and base32 of compressed JSON: no letter of it ends a word, and a code of squares packs
capitals and digits a tenth smaller than base64url (docs/decisions/pairing.md).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import ssl
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.config import decode
from mqcam.credentials import Credentials
from mqcam.errors import ConfigError, KeyUnusable, MalformedMessage, UriUnusable
from mqcam.protocol.fields import INTEGER_MAX, Fields, read_object
from mqcam.protocol.topics import is_id
from mqcam.trust import keys
from mqcam.trust.pairing import SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEME = "mqcam"
URI_MAX_CHARS = 8192
"""More than a code of squares can hold."""
CONTENT_MAX_BYTES = 16 * 1024
"""What a line may grow to when it is unpacked."""
VERSION = 1

_VIEWER, _PAIR = "viewer", "pair"
_CERTIFICATES_MAX = 4
_CERTIFICATE_MAX_CHARS = 4096
_TEXT_MAX_CHARS = 4096
_BROKERS_MAX = 16
_DEFAULTS = {"namespace": "mqcam", "server_name": "mqcam-broker"}
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_SECRET_PREFIX = "ed25519-secret:"  # noqa: S105 - the name of a kind of key, not a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a camera without an owner hands to the person who may watch it.

    ``key`` is the camera's public key, ``secret`` the 16 bytes that open its door once; ``way`` are
    the credentials that the visitor needs, but for his own name and identity: its ``name`` is the
    camera's, and it has an account only where the camera shares its own.
    """

    key: str
    secret: bytes = field(repr=False)
    way: Credentials = field(repr=False)
    visitor: str = ""
    """The name that the camera would like its visitor to have."""

    @property
    def camera(self) -> str:
        """Return the camera's name."""
        return self.way.name


def credentials_uri(credentials: Credentials) -> str:
    """Return a viewer's whole credentials as one line; who has the line is that viewer."""
    if credentials.kind != "viewer":
        raise ValueError("only viewers have a line: a device's file says more")
    identity = credentials.identity
    if identity is not None and keys.is_signing_key(identity):
        identity = None  # the private half is elsewhere, and the grant names the key
    values = {
        "t": _VIEWER,
        **_way(credentials),
        "identity": identity and identity.removeprefix(_SECRET_PREFIX),
        "owner": credentials.owner,
        "owner_number": credentials.owner_number or None,
        "grant": credentials.grant,
    }
    return _pack(values)


def invitation_uri(invitation: Invitation) -> str:
    """Return an invitation as one line; who reads it within its time may ask to be let in."""
    values = {
        "t": _PAIR,
        "key": invitation.key,
        "secret": keys.encode(invitation.secret),
        "visitor": invitation.visitor or None,
        **_way(invitation.way),
    }
    return _pack(values)


def read_uri(text: str) -> Credentials | Invitation:
    """Return what a line holds, its line breaks forgiven; raise UriUnusable, which hides it."""
    try:
        fields = read_object(_unpack(text))
        version = fields.integer("v", low=1, high=2**31)
        kind = fields.text("t", limit=32)
        if version != VERSION or kind not in {_VIEWER, _PAIR}:
            raise UriUnusable("is of a newer mqcam: install that release here too")
        return _read_viewer(fields) if kind == _VIEWER else _read_invitation(fields)
    except MalformedMessage as error:
        raise UriUnusable(f"cannot be read: {error}; ask for a new one") from None
    except KeyUnusable as error:
        raise UriUnusable(f"holds a key that is none: {error}; ask for a new one") from None


def is_uri(text: str) -> bool:
    """Tell whether somebody means ``text`` as such a line, good or not."""
    return text.strip().lower().startswith(f"{SCHEME}:")


def _way(credentials: Credentials) -> dict[str, object]:
    """Return how the broker is reached, as short as can be."""
    values: dict[str, object] = {"name": credentials.name, "broker": list(credentials.broker)}
    for name, default in _DEFAULTS.items():
        if getattr(credentials, name) != default:
            values[name] = getattr(credentials, name) or ""
    if credentials.ca is not None:
        certificates = map(ssl.PEM_cert_to_DER_cert, _PEM.findall(credentials.ca))
        values["ca"] = [keys.encode(each) for each in certificates]
    if credentials.password is not None:
        values["password"] = credentials.password
    if credentials.username != credentials.name or credentials.password is None:
        values["username"] = credentials.username
    return values


def _pack(values: Mapping[str, object]) -> str:
    said = {name: value for name, value in values.items() if value is not None}
    content = json.dumps({"v": VERSION, **said}, ensure_ascii=False, separators=(",", ":"))
    packed = zlib.compress(content.encode("utf-8"), level=9)
    return f"{SCHEME.upper()}:{base64.b32encode(packed).rstrip(b'=').decode('ascii')}"


def _unpack(text: str) -> bytes:
    if len(text) > URI_MAX_CHARS:
        raise UriUnusable("is too long")
    scheme, _, rest = "".join(text.split()).partition(":")
    if scheme.lower() != SCHEME:
        raise UriUnusable(f"does not begin with {SCHEME}:")
    unpacker = zlib.decompressobj()
    try:
        packed = base64.b32decode(rest.upper() + "=" * (-len(rest) % 8))
        content = unpacker.decompress(packed, CONTENT_MAX_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise UriUnusable("is damaged: copy it whole") from error
    if not unpacker.eof or unpacker.unused_data:
        text = (
            "is too big unpacked"
            if len(content) >= CONTENT_MAX_BYTES
            else "is not whole: copy it from end to end"
        )
        raise UriUnusable(text)
    return content


def _read_viewer(fields: Fields) -> Credentials:
    identity = fields.text("identity", limit=64, default="") or None
    return _credentials(
        fields,
        {
            "identity": None if identity is None else _SECRET_PREFIX + identity,
            "owner": _optional(fields, "owner"),
            "owner_number": fields.optional_integer("owner_number", low=0, high=INTEGER_MAX) or 0,
            "grant": _optional(fields, "grant"),
        },
    )


def _read_invitation(fields: Fields) -> Invitation:
    key = fields.text("key", limit=64)
    keys.signing_key_bytes(key)
    secret = keys.decode(fields.text("secret", limit=64))
    if len(secret) != SECRET_BYTES:
        raise UriUnusable("holds a secret of the wrong length")
    visitor = fields.text("visitor", limit=64, default="")
    if visitor and not is_id(visitor):
        raise UriUnusable("asks for an impossible name")
    return Invitation(key=key, secret=secret, way=_credentials(fields, {}), visitor=visitor)


def _credentials(fields: Fields, more: Mapping[str, object]) -> Credentials:
    """Return the credentials in ``fields``, judged by the rules of their file."""
    name = fields.text("name", limit=64)
    password = _optional(fields, "password")
    server_name = fields.text("server_name", limit=256, default=_DEFAULTS["server_name"])
    ca = [
        ssl.DER_cert_to_PEM_cert(keys.decode(each))
        for each in fields.texts("ca", count=_CERTIFICATES_MAX, limit=_CERTIFICATE_MAX_CHARS)
    ]
    values = {
        "kind": "viewer",
        "name": name,
        "broker": list(fields.texts("broker", count=_BROKERS_MAX, limit=512)),
        "namespace": fields.text("namespace", limit=64, default=_DEFAULTS["namespace"]),
        "server_name": server_name or None,
        "ca": "".join(ca) or None,
        "username": _optional(fields, "username") or (None if password is None else name),
        "password": password,
        **more,
    }
    # JSON is YAML. Absent values keep the defaults of the file; no server name is said with null.
    said = {k: v for k, v in values.items() if v is not None or k == "server_name"}
    try:
        return decode(json.dumps(said, ensure_ascii=False), Credentials, file="the line")
    except ConfigError as error:
        mistakes = "; ".join(f"{each.key}: {each.message}" for each in error.problems)
        raise UriUnusable(f"holds impossible credentials: {mistakes}") from None


def _optional(fields: Fields, name: str) -> str | None:
    return fields.text(name, limit=_TEXT_MAX_CHARS, default="") or None
