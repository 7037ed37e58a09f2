"""Whether an offer becomes a session of the device, and what is said to those who stay outside.

It must not know how a session goes on once it has begun.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from mqcam.protocol.codec import body_hash
from mqcam.protocol.codes import Code, Drop, sentence
from mqcam.protocol.effects import Ended
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.messages import Error, Offer
from mqcam.protocol.nonces import Grave, Nonces
from mqcam.protocol.quota import Quota
from mqcam.protocol.roles import Event, State
from mqcam.protocol.session import Cause, Session
from mqcam.protocol.verdict import Denial
from mqcam.protocol.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.engine import Engine
    from mqcam.protocol.inbox import Arrival
    from mqcam.protocol.limits import Limits


Authorize: TypeAlias = "Callable[[str, str, Offer], frozenset[str] | Denial]"
"""Takes a viewer's name, its public key and its offer; returns its rights, or why it has none."""

VIEW = "view"
"""The right without which there is no session."""


class Admission:
    """Judge offers: the same again, over, authorised, fresh, and whether there is room."""

    def __init__(
        self,
        *,
        engine: Engine,
        deadlines: Deadlines,
        limits: Limits,
        random_bytes: Callable[[int], bytes],
        authorize: Authorize,
        max_viewers: int,
        topic_to: Callable[[SessionKey], str],
        on_new_nonce: Callable[[float], None],
        on_admitted: Callable[[str], None],
    ) -> None:
        self.nonces = Nonces(
            random_bytes=random_bytes, deadlines=deadlines, graves_max=limits.graves
        )
        self.waiting = Waiting(deadlines=deadlines, limits=limits)
        self._engine = engine
        self._authorize = authorize
        self._max_viewers = max_viewers
        self._topic_to = topic_to
        self._on_new_nonce = on_new_nonce
        self._on_admitted = on_admitted
        self._quota = Quota(
            interval_s=deadlines.unauthorized_interval_s, names_max=limits.quota_names
        )

    def is_over(self, key: SessionKey) -> bool:
        """Tell whether the session has ended and is still remembered."""
        return self.nonces.grave(_identity(key)) is not None

    def receive(self, topic: str, key: SessionKey, arrival: Arrival, now: float) -> None:
        """Start a session, repeat what was said to this very offer, or refuse it."""
        offer_hash = body_hash(arrival.body)
        session = self._engine.sessions.get(key)
        grave = self.nonces.grave(_identity(key))
        if session is not None:
            if session.offer_hash == offer_hash:
                self._engine.step(session, Event.SAME_OFFER, Cause(now=now))
            else:
                text = "the session has another offer already"
                self._engine.reject(topic, Drop.CONFLICTING_OFFER, text)
        elif grave is not None:
            self._engine.reject(topic, Drop.REPLAYED, "the session is over")
            if grave.offer_hash == offer_hash and grave.last_word is not None:
                self._engine.send_payload(self._topic_to(key), grave.last_word)
        else:
            self._receive_new(topic, key, arrival, offer_hash, now)

    def judge_again(self, now: float) -> None:
        """End the sessions of viewers who have no right to view any more."""
        for session in list(self._engine.sessions.values()):
            verdict = self._judge(session.key, session.offer)
            if isinstance(verdict, Denial):
                cause = Cause(now=now, code=Code.REVOKED.value, text=verdict.text)
                self._engine.step(session, Event.LOCAL_END, cause)
                self._engine.emit(
                    Ended(key=session.key, code=cause.code, text=verdict.text, remote=False)
                )

    def tell_stranger(self, key: SessionKey, seal_key: str, error: Error, now: float) -> None:
        """Send an error to somebody without a session, unless he was told so just now."""
        if self._quota.take(key.peer, error.code, now):
            recipient = Recipient(key=key.peer_key, seal_key=seal_key)
            self._engine.send_to(recipient, self._topic_to(key), error)

    def _judge(self, key: SessionKey, offer: Offer) -> frozenset[str] | Denial:
        verdict = self._authorize(key.peer, key.peer_key, offer)
        if isinstance(verdict, Denial) or VIEW in verdict:
            return verdict
        return Denial(code=Code.UNAUTHORIZED.value, text=f"{key.peer} may not view this camera")

    def bury(self, session: Session, now: float) -> None:
        """Remember a session that is over as long as its nonce is good."""
        grave = Grave(offer_hash=session.offer_hash, last_word=session.last_word)
        if self.nonces.bury(session.offer.nonce, _identity(session.key), grave, now):
            self._on_new_nonce(now)

    def _receive_new(
        self, topic: str, key: SessionKey, arrival: Arrival, offer_hash: str, now: float
    ) -> None:
        offer = arrival.message
        if not isinstance(offer, Offer):
            raise TypeError("only offers are admitted")
        verdict = self._judge(key, offer)
        if isinstance(verdict, Denial):
            self._engine.reject(topic, Drop.UNAUTHORIZED, verdict.text)
            error = replace(_error(Code.UNAUTHORIZED, offer_hash), text=verdict.text)
            self.tell_stranger(key, arrival.seal_key, error, now)
            return
        self._on_admitted(key.peer)
        recipient = Recipient(key=key.peer_key, seal_key=arrival.seal_key)
        if not self.nonces.is_good(offer.nonce, now):
            self._engine.reject(topic, Drop.STALE_NONCE, f"{key.peer} is sent the new nonce")
            error = replace(_error(Code.STALE_NONCE, offer_hash), nonce=self.nonces.current)
            self._engine.send_to(recipient, self._topic_to(key), error)
            return
        session = Session(
            key=key,
            topic=self._topic_to(key),
            recipient=recipient,
            rights=verdict,
            offer=offer,
            offer_hash=offer_hash,
            held=self.waiting.take(key),
            offered_at=now,
            last_n=offer.n,
            replaces=self._replaced(key, offer),
        )
        if session.replaces is None and not self._has_room(key, now):
            self._engine.reject(topic, Drop.BUSY, f"{self._max_viewers} viewers are here already")
            busy = _error(Code.BUSY, offer_hash)
            session.last_word = self._engine.send(session, busy)
            self.bury(session, now)
            return
        self._engine.step(session, Event.OFFER, Cause(now=now))

    def _has_room(self, key: SessionKey, now: float) -> bool:
        if self._occupied() >= self._max_viewers:
            self._displace(key, now)
        return self._occupied() < self._max_viewers

    def _displace(self, key: SessionKey, now: float) -> None:
        """End an unconnected session of a viewer with several, for a viewer who has none.

        Else one viewer could keep all others out with offers that lead nowhere.
        """
        pending: dict[str, list[Session]] = {}
        for session in self._engine.sessions.values():
            if session.key.peer_key == key.peer_key:
                return
            if session.state is not State.CONNECTED and not self._is_exempt(session):
                pending.setdefault(session.key.peer_key, []).append(session)
        most = max(pending.values(), key=len, default=[])
        if len(most) > 1:
            cause = Cause(now=now, code=Code.BUSY.value, text=sentence(Code.BUSY))
            self._engine.step(most[-1], Event.DISPLACED, cause)

    def _replaced(self, key: SessionKey, offer: Offer) -> SessionKey | None:
        old = replace(key, session=offer.replaces)
        if old not in self._engine.sessions:
            return None
        # Once per viewer key: a second exempt session would let one viewer take any number.
        exempt = any(
            session.key.peer_key == key.peer_key and self._is_exempt(session)
            for session in self._engine.sessions.values()
        )
        return None if exempt else old

    def _is_exempt(self, session: Session) -> bool:
        return session.replaces is not None and session.replaces in self._engine.sessions

    def _occupied(self) -> int:
        return sum(not self._is_exempt(session) for session in self._engine.sessions.values())


def _identity(key: SessionKey) -> tuple[str, str]:
    return (key.peer_key, key.session)


def _error(code: Code, offer_hash: str) -> Error:
    return Error(n=0, code=code.value, text=sentence(code), re=offer_hash)
