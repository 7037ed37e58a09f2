"""A viewer's connection to the broker, shared by all the cameras it watches.

It must not know pictures: sessions have them. Messages come in here and find their session.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from mqcam.credentials import credentials_of
from mqcam.driver import Driver, outgoing
from mqcam.errors import AccountRefused, SessionError
from mqcam.ice import IceSettings
from mqcam.mqtt import MqttSession, Subscription
from mqcam.ownerlink import OwnerLink
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.effects import (
    Answered,
    Effect,
    Ended,
    RemoteCandidates,
    Renamed,
    Send,
    StatusChanged,
    StatusRefused,
)
from mqcam.protocol.topics import CLIENT_ID_BYTES, Namespace, new_client_id
from mqcam.protocol.viewer import ViewerEndpoint
from mqcam.trust.keystore import with_password

from mqcam_viewer.frames import MAX_WAITING
from mqcam_viewer.presence import Presence
from mqcam_viewer.standing import Standing, for_guest
from mqcam_viewer.stream import Stream
from mqcam_viewer.trust import Trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from mqcam.broker import BrokerState
    from mqcam.credentials import Credentials
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.messages import Status, Want
    from mqcam.transport import Delivery, Incoming
    from mqcam.trust.ownerstate import OwnerState

    from mqcam_viewer.session import Session

CONNECT_S = 10.0
"""How long the broker may take to accept us before ``async with`` gives up."""


class Client:
    """A viewer at its broker: ``async with Client(credentials) as client``."""

    def __init__(
        self,
        credentials: Credentials | Path | str,
        *,
        ice: IceSettings | None = None,
        deadlines: Deadlines | None = None,
        on_broker: Callable[[BrokerState], None] | None = None,
        on_new_identity: Callable[[str], None] = lambda _camera: None,
    ) -> None:
        self._credentials = with_password(credentials_of("viewer", credentials))
        self.ice = replace(ice or IceSettings(), ca_pem=self._credentials.ca)
        self.deadlines = deadlines or Deadlines()
        self._topics = Namespace(self._credentials.namespace)
        self._trust = Trust(
            self._credentials, on_owner_state=self._judge_again, on_new_identity=on_new_identity
        )
        self._endpoint = ViewerEndpoint(
            namespace=self._credentials.namespace,
            name=self._credentials.name,
            envelope=self._trust.envelope,
            deadlines=self.deadlines,
            random_bytes=secrets.token_bytes,
            vouch=self._trust.vouch,
            grant=self._trust.grant,
            highest_version=self._trust.highest_version,
            allow_loopback=self.ice.loopback,
        )
        self._driver = Driver(
            self._endpoint,
            handle=self._handle,
            before_tick=self._report_heard,
            undelivered=self._endpoint.undelivered,
        )
        self._sessions: dict[SessionKey, Session] = {}
        self._owner = OwnerLink(
            self._trust.owner,
            self._credentials.broker_settings(),
            readdress=lambda where: self._broker.readdress(where),  # noqa: PLW0108 - made below
            probe=lambda where, tell: self._broker.prober.start(where, tell),  # noqa: PLW0108
            patience_s=CONNECT_S / 2,
            is_hasty=True,
        )
        self._on_broker = on_broker
        self.standing = Standing()
        self._broker = MqttSession(
            self._owner.settings,
            client_id=new_client_id(self._credentials.name, secrets.token_bytes(CLIENT_ID_BYTES)),
            receive=self._receive,
            clean_start=True,
            session_expiry_s=0,
            on_state=self._broker_changed,
            subscriptions=(
                Subscription(topic=self._topics.viewer_filter(self._credentials.name)),
                *self._owner.subscriptions,
            ),
        )
        self._driver.bind(self._broker)
        self._presence = Presence(
            broker=self._broker,
            topics=self._topics,
            devices=lambda: self._endpoint.devices,
            grant=self._trust.granted,
        )
        self._running: asyncio.Task[None] | None = None

    @property
    def brokers(self) -> tuple[str, ...]:
        """Return where the broker is looked for."""
        return tuple(map(str, self._owner.settings.addresses))

    async def __aenter__(self) -> Self:
        """Connect to the broker; raises BrokerError."""
        self._running = asyncio.create_task(self._broker.run(), name="broker session")
        try:
            await self._broker.wait_connected(CONNECT_S)
        except AccountRefused as error:
            await self.close()
            raise for_guest(error) from error
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """End the sessions that are left and leave the broker."""
        await self.close()

    async def close(self) -> None:
        """Leave the broker; sessions that still run are told to end."""
        last = self._endpoint.stop(time.monotonic())
        self._driver.close()
        self._owner.close()
        await self._broker.stop([outgoing(each) for each in last if isinstance(each, Send)])
        if self._running is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None
        await self._trust.close()

    def watch(
        self,
        camera: str,
        *,
        want: Want | None = None,
        on_trouble: Callable[[SessionError | None], None] = lambda _why: None,
        is_decoding: bool = True,
        max_waiting: int = MAX_WAITING,
    ) -> Stream:
        """Return the stream of a camera, to be entered with ``async with``.

        At most ``max_waiting`` pictures wait for a slow reader: few for a screen, more for a
        program that wants each of them.
        """
        return Stream(
            camera,
            client=self,
            want=want,
            on_trouble=on_trouble,
            is_decoding=is_decoding,
            max_waiting=max_waiting,
        )

    def follow(self, on_status: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Follow every camera inside the block: ``on_status`` is called when ``known`` changed."""
        return self._presence.follow(on_status)

    def known(self) -> dict[str, Status | None]:
        """Return the cameras heard of so far; None for one that the broker lost."""
        return self._presence.known()

    def refused(self) -> dict[str, SessionError]:
        """Return the names under which somebody else than the camera spoke last, and why."""
        return self._presence.refused()

    async def cameras(self) -> dict[str, Status | None]:
        """Return every camera that the broker lets us see; None for one that it has lost."""
        return await self._presence.cameras()

    def offline_since(self, camera: str) -> datetime | None:
        """Return when a camera left, if it said so or we saw it; None where nobody knows."""
        return self._presence.offline_since(camera)

    # what a stream asks

    def presence(self, camera: str) -> AbstractAsyncContextManager[None]:
        """Follow a camera's status inside the block; raises SessionError when it is not there."""
        return self._presence.of(camera)

    async def until_present(self, camera: str) -> None:
        """Wait, however long, while a followed camera is known to be away."""
        await self._presence.until_present(camera)

    # what a session tells (session.Signaling)

    def offer(self, session: Session, sdp: str, *, replaces: str | None) -> SessionKey:
        """Send the offer of a session."""
        key, effects = self._endpoint.offer(
            session.camera,
            sdp=sdp,
            want=session.want,
            replaces=replaces,
            now=time.monotonic(),
        )
        self._sessions[key] = session
        self._driver.apply(effects)
        return key

    def found(self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Send local candidates that the offer did not hold."""
        self._driver.apply(
            self._endpoint.local_candidates(
                key, candidates, ufrag=ufrag, end=end, now=time.monotonic()
            )
        )

    def connected(self, key: SessionKey) -> None:
        """Note that the camera is reached."""
        self._driver.apply(self._endpoint.connected(key, time.monotonic()))

    def ended(self, key: SessionKey, code: str, text: str) -> Sequence[asyncio.Future[Delivery]]:
        """Note that this side ended a session, or saw it end; return the good-bye's receipt."""
        self._sessions.pop(key, None)
        return self._driver.apply(
            self._endpoint.ended(key, reason=code, text=text, now=time.monotonic())
        )

    # messages and effects

    def _receive(self, message: Incoming) -> None:
        if not self._owner.takes(message, time.monotonic()):
            self._driver.receive(message)

    def _judge_again(self, _state: OwnerState) -> None:
        self._driver.apply(self._endpoint.judge_again(time.monotonic()))

    def _broker_changed(self, state: BrokerState) -> None:
        self._owner.note(state)
        self.standing.note(state)
        if self._on_broker is not None:
            self._on_broker(state)

    def _handle(self, effect: Effect) -> None:
        match effect:
            case Answered(key=key, answer=answer):
                self._sessions[key].answered(answer)
            case RemoteCandidates(key=key, candidates=candidates, ufrag=ufrag, end=end):
                self._sessions[key].add_candidates(candidates, ufrag=ufrag, end=end)
            case Renamed(old=old, new=new):
                session = self._sessions.pop(old)
                session.key = new
                self._sessions[new] = session
            case Ended(key=key, code=code, text=text):
                self._sessions.pop(key).ended(code, text)
            case StatusChanged(device=device, status=status, gone=gone):
                self._presence.note(device, status, gone=gone)
            case StatusRefused(device=device, code=code, text=text):
                self._presence.refuse(device, SessionError(code, text))
            case _:
                raise RuntimeError(f"a viewer has no use for {type(effect).__name__}")

    def _report_heard(self) -> None:
        for key, session in self._sessions.items():
            if session.heard_at:
                self._endpoint.heard(key, session.heard_at)


@contextlib.asynccontextmanager
async def connect(
    camera: str,
    credentials: Credentials | Path | str,
    *,
    want: Want | None = None,
    ice: IceSettings | None = None,
    deadlines: Deadlines | None = None,
) -> AsyncIterator[Stream]:
    """Watch one camera from one viewer's account.

    ``async with connect("front", "laptop.viewer.yaml") as stream`` is all that a program needs.
    Raises BrokerError, SessionError and CredentialsError, each with a sentence for a person.
    """
    async with (
        Client(credentials, ice=ice, deadlines=deadlines) as client,
        client.watch(camera, want=want) as stream,
    ):
        yield stream
