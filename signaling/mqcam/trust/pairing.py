"""Pairing: two who share a one-time secret learn each other's keys, whoever carries the messages.

It must not know sockets, clocks or the people who say yes: time and secret are arguments. Both ends
prove with an HMAC that they know the secret, over everything that the keys are to be believed for;
each role has a key of its own, so that no proof can be sent back as the other's.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mqcam.protocol.codes import Code, sentence
from mqcam.protocol.messages import Error, Paired
from mqcam.trust.keys import encode, fingerprint, signing_key_bytes
from mqcam.trust.pins import AUTHORITY, REVOKED
from mqcam.trust.signing import framed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.protocol.effects import PairRequested, SessionKey

SECRET_BYTES = 16
WINDOW_S = 600.0
"""How long a secret opens the door, in seconds."""
PENDING_MAX = 4
"""Requests that wait for a person at a time; a further one is told so."""

RESERVED = frozenset({AUTHORITY, REVOKED})
"""Names that mean something else in ``authorized_viewers``."""

_KEY_BYTES = 32
_VIEWER, _DEVICE = "viewer", "device"
_CROWDED = "too many ask at once: wait until somebody at the camera has answered them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who pairs with whom: both names and public keys, in one session of one namespace."""

    namespace: str
    device: str
    device_key: str
    viewer: str
    viewer_key: str
    session: str


def viewer_proof(secret: bytes, parties: Parties) -> str:
    """Return the MAC with which a viewer asks, 43 characters."""
    return _proof(secret, _VIEWER, parties)


def device_proof(secret: bytes, parties: Parties, *, re: str, rights: Sequence[str]) -> str:
    """Return the MAC with which a device lets in, also over the request's hash and the rights."""
    return _proof(secret, _DEVICE, parties, re, *rights)


def is_proof(given: str, expected: str) -> bool:
    """Compare two proofs in a time that tells nothing."""
    return hmac.compare_digest(given.encode("utf-8"), expected.encode("utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who knows the secret and waits; ``number`` is how a person's answer names him."""

    number: int
    name: str
    key: str

    @property
    def fingerprint(self) -> str:
        """Return what is compared aloud."""
        return fingerprint(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is to be sent to whom."""

    key: SessionKey
    seal_key: str
    message: Paired | Error


@dataclass(slots=True, kw_only=True)
class _Request:
    visitor: Visitor
    requested: PairRequested


@dataclass(slots=True, kw_only=True)
class _Window:
    secret: bytes = field(repr=False)
    rights: tuple[str, ...]
    until: float
    waiting: list[_Request] = field(default_factory=list)
    said: dict[SessionKey, tuple[str, Reply]] = field(default_factory=dict)
    """The last word to each request by its hash; the oldest goes when there are too many."""
    asked: int = 0
    is_open: bool = True


class PairingDesk:
    """A device's side of pairing: one window at a time, opened and answered by a person.

    What does not prove the secret is passed over without a word and changes nothing; its sender
    cannot tell a wrong secret from a closed window.
    """

    def __init__(self, *, namespace: str, device: str, key: str) -> None:
        self._namespace = namespace
        self._device = device
        self._key = key
        self._window: _Window | None = None

    def open(self, secret: bytes, rights: Sequence[str], now: float) -> list[Reply]:
        """Open a window for ``WINDOW_S``; one that is open is closed, with a word to who waits."""
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the secret has {SECRET_BYTES} bytes")
        replies = self.close()
        self._window = _Window(secret=secret, rights=tuple(rights), until=now + WINDOW_S)
        return replies

    @property
    def rights(self) -> tuple[str, ...]:
        """Return what whoever is let in may do."""
        return () if self._window is None else self._window.rights

    def is_open(self, now: float) -> bool:
        """Tell whether somebody could still be let in."""
        return self._window is not None and self._window.is_open and now < self._window.until

    def remaining_s(self, now: float) -> float:
        """Return how long the window stays open; 0 when it is closed."""
        return self._window.until - now if self._window and self.is_open(now) else 0.0

    def waiting(self, now: float) -> tuple[Visitor, ...]:
        """Return who waits for an answer, the first first."""
        if self._window is None or not self.is_open(now):
            return ()
        return tuple(each.visitor for each in self._window.waiting)

    def request(self, requested: PairRequested, now: float) -> Reply | None:
        """Note who asks and return what he is told; None for whoever proves nothing."""
        window = self._window
        if window is None or now >= window.until:
            return None
        expected = viewer_proof(window.secret, self._parties(requested.key))
        if not is_proof(requested.pair.mac, expected):
            return None
        said = window.said.get(requested.key)
        if said is not None and said[0] == requested.re:
            return said[1]
        if not window.is_open:
            return _error(requested, Code.PAIRING_CLOSED)
        if requested.key.peer in RESERVED:
            text = "no viewer may have this name: take another"
            return _error(requested, Code.PAIRING_DECLINED, text)
        code = Code.PAIRING_WAITS if self._admit(window, requested) else Code.BUSY
        return _error(requested, code, _CROWDED if code is Code.BUSY else "")

    def accept(self, number: int, now: float) -> list[Reply]:
        """Let one in, close the window for all others, and return what they are told.

        What is to be kept of the viewer must be kept before these are sent.
        """
        window, request = self._waiting(number, now)
        if window is None or request is None:
            return []
        requested = request.requested
        paired = Paired(
            re=requested.re,
            rights=window.rights,
            mac=device_proof(
                window.secret,
                self._parties(requested.key),
                re=requested.re,
                rights=window.rights,
            ),
        )
        window.waiting.remove(request)
        reply = Reply(key=requested.key, seal_key=requested.seal_key, message=paired)
        window.said[requested.key] = (requested.re, reply)
        return [reply, *self._dismiss(window)]

    def decline(self, number: int, now: float) -> list[Reply]:
        """Say no to one; the window stays open for others."""
        window, request = self._waiting(number, now)
        if window is None or request is None:
            return []
        return [self._refuse(window, request, Code.PAIRING_DECLINED)]

    def close(self) -> list[Reply]:
        """Close the window and return what those are told who wait; nothing is kept."""
        window, self._window = self._window, None
        return [] if window is None else self._dismiss(window)

    def _admit(self, window: _Window, requested: PairRequested) -> bool:
        """Give a place among those who wait; the same viewer, begun anew, keeps his."""
        key = requested.key
        for request in window.waiting:
            if (request.visitor.name, request.visitor.key) == (key.peer, key.peer_key):
                request.requested = requested
                return True
        if len(window.waiting) >= PENDING_MAX:
            return False
        window.asked += 1
        visitor = Visitor(number=window.asked, name=key.peer, key=key.peer_key)
        window.waiting.append(_Request(visitor=visitor, requested=requested))
        return True

    def _waiting(self, number: int, now: float) -> tuple[_Window | None, _Request | None]:
        if self._window is None or not self.is_open(now):
            return None, None
        requests = self._window.waiting
        return self._window, next((r for r in requests if r.visitor.number == number), None)

    def _dismiss(self, window: _Window) -> list[Reply]:
        window.is_open = False
        waiting = list(window.waiting)
        return [self._refuse(window, each, Code.PAIRING_CLOSED) for each in waiting]

    def _refuse(self, window: _Window, request: _Request, code: Code) -> Reply:
        window.waiting.remove(request)
        reply = _error(request.requested, code)
        while len(window.said) >= PENDING_MAX:
            del window.said[next(iter(window.said))]
        window.said[request.requested.key] = (request.requested.re, reply)
        return reply

    def _parties(self, key: SessionKey) -> Parties:
        return Parties(
            namespace=self._namespace,
            device=self._device,
            device_key=self._key,
            viewer=key.peer,
            viewer_key=key.peer_key,
            session=key.session,
        )


def _error(requested: PairRequested, code: Code, text: str = "") -> Reply:
    message = Error(n=0, code=code.value, text=text or sentence(code), re=requested.re)
    return Reply(key=requested.key, seal_key=requested.seal_key, message=message)


def _proof(secret: bytes, role: str, parties: Parties, *more: str) -> str:
    # RFC 5869 without salt: the secret is random through and through.
    context = f"mqcam/1 pairing {role}".encode("ascii")
    key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=context).derive(secret)
    parts = (
        context,
        parties.namespace.encode(),
        parties.device.encode(),
        parties.viewer.encode(),
        signing_key_bytes(parties.device_key),
        signing_key_bytes(parties.viewer_key),
        parties.session.encode(),
        *(each.encode() for each in more),
    )
    return encode(hmac.digest(key, framed(parts), "sha256"))
