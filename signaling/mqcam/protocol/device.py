"""The device's end of all its sessions: messages and time in, effects out.

It must not know sockets, clocks or media: the shell brings what arrives and obeys the effects.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.protocol.admission import Admission, Authorize
from mqcam.protocol.announcer import Announcer
from mqcam.protocol.codec import body_hash
from mqcam.protocol.codes import Code, Drop, sentence
from mqcam.protocol.effects import Ended, PairRequested, SessionKey, Started
from mqcam.protocol.endpoint import Endpoint
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.inbox import Arrival, Refusal
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import (
    OFFLINE,
    ONLINE,
    VERSION,
    Answer,
    Bye,
    Candidates,
    Error,
    Gone,
    Offer,
    Pair,
    Status,
)
from mqcam.protocol.roles import DEVICE, Action, Event, State
from mqcam.protocol.session import Cause, Session
from mqcam.protocol.topics import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import Effect, Inbound, Send
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.messages import CaptureState, Clock, IceServer, MediaClock, Paired


class DeviceEndpoint(Endpoint):
    """Answer offers, keep sessions and publish the status of one device.

    ``proven`` are the names of viewers who were let in here before: made-up names do not crowd
    them out, from the first message on. No method raises because of what a stranger sent; a local
    event for a session that is over is ignored.
    """

    def __init__(
        self,
        *,
        namespace: str,
        name: str,
        boot: str,
        envelope: Envelope,
        deadlines: Deadlines,
        max_viewers: int,
        random_bytes: Callable[[int], bytes],
        authorize: Authorize,
        key: str,
        seal_key: str = "",
        certificate: str = "",
        proven: Iterable[str] = (),
        allow_loopback: bool = False,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        super().__init__(
            role=DEVICE,
            own=Kind.TO_DEVICE,
            namespace=namespace,
            name=name,
            envelope=envelope,
            deadlines=deadlines,
            limits=limits,
            allow_loopback=allow_loopback,
            perform={
                Action.START: self._start_session,
                Action.END_REPLACED: self._end_replaced,
            },
            on_end=self._bury,
            explain=lambda _, code: sentence(code),
        )
        self._key = key
        for viewer in proven:
            self._inbox.prove(viewer)
        self._admission = Admission(
            engine=self._engine,
            deadlines=deadlines,
            limits=limits,
            random_bytes=random_bytes,
            authorize=authorize,
            max_viewers=max_viewers,
            topic_to=self._topic_to,
            on_new_nonce=self._say_new_nonce,
            on_admitted=self._inbox.prove,
        )
        self._announcer = Announcer(
            topic=self._topics.status(name),
            status=Status(
                n=0,
                state=ONLINE,
                boot=boot,
                nonce=self._admission.nonces.current,
                certificate=certificate,
                seal_key=seal_key,
            ),
            envelope=envelope,
            deadlines=deadlines,
        )
        self._is_stopped = False

    @property
    def status(self) -> Status:
        """The status as it was last published."""
        return self._announcer.status

    @property
    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None while nothing is due ever."""
        earliest = min(
            self._engine.next_deadline,
            self._admission.nonces.next_deadline,
            self._announcer.next_deadline,
            self._admission.waiting.next_deadline,
        )
        return None if earliest == math.inf or self._is_stopped else earliest

    def start(self, now: float) -> list[Effect]:
        """Publish the first status and start the timers."""
        self._admission.nonces.start(now)
        return [self._announcer.say(now)]

    def birth(self) -> Send:
        """Return the status to publish at the start of every connection to the broker."""
        return self._announcer.birth()

    def will(self) -> Send:
        """Return what the broker is to publish when it loses this device."""
        return self._announcer.will()

    def receive(self, message: Inbound, now: float) -> list[Effect]:
        """Obey a message that arrived, or reject it."""
        if self._is_stopped:
            return []
        taken = self._inbox.take(message, now)
        if isinstance(taken, Refusal):
            self._refuse_unread(message.topic, taken, now)
        elif taken.names.kind is Kind.STATUS:
            self._receive_own_status(message, taken, now)
        else:
            self._receive_session(message.topic, taken, now)
        return self._engine.take_effects()

    def tick(self, now: float) -> list[Effect]:
        """Do everything that is due at ``now``."""
        if self._is_stopped:
            return []
        self._engine.tick(now)
        for key in self._admission.waiting.expire(now):
            topic = self._topics.to_device(self._name, key.peer, key.session)
            self._engine.reject(topic, Drop.CANDIDATES_EXPIRED, "no offer followed in time")
        if self._admission.nonces.tick(now):
            self._say_new_nonce(now)
        status = self._announcer.tick(now)
        if status is not None:
            self._engine.emit(status)
        return self._engine.take_effects()

    def answered(
        self,
        key: SessionKey,
        *,
        sdp: str,
        ice_servers: Sequence[IceServer] = (),
        clock: MediaClock | None = None,
        now: float,
    ) -> list[Effect]:
        """Send the answer of the shell; candidates that waited for it come as effects."""
        session = self._engine.sessions.get(key)
        if session is not None and session.state is State.OFFERED:
            answer = Answer(
                n=session.number(),
                re=session.offer_hash,
                sdp=sdp,
                ice_servers=tuple(ice_servers),
                clock=clock,
            )
            if self._engine.store_sdp(session, answer, now):
                self._engine.step(session, Event.LOCAL_ANSWER, Cause(now=now))
        return self._engine.take_effects()

    def refused(self, key: SessionKey, *, code: str, text: str, now: float) -> list[Effect]:
        """Tell the viewer why his offer cannot be answered."""
        return self._local(key, Event.LOCAL_REFUSAL, Cause(now=now, code=code, text=text))

    def judge_again(self, now: float) -> list[Effect]:
        """End the sessions of viewers who have no right to view any more."""
        self._admission.judge_again(now)
        return self._engine.take_effects()

    def reply_to_pair(
        self, key: SessionKey, seal_key: str, message: Paired | Error
    ) -> list[Effect]:
        """Answer a viewer who asked to be let in."""
        recipient = Recipient(key=key.peer_key, seal_key=seal_key)
        self._engine.send_to(recipient, self._topic_to(key), message)
        return self._engine.take_effects()

    def update_status(
        self,
        *,
        state: str | None = None,
        capture: CaptureState | None = None,
        clock: Clock | None = None,
        capabilities: Sequence[str] | None = None,
        now: float,
    ) -> list[Effect]:
        """Publish the status if what is given differs from what was said."""
        if self._is_stopped:
            return []
        old = self._announcer.status
        changed = self._announcer.change(
            replace(
                old,
                state=old.state if state is None else state,
                capture=old.capture if capture is None else capture,
                clock=old.clock if clock is None else clock,
                capabilities=old.capabilities if capabilities is None else tuple(capabilities),
            )
        )
        return [self._announcer.say(now)] if changed else []

    def stop(self, now: float, *, since: int | None = None) -> list[Effect]:
        """Say bye to everybody and publish that we are offline; later calls do nothing.

        ``since`` is the Unix second of now, left out where the clock cannot be believed.
        """
        if self._is_stopped:
            return []
        cause = Cause(now=now, code=Code.SHUTDOWN.value, text="the camera was stopped")
        self._end_all(cause)
        self._announcer.change(replace(self._announcer.status, state=OFFLINE, since=since))
        self._engine.emit(self._announcer.birth())
        self._is_stopped = True
        return self._engine.take_effects()

    def _refuse_unread(self, topic: str, refusal: Refusal, now: float) -> None:
        self._engine.reject(topic, refusal.code, refusal.text)
        names = refusal.names
        if names is not None and names.kind is Kind.STATUS and refusal.code is not Drop.THROTTLED:
            self._repair_status(now)
        if names is None or names.kind is not Kind.TO_DEVICE or not refusal.key:
            return
        key = SessionKey(peer=names.viewer, peer_key=refusal.key, session=names.session)
        if key in self._engine.sessions or self._admission.is_over(key):
            return
        self._admission.tell_stranger(
            key,
            refusal.seal_key,
            Error(
                n=0,
                code=refusal.code.value,
                text=refusal.text,
                speaks=None if refusal.received is None else VERSION,
                received=refusal.received,
            ),
            now,
        )

    def _receive_own_status(self, inbound: Inbound, arrival: Arrival, now: float) -> None:
        message = arrival.message
        is_ours = arrival.key == self._key
        if isinstance(message, Status) and is_ours and not self._announcer.is_foreign(message):
            return
        # A retained one is what we, or the camera before us, said last; a fresh one is a rival's.
        if not isinstance(message, Gone) and not inbound.retained:
            text = "another program uses the identity of this device: stop one of the two"
            if not is_ours:
                text = (
                    "another camera writes the status of this one, with another key: stop the one "
                    "before it if that still runs; else somebody has its password, and its owner "
                    "runs 'mqcam-broker add-device --replace'"
                )
            self._engine.reject(inbound.topic, Drop.FOREIGN_STATUS, text)
        self._repair_status(now)

    def _repair_status(self, now: float) -> None:
        status = self._announcer.repair(now)
        if status is not None:
            self._engine.emit(status)

    def _receive_session(self, topic: str, arrival: Arrival, now: float) -> None:
        names, message = arrival.names, arrival.message
        if isinstance(message, Gone):
            self._receive_gone(topic, arrival, now)
            return
        key = SessionKey(peer=names.viewer, peer_key=arrival.key, session=names.session)
        if isinstance(message, Offer):
            self._admission.receive(topic, key, arrival, now)
            return
        if isinstance(message, Pair):
            re = body_hash(arrival.body)
            self._engine.emit(
                PairRequested(key=key, seal_key=arrival.seal_key, re=re, pair=message)
            )
            return
        if not isinstance(message, Candidates | Bye | Error):
            self._engine.reject(topic, Drop.UNEXPECTED, "no viewer may send this to a device")
            return
        session = self._engine.sessions.get(key)
        if session is None:
            self._receive_without_session(topic, key, message, now)
        elif isinstance(message, Candidates):
            self._engine.receive_candidates(session, message, now)
        else:
            self._engine.receive_end(session, message, now)

    def _receive_without_session(
        self, topic: str, key: SessionKey, message: Candidates | Bye | Error, now: float
    ) -> None:
        if self._admission.is_over(key):
            self._engine.reject(topic, Drop.AFTER_CLOSE, "the session is over")
        elif not isinstance(message, Candidates):
            self._engine.reject(topic, Drop.UNKNOWN_SESSION, "there is no such session")
        elif not self._admission.waiting.add(key, message, now):
            self._engine.reject(topic, Drop.TOO_MANY_CANDIDATES, "too many before the offer")

    def _receive_gone(self, topic: str, arrival: Arrival, now: float) -> None:
        # Unsigned, so it names no key: whoever has this name and session is meant.
        names = (arrival.names.viewer, arrival.names.session)
        meant = [one for one in self._engine.sessions if (one.peer, one.session) == names]
        if not meant:
            self._engine.reject(topic, Drop.UNKNOWN_SESSION, "there is no such session")
        cause = Cause(now=now, code=Code.GONE.value, text=sentence(Code.GONE), remote=True)
        for key in meant:
            self._engine.local(key, Event.GONE, cause)

    def _start_session(self, session: Session, cause: Cause) -> None:  # noqa: ARG002
        self._engine.emit(
            Started(
                key=session.key,
                offer=session.offer,
                replaces=session.replaces,
                rights=session.rights,
            )
        )

    def _end_replaced(self, session: Session, cause: Cause) -> None:
        old = None if session.replaces is None else self._engine.sessions.get(session.replaces)
        if old is None:
            return
        text = sentence(Code.REPLACED)
        ended = Cause(now=cause.now, code=Code.REPLACED.value, text=text)
        self._engine.step(old, Event.LOCAL_END, ended)
        self._engine.emit(Ended(key=old.key, code=Code.REPLACED.value, text=text, remote=False))

    def _bury(self, session: Session, cause: Cause) -> None:
        self._admission.bury(session, cause.now)

    def _say_new_nonce(self, now: float) -> None:
        nonce = self._admission.nonces.current
        self._announcer.change(replace(self._announcer.status, nonce=nonce))
        self._engine.emit(self._announcer.say(now))

    def _topic_to(self, key: SessionKey) -> str:
        return self._topics.to_viewer(key.peer, self._name, key.session)
