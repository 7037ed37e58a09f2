"""Passwords of MQTT users and the hashes by which mosquitto knows them.

It must not know who they belong to or where they are written.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

PASSWORD_BYTES = 32
SALT_BYTES = 12
"""The only length that mosquitto 2.0 reads back."""
ITERATIONS = 101
"""mosquitto's own number. Stretching protects guessable passwords; ours have 256 random bits, and
the broker, a single thread, computes one hash per connection and per reload of each client."""


def new_password() -> str:
    """Return a password of 256 random bits."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def salt_of(password: str) -> bytes:
    """Return a salt that is the same each time, for a random password that is kept elsewhere.

    So that whoever writes the password file anew can see whether anything has changed.
    """
    return hashlib.sha256(b"salt" + password.encode()).digest()[:SALT_BYTES]


def password_hash(password: str, *, salt: bytes | None = None) -> str:
    """Return what mosquitto's password file holds after ``name:``: PBKDF2 with SHA-512.

    Source: mosquitto 2.0 ``password_mosq.c``, hash type 7.
    """
    if salt is None:
        salt = secrets.token_bytes(SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${_base64(salt)}${_base64(key)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
