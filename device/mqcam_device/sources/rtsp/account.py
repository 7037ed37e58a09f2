"""Answer a camera that asks who we are: Digest and Basic (RFC 7616, RFC 7617).

It must not know sockets. Nothing here is ever logged; what it returns goes to the camera only.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ALGORITHMS: Final = {"sha-256": "sha256", "md5": "md5"}
"""The best comes first."""

MAX_CHALLENGE_LENGTH: Final = 2048
"""Reading what is no field takes time by the square of its length."""

_FIELD: Final = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")


class Account:
    """A name and a password, and how the camera wants to be told of them.

    It serves all connections to one camera. One that has once asked by Digest is never told the
    password itself: whoever asks for it then is somebody between us.
    """

    def __init__(
        self, username: str, password: str, make_nonce: Callable[[], str] = secrets.token_hex
    ) -> None:
        self._make_nonce = make_nonce
        self._username = username
        self._password = password
        self._knows_digest = False
        self.begin()

    def begin(self) -> None:
        """Begin a connection, on which nothing has been asked."""
        self._fields: dict[str, str] = {}
        self._hash = ""
        self._is_basic = False
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._username)

    def __repr__(self) -> str:
        return "Account(...)"

    def challenge(self, values: Sequence[str]) -> bool:
        """Take the values of ``WWW-Authenticate``; False if there is none that we can answer."""
        offered = [
            (kind.strip().lower(), rest)
            for kind, _, rest in (v.partition(" ") for v in values)
            if len(rest) <= MAX_CHALLENGE_LENGTH
        ]
        digests: dict[str, dict[str, str]] = {}
        for kind, rest in offered:
            if kind == "digest":
                fields = _fields(rest)
                digests.setdefault(fields.get("algorithm", "MD5").lower(), fields)
        for algorithm, name in _ALGORITHMS.items():
            fields = digests.get(algorithm, {})
            if fields.get("nonce") and fields.get("qop", "auth"):
                self._fields, self._hash, self._count, self._is_basic = fields, name, 0, False
                self._knows_digest = True
                return True
        is_offered = any(kind == "basic" for kind, _ in offered)
        self._is_basic = is_offered and not self._knows_digest
        return self._is_basic

    def header(self, method: str, url: str) -> str:
        """Return the value of ``Authorization`` for a request, empty before a challenge."""
        if self._is_basic:
            pair = f"{self._username}:{self._password}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        return self._digest(method, url) if self._fields else ""

    def _digest(self, method: str, url: str) -> str:
        fields = self._fields
        realm, nonce = fields.get("realm", ""), fields["nonce"]
        secret = self._hashed(f"{self._username}:{realm}:{self._password}")
        action = self._hashed(f"{method}:{url}")
        parts = {"username": self._username, "realm": realm, "nonce": nonce, "uri": url}
        extra = ""
        if "auth" in (each.strip() for each in fields.get("qop", "").split(",")):
            self._count += 1
            count, own = f"{self._count:08x}", self._make_nonce()
            parts["cnonce"] = own
            extra = f", qop=auth, nc={count}"
            response = self._hashed(f"{secret}:{nonce}:{count}:{own}:auth:{action}")
        else:
            response = self._hashed(f"{secret}:{nonce}:{action}")
        parts["response"] = response
        if "opaque" in fields:
            parts["opaque"] = fields["opaque"]
        if "algorithm" in fields:
            extra += f", algorithm={_UNSAFE.sub('', fields['algorithm'])}"
        quoted = ", ".join(f'{name}="{_quoted(value)}"' for name, value in parts.items())
        return f"Digest {quoted}{extra}"

    def _hashed(self, text: str) -> str:
        return hashlib.new(self._hash, text.encode(), usedforsecurity=False).hexdigest()


def _fields(text: str) -> dict[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        for name, quoted, bare in _FIELD.findall(text)
    }


def _quoted(value: str) -> str:
    """Return a value as it may stand between quotes, on one line."""
    return _UNSAFE.sub("", value).replace("\\", "\\\\").replace('"', '\\"')
