"""The viewer's end of all its sessions: messages and time in, effects out.

It must not know sockets, clocks or media: the shell brings what arrives and obeys the effects.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from mqcam.errors import LocalProtocolError
from mqcam.protocol.codec import encode
from mqcam.protocol.codes import Code, Drop, sentence
from mqcam.protocol.effects import (
    Answered,
    Ended,
    Renamed,
    Send,
    SessionKey,
    StatusChanged,
    StatusRefused,
)
from mqcam.protocol.endpoint import Endpoint
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.held import Held
from mqcam.protocol.inbox import Arrival, Refusal
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import Answer, Bye, Candidates, Error, Gone, Offer, Status, Want
from mqcam.protocol.presence import Presence
from mqcam.protocol.roles import VIEWER, Action, Event, State
from mqcam.protocol.session import Cause, Session
from mqcam.protocol.topics import SESSION_BYTES, Kind, new_session_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import Effect, Inbound
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.verdict import Denial


_NO_STATUS = frozenset({Drop.UNAUTHENTIC, Drop.MALFORMED, Drop.UNSUPPORTED_VERSION, Drop.DOWNGRADE})

Vouch: TypeAlias = "Callable[[str, str, Status], Denial | None]"
"""Takes a device's name, the key that signed its status and the status; returns why not."""


class ViewerEndpoint(Endpoint):
    """Offer sessions to devices, keep them, and remember the devices' statuses.

    ``highest_version`` tells the highest wire version that a key of a device was ever seen to
    sign; a message that this key signed in a lower one is refused. No method raises because of
    what a stranger sent; a local event for a session that is over is ignored.
    """

    def __init__(
        self,
        *,
        namespace: str,
        name: str,
        envelope: Envelope,
        deadlines: Deadlines,
        random_bytes: Callable[[int], bytes],
        vouch: Vouch,
        grant: str = "",
        highest_version: Callable[[str, str], int] = lambda _device, _key: 1,
        allow_loopback: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        super().__init__(
            role=VIEWER,
            own=Kind.TO_VIEWER,
            namespace=namespace,
            name=name,
            envelope=envelope,
            deadlines=deadlines,
            limits=self._limits,
            allow_loopback=allow_loopback,
            perform={Action.TELL_ANSWER: self._tell_answer, Action.RETRY: self._retry},
            on_end=self._doubt,
            explain=self._explain,
        )
        self._deadlines = deadlines
        self._random_bytes = random_bytes
        self._vouch = vouch
        self._grant = grant
        self._highest_version = highest_version
        self._presence = Presence(
            status_ttl_s=deadlines.status_ttl_s, devices_max=self._limits.devices
        )

    @property
    def devices(self) -> Mapping[str, Status | None]:
        """The last status of every device that was heard of; None for one that is gone."""
        return self._presence.devices

    @property
    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None while nothing is due ever."""
        earliest = min(self._engine.next_deadline, self._presence.next_deadline)
        return None if earliest == math.inf else earliest

    def will(self, key: SessionKey) -> Send:
        """Return what the broker is to publish when it loses the viewer of this session."""
        return Send(
            topic=self._topics.to_device(key.peer, self._name, key.session),
            payload=encode(Gone()),
            retain=False,
            ttl_s=self._deadlines.message_ttl_s,
        )

    def offer(
        self,
        device: str,
        *,
        sdp: str,
        want: Want | None = None,
        replaces: str | None = None,
        session: str | None = None,
        now: float,
    ) -> tuple[SessionKey, list[Effect]]:
        """Ask a device for a session.

        ``session`` is the id if the shell chose one already (for its will), ``replaces`` the id
        of the running session that this one is to take over. Raises LocalProtocolError for a
        name that is no id and for the id of a session that runs.
        """
        session = session or new_session_id(self._random_bytes(SESSION_BYTES))
        key = SessionKey(peer=device, peer_key=self._presence.key(device), session=session)
        if key in self._engine.sessions:
            raise LocalProtocolError(f"session {session} runs already")
        offer = Offer(
            nonce="", sdp=sdp, want=want or Want(), replaces=replaces or "", grant=self._grant
        )
        self._offer(self._new_session(key, offer, offered_at=now), now)
        return key, self._engine.take_effects()

    def receive(self, message: Inbound, now: float) -> list[Effect]:
        """Obey a message that arrived, or reject it."""
        taken = self._inbox.take(message, now)
        if isinstance(taken, Refusal):
            self._refuse_unread(message.topic, taken, now)
        elif taken.message.v < self._highest_version(taken.names.device, taken.key):
            text = f"{taken.names.device} spoke a higher version before"
            self._refuse_unread(
                message.topic, Refusal(code=Drop.DOWNGRADE, text=text, names=taken.names), now
            )
        elif taken.names.kind is Kind.STATUS:
            self._receive_status(message.topic, taken, now)
            self._offer_again_after_a_new_key(taken.names.device, now)
        else:
            self._receive_session(message.topic, taken, now)
        return self._engine.take_effects()

    def undelivered(self, topic: str, now: float) -> None:
        """Note that nobody listened to what was sent to ``topic``; an offer is repeated soon."""
        for session in self._engine.sessions.values():
            if session.topic == topic and session.state is State.OFFERED:
                waits = self._deadlines.offer_unheard_s
                wait_s = waits[min(session.unheard, len(waits) - 1)]
                session.unheard += session.repeat_by(now + wait_s)

    def tick(self, now: float) -> list[Effect]:
        """Do everything that is due at ``now``."""
        self._engine.tick(now)
        for device in self._presence.expire(now):
            self._say_gone(device)
        return self._engine.take_effects()

    def judge_again(self, now: float) -> list[Effect]:
        """Leave the devices for which nobody vouches any more, those too that seem to be gone."""
        believed: set[tuple[str, str]] = set()
        denials: dict[str, Denial] = {}
        for device, key, status in self._presence.claims():
            denial = self._vouch(device, key, status)
            if denial is None:
                believed.add((device, key))
            else:
                denials[device] = denial
                self._presence.forget(device, status.boot)
        present = {device for device, _ in believed}
        self._leave(believed, {one: why for one, why in denials.items() if one not in present}, now)
        return self._engine.take_effects()

    def stop(self, now: float) -> list[Effect]:
        """Say bye to every device."""
        cause = Cause(now=now, code=Code.SHUTDOWN.value, text="the viewer was closed")
        self._end_all(cause)
        return self._engine.take_effects()

    def _leave(
        self, believed: set[tuple[str, str]], denials: Mapping[str, Denial], now: float
    ) -> None:
        """End the sessions with keys for which nobody vouches; the key counts, not the name."""
        present = {device for device, _ in believed}
        for session in list(self._engine.sessions.values()):
            device = session.key.peer
            if (device, session.key.peer_key) in believed:
                continue
            if device in present:  # another camera has its name: not final, as that may be watched
                code, text = Code.REPLACED.value, f"{device} has another identity by now"
            elif device in denials:
                code, text = denials[device].code, denials[device].text
            else:
                continue
            self._engine.step(session, Event.LOCAL_END, Cause(now=now, code=code, text=text))
            self._engine.emit(Ended(key=session.key, code=code, text=text, remote=False))
        for device, denial in denials.items():
            self._engine.emit(StatusRefused(device=device, code=denial.code, text=denial.text))

    def _new_session(self, key: SessionKey, offer: Offer, *, offered_at: float) -> Session:
        return Session(
            key=key,
            topic=self._topics.to_device(key.peer, self._name, key.session),
            recipient=Recipient(key=key.peer_key, seal_key=self._presence.seal_key(key.peer)),
            offer=replace(offer, nonce=self._presence.nonce(key.peer)),
            held=Held(self._limits),
            offered_at=offered_at,
        )

    def _offer(self, session: Session, now: float) -> None:
        session.number()
        if not self._engine.store_sdp(session, session.offer, now):
            return
        self._engine.step(session, Event.LOCAL_OFFER, Cause(now=now))
        times = (now + wait_s for wait_s in self._deadlines.offer_resend_s)
        session.resend_at = tuple(at for at in times if at < session.timeout_at)

    def _refuse_unread(self, topic: str, refusal: Refusal, now: float) -> None:
        self._engine.reject(topic, refusal.code, refusal.text)
        names = refusal.names
        if names is not None and names.kind is Kind.STATUS and refusal.code in _NO_STATUS:
            # Else somebody would wait for a camera that the broker seems not to know.
            text = f"what stands as the status of {names.device} is not believed: {refusal.text}"
            code = refusal.code.value
            self._engine.emit(StatusRefused(device=names.device, code=code, text=text))
        if names is None or refusal.received is None:
            return
        # The device speaks only newer versions than we do: waiting cures nothing.
        session = self._find(names.device, refusal.key, names.session)
        if session is not None and session.state is State.OFFERED:
            code = Code.UNSUPPORTED_VERSION.value
            self._engine.step(session, Event.ERROR, Cause(now=now, code=code, text=refusal.text))

    def _receive_status(self, topic: str, arrival: Arrival, now: float) -> None:
        device, message = arrival.names.device, arrival.message
        if isinstance(message, Gone):
            if self._presence.lose(device):
                self._say_gone(device)
            return
        if not isinstance(message, Status):
            self._engine.reject(topic, Drop.UNEXPECTED, "no status")
            return
        denial = self._vouch(device, arrival.key, message)
        if denial is not None:
            self._engine.reject(topic, Drop.UNVOUCHED, denial.text)
            self._engine.emit(StatusRefused(device=device, code=denial.code, text=denial.text))
            return
        self._inbox.prove(device)
        drop = self._presence.hear(device, message, arrival.key, now)
        if drop is None:
            self._engine.emit(StatusChanged(device=device, status=message, gone=False))
        elif drop is not Drop.REPEATED:  # a new subscription brings what we know already
            self._engine.reject(topic, drop, "an older status, or one device too many")

    def _offer_again_after_a_new_key(self, device: str, now: float) -> None:
        """Offer anew what a restarted device cannot read, because its sealing key is another."""
        seal_key = self._presence.seal_key(device)
        for session in list(self._engine.sessions.values()):
            if (
                session.key.peer == device
                and session.state is State.OFFERED
                and session.recipient.seal_key != seal_key
                and session.retries < self._limits.stale_retries
            ):
                self._engine.step(session, Event.STALE_NONCE, Cause(now=now))

    def _say_gone(self, device: str) -> None:
        status = self._presence.status(device)
        self._engine.emit(StatusChanged(device=device, status=status, gone=True))

    def _receive_session(self, topic: str, arrival: Arrival, now: float) -> None:
        names, message = arrival.names, arrival.message
        if not isinstance(message, Answer | Candidates | Bye | Error):
            self._engine.reject(topic, Drop.UNEXPECTED, "no device may send this to a viewer")
            return
        session = self._find(names.device, arrival.key, names.session)
        if session is None:
            self._engine.reject(topic, Drop.UNKNOWN_SESSION, "there is no such session")
            return
        self._presence.prove(names.device, session.recipient.seal_key)
        if isinstance(message, Answer):
            self._receive_answer(topic, session, message, now)
        elif isinstance(message, Candidates):
            self._engine.receive_candidates(session, message, now)
        elif isinstance(message, Bye):
            self._engine.receive_end(session, message, now)
        else:
            self._receive_error(topic, session, message, now)

    def _find(self, device: str, key: str, session: str) -> Session | None:
        return self._engine.sessions.get(SessionKey(peer=device, peer_key=key, session=session))

    def _receive_answer(self, topic: str, session: Session, message: Answer, now: float) -> None:
        if message.re != session.offer_hash:
            self._engine.reject(topic, Drop.WRONG_RE, "the answer is to another offer")
            return
        session.last_n = max(session.last_n, message.n)
        self._engine.step(session, Event.ANSWER, Cause(now=now, answer=message))

    def _receive_error(self, topic: str, session: Session, message: Error, now: float) -> None:
        if message.re not in ("", session.offer_hash):
            self._engine.reject(topic, Drop.WRONG_RE, "the error is about another offer")
        elif (
            message.code == Code.STALE_NONCE
            and message.nonce
            and session.state is State.OFFERED
            and session.retries < self._limits.stale_retries
        ):
            self._presence.learn_nonce(session.key.peer, message.nonce)
            self._engine.step(session, Event.STALE_NONCE, Cause(now=now))
        else:
            self._engine.receive_end(session, message, now)

    def _doubt(self, session: Session, cause: Cause) -> None:
        if cause.code == Code.NO_ANSWER and not cause.remote:
            self._presence.doubt(session.key.peer, session.recipient.seal_key)

    def _tell_answer(self, session: Session, cause: Cause) -> None:
        self._engine.emit(Answered(key=session.key, answer=cause.answer))

    def _retry(self, session: Session, cause: Cause) -> None:
        new_id = new_session_id(self._random_bytes(SESSION_BYTES))
        peer_key = self._presence.key(session.key.peer)
        key = replace(session.key, session=new_id, peer_key=peer_key)
        again = self._new_session(key, session.offer, offered_at=session.offered_at)
        again.retries = session.retries + 1
        again.queue = session.queue.again()
        self._engine.emit(Renamed(old=session.key, new=key))
        self._offer(again, cause.now)
        if not again.queue.is_empty:
            self._engine.step(again, Event.LOCAL_CANDIDATES, cause)

    def _explain(self, session: Session, code: Code) -> str:
        if code is not Code.NO_ANSWER:
            return sentence(code)
        device = session.key.peer
        status = self._presence.status(device)
        if self._presence.is_gone(device):
            return f"{device} did not answer: the broker lost its connection"
        if status is None:
            return (
                f"{device} did not answer and never said that it is there: check its name, "
                "and whether this viewer may see it"
            )
        return f"{device} did not answer, though its last status says {status.state}"
