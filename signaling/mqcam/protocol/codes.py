"""The words of the wire for trouble, each with its sentence for a person.

It must not know when they are used. Codes that come from the wire are kept as they are, known
or not: compare text with text.
"""

from __future__ import annotations

import re
from enum import StrEnum

_SHAPE = re.compile(r"[a-z0-9-]{1,64}")


class Code(StrEnum):
    """Why a session was refused or ended."""

    BUSY = "busy"
    STALE_NONCE = "stale-nonce"
    UNAUTHORIZED = "unauthorized"
    UNSUPPORTED_VERSION = "unsupported-version"
    NOT_ACCEPTABLE = "not-acceptable"
    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    NO_ANSWER = "no-answer"
    CONNECT_TIMEOUT = "connect-timeout"
    SILENCE = "silence"
    GONE = "gone"
    REPLACED = "replaced"
    REVOKED = "revoked"
    REVOKED_KEY = "revoked-key"
    UNKNOWN_KEY = "unknown-key"
    CHANGED_KEY = "changed-key"
    NO_KEY = "no-key"
    SHUTDOWN = "shutdown"
    CLOSED = "closed"
    INTERNAL = "internal"
    PAIRING_WAITS = "pairing-waits"
    PAIRING_DECLINED = "pairing-declined"
    PAIRING_CLOSED = "pairing-closed"


class Drop(StrEnum):
    """Why a message, or a part of one, was not obeyed; never on the wire."""

    WRONG_TOPIC = "wrong-topic"
    RETAINED = "retained"
    TOO_LARGE = "too-large"
    THROTTLED = "throttled"
    UNAUTHENTIC = "unauthentic"
    MALFORMED = "malformed"
    UNSUPPORTED_VERSION = "unsupported-version"
    DOWNGRADE = "downgrade"
    UNEXPECTED = "unexpected"
    REPEATED = "repeated"
    REPLAYED = "replayed"
    CONFLICTING_OFFER = "conflicting-offer"
    UNAUTHORIZED = "unauthorized"
    STALE_NONCE = "stale-nonce"
    BUSY = "busy"
    UNKNOWN_SESSION = "unknown-session"
    AFTER_CLOSE = "after-close"
    WRONG_RE = "wrong-re"
    BAD_CANDIDATE = "bad-candidate"
    TOO_MANY_CANDIDATES = "too-many-candidates"
    CANDIDATES_EXPIRED = "candidates-expired"
    NO_KEY = "no-key"
    UNVOUCHED = "unvouched"
    OLD_STATUS = "old-status"
    FOREIGN_STATUS = "foreign-status"
    TABLE_FULL = "table-full"


_SENTENCES: dict[str, str] = {
    Code.BUSY: "the camera serves as many viewers as it may; close one or raise max_viewers",
    Code.STALE_NONCE: "the offer was made for an earlier state of the camera; try again",
    Code.UNAUTHORIZED: "the camera does not let this viewer in; ask its owner for the right",
    Code.UNSUPPORTED_VERSION: "the two sides speak different versions; update the older one",
    Code.NOT_ACCEPTABLE: "the camera cannot answer this offer",
    Code.MALFORMED: "the message could not be read; update the older side",
    Code.TOO_LARGE: "the message is too large to send; use fewer network interfaces",
    Code.NO_ANSWER: "no answer came in time; check that the camera runs and reaches its broker",
    Code.CONNECT_TIMEOUT: "no network path between camera and viewer was found in time",
    Code.SILENCE: "nothing was heard from the other side any more",
    Code.GONE: "the other side lost its connection to the broker before it was connected to us",
    Code.REPLACED: "a newer session took this one over",
    Code.REVOKED: "the right to view was withdrawn; ask the camera's owner",
    Code.REVOKED_KEY: "the camera was removed or replaced; it goes on when the new one is there",
    Code.UNKNOWN_KEY: "nobody vouches for the camera's key; ask its owner for a grant, or pair",
    Code.CHANGED_KEY: "the camera's key is not the one it had; pair again if it was set up anew",
    Code.NO_KEY: "the other side's key is not known, or cannot be used; wait until it is online",
    Code.SHUTDOWN: "the other side was stopped",
    Code.CLOSED: "the session was closed",
    Code.INTERNAL: "the program made a mistake; look at its log",
    Code.PAIRING_WAITS: "somebody at the camera must say yes: compare the fingerprint there",
    Code.PAIRING_DECLINED: "somebody at the camera said no",
    Code.PAIRING_CLOSED: "the pairing at the camera was ended before anybody said yes",
}


def sentence(code: str) -> str:
    """Return the sentence for ``code``; an unknown code is named as it is."""
    return _SENTENCES.get(code, f"the other side said: {code}")


def wire_code(code: str) -> str:
    """Return ``code`` if it may stand on the wire, else ``internal``."""
    return code if _SHAPE.fullmatch(code) else Code.INTERNAL.value
