"""The one engine that moves sessions along a role's table, for either role.

It must not know what only one role does: those actions are handed in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from mqcam.errors import LocalProtocolError
from mqcam.protocol.candidates import refusal
from mqcam.protocol.codec import body_hash, encode
from mqcam.protocol.codes import Code, Drop, sentence, wire_code
from mqcam.protocol.effects import Effect, Ended, Reject, RemoteCandidates, Send
from mqcam.protocol.messages import Answer, Bye, Candidates, Error, Message, Offer
from mqcam.protocol.roles import Action, Event, Role, State
from mqcam.protocol.session import Cause, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.envelope import Envelope, Recipient
    from mqcam.protocol.limits import Limits

Perform: TypeAlias = "Callable[[Session, Cause], None]"


class Engine:
    """Hold the live sessions of one endpoint and the effects of the call in progress."""

    def __init__(
        self,
        *,
        role: Role,
        envelope: Envelope,
        deadlines: Deadlines,
        limits: Limits,
        allow_loopback: bool,
        perform: Mapping[Action, Perform],
        on_end: Perform,
        explain: Callable[[Session, Code], str],
    ) -> None:
        self.sessions: dict[SessionKey, Session] = {}
        self._role = role
        self._envelope = envelope
        self._deadlines = deadlines
        self._limits = limits
        self._allow_loopback = allow_loopback
        self._on_end = on_end
        self._explain = explain
        self._effects: list[Effect] = []
        self._perform: Mapping[Action, Perform] = {
            Action.TELL_ENDED: self._tell_ended,
            Action.HOLD: self._hold,
            Action.DELIVER: self._deliver_arrived,
            Action.DELIVER_HELD: self._deliver_held,
            Action.QUEUE: self._schedule_batch,
            Action.SEND_QUEUED: self._send_queued,
            Action.SEND_OFFER: self._send_stored,
            Action.SEND_ANSWER: self._send_stored,
            Action.REPEAT: self._send_stored,
            Action.SEND_BYE: self._send_bye,
            Action.SEND_ERROR: self._send_error,
            Action.SHORTEN_SILENCE: self._shorten_silence,
            **perform,
        }

    @property
    def next_deadline(self) -> float:
        """When the next timer of a session runs out; infinite if none runs."""
        return min((session.due_at for session in self.sessions.values()), default=math.inf)

    def take_effects(self) -> list[Effect]:
        """Return the effects so far, in order, and forget them."""
        effects, self._effects = self._effects, []
        return effects

    def emit(self, effect: Effect) -> None:
        """Add an effect."""
        self._effects.append(effect)

    def reject(self, topic: str, code: Drop, text: str) -> None:
        """Say that something is not obeyed; whoever carries the effect out counts."""
        self.emit(Reject(topic=topic, code=code.value, text=text))

    def step(self, session: Session, event: Event, cause: Cause) -> None:
        """Move ``session`` along the table; an event that it does not list there is ignored."""
        transition = self._role.transitions.get((session.state, event))
        if transition is None:
            return
        entered = transition.target is not session.state
        session.state = transition.target
        if entered:
            self._enter(session, cause.now)
        for action in transition.actions:
            self._perform[action](session, cause)
        if entered and transition.target is State.ENDED:
            self._on_end(session, cause)
            self._envelope.forget(session.topic)

    def local(self, key: SessionKey, event: Event, cause: Cause) -> None:
        """Move a session by something that our own shell reports; one that is over ignores it."""
        session = self.sessions.get(key)
        if session is not None:
            self.step(session, event, cause)

    def store_sdp(self, session: Session, message: Offer | Answer, now: float) -> bool:
        """Seal the SDP of our side to be sent, now and again; one too large ends the session."""
        try:
            body = encode(message)
        except LocalProtocolError:
            code = Code.TOO_LARGE
            cause = Cause(now=now, code=code.value, text=sentence(code))
            self.step(session, Event.TOO_LARGE, cause)
            return False
        if isinstance(message, Offer):
            session.offer_hash = body_hash(body)
        try:
            session.stored_sdp = self._envelope.seal(session.topic, body, session.recipient)
        except LocalProtocolError:
            cause = Cause(now=now, code=Code.NO_KEY.value, text=sentence(Code.NO_KEY))
            self.step(session, Event.TOO_LARGE, cause)
            return False
        return True

    def tick(self, now: float) -> None:
        """Do what the sessions' timers ask for."""
        for session in list(self.sessions.values()):
            while (event := session.due(now)) is not None:
                code = self._role.timers[session.state].code
                text = self._explain(session, code)
                self.step(session, event, Cause(now=now, code=code.value, text=text))

    def heard(self, key: SessionKey, at: float) -> None:
        """Note the time of the last authenticated packet of a connected session."""
        session = self.sessions.get(key)
        if session is not None and session.state is State.CONNECTED and at > session.heard_at:
            session.heard_at = at
            self._arm_silence(session)

    def add_local_candidates(
        self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool, now: float
    ) -> None:
        """Queue candidates that our own side found."""
        session = self.sessions.get(key)
        if session is None:
            return
        room = self._limits.session_candidates
        for candidate in session.queue.add(candidates, ufrag=ufrag, end=end, room=room):
            text = f"a local candidate of {len(candidate)} characters does not fit"
            self.reject(session.topic, Drop.TOO_MANY_CANDIDATES, text)
        if not session.queue.is_empty:
            self.step(session, Event.LOCAL_CANDIDATES, Cause(now=now))

    def receive_candidates(self, session: Session, message: Candidates, now: float) -> None:
        """Deliver or hold candidates of the other side; old ones are counted."""
        if session.state is not State.OFFERED and not session.accept(message):
            self.reject(session.topic, Drop.REPEATED, f"message {message.n} came already")
            return
        self.step(session, Event.CANDIDATES, Cause(now=now, candidates=message))

    def receive_end(self, session: Session, message: Bye | Error, now: float) -> None:
        """End a session because the other side says so."""
        if not session.accept(message):
            self.reject(session.topic, Drop.REPEATED, f"message {message.n} came already")
            return
        is_bye = isinstance(message, Bye)
        code = message.reason if isinstance(message, Bye) else message.code
        text = message.text or sentence(code)
        event = Event.BYE if is_bye else Event.ERROR
        self.step(session, event, Cause(now=now, code=code, text=text, remote=True))

    def send(self, session: Session, message: Message) -> bytes | None:
        """Send a message of a session and return its payload, None if that cannot be."""
        return self.send_to(session.recipient, session.topic, message)

    def send_to(self, recipient: Recipient, topic: str, message: Message) -> bytes | None:
        """Seal and send a message and return the payload, None if the keys cannot be used."""
        try:
            payload = self._envelope.seal(topic, encode(message), recipient)
        except LocalProtocolError:
            self.reject(topic, Drop.NO_KEY, "the sender's keys cannot be sealed to")
            return None
        self.send_payload(topic, payload)
        return payload

    def send_payload(self, topic: str, payload: bytes) -> None:
        """Send what is sealed already."""
        ttl_s = self._deadlines.message_ttl_s
        self.emit(Send(topic=topic, payload=payload, retain=False, ttl_s=ttl_s))

    def _enter(self, session: Session, now: float) -> None:
        session.resend_at = ()
        timer = self._role.timers.get(session.state)
        if timer is None:
            self.sessions.pop(session.key, None)
            session.timeout_at = session.batch_at = math.inf
            return
        self.sessions[session.key] = session
        if session.state is State.CONNECTED:
            session.heard_at = now
            self._arm_silence(session)
            return
        since = session.offered_at if session.state is State.OFFERED else now
        session.timeout_at = since + float(getattr(self._deadlines, timer.field))

    def _arm_silence(self, session: Session) -> None:
        if session.gone_at is None:
            session.timeout_at = session.heard_at + self._deadlines.silence_s
            return
        since = max(session.heard_at, session.gone_at)
        session.timeout_at = since + self._deadlines.silence_after_gone_s

    def _shorten_silence(self, session: Session, cause: Cause) -> None:
        session.gone_at = cause.now
        until = session.timeout_at
        self._arm_silence(session)
        session.timeout_at = min(until, session.timeout_at)

    def _tell_ended(self, session: Session, cause: Cause) -> None:
        self.emit(Ended(key=session.key, code=cause.code, text=cause.text, remote=cause.remote))

    def _send_bye(self, session: Session, cause: Cause) -> None:
        reason = wire_code(cause.code)
        bye = Bye(n=session.number(), reason=reason, text=cause.text)
        session.last_word = self.send(session, bye)

    def _send_error(self, session: Session, cause: Cause) -> None:
        error = Error(
            n=session.number(),
            code=wire_code(cause.code),
            text=cause.text,
            re=session.offer_hash,
        )
        session.last_word = self.send(session, error)

    def _send_stored(self, session: Session, cause: Cause) -> None:
        session.resend_at = tuple(at for at in session.resend_at if at > cause.now)
        self.send_payload(session.topic, session.stored_sdp)

    def _schedule_batch(self, session: Session, cause: Cause) -> None:
        if (session.state, Event.BATCH) not in self._role.transitions:
            return
        wait_s = 0.0 if session.queue.end else self._deadlines.candidate_batch_s
        session.batch_at = min(session.batch_at, cause.now + wait_s)
        if session.queue.end:
            self.step(session, Event.BATCH, cause)

    def _send_queued(self, session: Session, cause: Cause) -> None:  # noqa: ARG002
        session.batch_at = math.inf
        if session.queue.is_empty:
            return
        for candidates, end in session.queue.take():
            message = Candidates(
                n=session.number(), ufrag=session.queue.ufrag, candidates=candidates, end=end
            )
            self.send(session, message)

    def _hold(self, session: Session, cause: Cause) -> None:
        if not session.held.add(cause.candidates):
            self.reject(session.topic, Drop.TOO_MANY_CANDIDATES, "too many before the SDP")

    def _deliver_arrived(self, session: Session, cause: Cause) -> None:
        self._deliver(session, cause.candidates)

    def _deliver_held(self, session: Session, cause: Cause) -> None:  # noqa: ARG002
        for message in session.held.take():
            if session.accept(message):
                self._deliver(session, message)

    def _deliver(self, session: Session, message: Candidates) -> None:
        good = []
        for candidate in message.candidates:
            reason = refusal(candidate, allow_loopback=self._allow_loopback)
            if reason:
                self.reject(session.topic, Drop.BAD_CANDIDATE, reason)
            elif session.taken >= self._limits.session_candidates:
                self.reject(session.topic, Drop.TOO_MANY_CANDIDATES, "too many in all")
            else:
                session.taken += 1
                good.append(candidate)
        if good or message.end:
            self.emit(
                RemoteCandidates(
                    key=session.key, candidates=tuple(good), ufrag=message.ufrag, end=message.end
                )
            )
