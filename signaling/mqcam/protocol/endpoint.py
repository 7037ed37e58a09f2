"""One end of all its sessions, device or viewer: what the shell reports is the same at either.

It must not know what only one role does; it has no clock and no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.protocol.engine import Engine
from mqcam.protocol.inbox import Inbox
from mqcam.protocol.roles import Event
from mqcam.protocol.session import Cause
from mqcam.protocol.topics import Kind, Namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mqcam.protocol.codes import Code
    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import Effect, SessionKey
    from mqcam.protocol.engine import Perform
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.limits import Limits
    from mqcam.protocol.roles import Action, Role
    from mqcam.protocol.session import Session


class Endpoint:
    """Keep the sessions of one end and obey its shell.

    A local event for a session that is over is ignored.
    """

    def __init__(
        self,
        *,
        role: Role,
        own: Kind,
        namespace: str,
        name: str,
        envelope: Envelope,
        deadlines: Deadlines,
        limits: Limits,
        allow_loopback: bool,
        perform: Mapping[Action, Perform],
        on_end: Perform,
        explain: Callable[[Session, Code], str],
    ) -> None:
        self._name = name
        self._topics = Namespace(namespace)
        self._inbox = Inbox(
            namespace=self._topics, own=own, name=name, envelope=envelope, limits=limits
        )
        self._engine = Engine(
            role=role,
            envelope=envelope,
            deadlines=deadlines,
            limits=limits,
            allow_loopback=allow_loopback,
            perform=perform,
            on_end=on_end,
            explain=explain,
        )

    @property
    def sessions(self) -> tuple[SessionKey, ...]:
        """The sessions that are not over."""
        return tuple(self._engine.sessions)

    def local_candidates(
        self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool, now: float
    ) -> list[Effect]:
        """Send candidates that our connection found, batched, after our SDP."""
        self._engine.add_local_candidates(key, candidates, ufrag=ufrag, end=end, now=now)
        return self._engine.take_effects()

    def connected(self, key: SessionKey, now: float) -> list[Effect]:
        """Note that the connection of a session is there."""
        return self._local(key, Event.CONNECTED, Cause(now=now))

    def heard(self, key: SessionKey, at: float) -> None:
        """Note the time of the last authenticated packet (monotonic seconds)."""
        self._engine.heard(key, at)

    def ended(self, key: SessionKey, *, reason: str, text: str = "", now: float) -> list[Effect]:
        """Say bye to the other end of a session that our side closed."""
        return self._local(key, Event.LOCAL_END, Cause(now=now, code=reason, text=text))

    def _local(self, key: SessionKey, event: Event, cause: Cause) -> list[Effect]:
        self._engine.local(key, event, cause)
        return self._engine.take_effects()

    def _end_all(self, cause: Cause) -> None:
        for session in list(self._engine.sessions.values()):
            self._engine.step(session, Event.LOCAL_END, cause)
