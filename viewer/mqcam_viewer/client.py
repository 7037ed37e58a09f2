"""A viewer's connection to the broker, shared by all the cameras it watches.

It must not know pictures: sessions have them. Messages come in here and find their session.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Self

from mqcam.credentials import credentials_of
from mqcam.driver import Driver, outgoing
from mqcam.errors import BrokerError, SessionError
from mqcam.ice import IceSettings
from mqcam.mqtt import MqttSession, Subscription
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.effects import (
    Answered,
    Effect,
    Ended,
    RemoteCandidates,
    Renamed,
    Send,
    StatusChanged,
)
from mqcam.protocol.topics import CLIENT_ID_BYTES, Namespace, new_client_id
from mqcam.protocol.viewer import ViewerEndpoint
from mqcam.trust import PlainEnvelope

from mqcam_viewer.frames import MAX_WAITING
from mqcam_viewer.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from mqcam.broker import BrokerState
    from mqcam.credentials import Credentials
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.messages import Status, Want
    from mqcam.transport import Delivery

    from mqcam_viewer.session import Session

logger = logging.getLogger(__name__)

CONNECT_S = 10.0
"""How long the broker may take to accept us before ``async with`` gives up."""

STATUS_S = 3.0
"""How long the broker may take to hand over a camera's retained status."""

OFFLINE = "offline"
"""The state in which a camera says good-bye."""

QUIET_S = 0.3
"""A list of cameras is complete when no further status came for this long."""


class Client:
    """A viewer at its broker: ``async with Client(credentials) as client``."""

    def __init__(
        self,
        credentials: Credentials | Path | str,
        *,
        ice: IceSettings | None = None,
        deadlines: Deadlines | None = None,
        on_broker: Callable[[BrokerState], None] | None = None,
    ) -> None:
        self._credentials = credentials_of("viewer", credentials)
        self.ice = ice or IceSettings()
        self.deadlines = deadlines or Deadlines()
        self._topics = Namespace(self._credentials.namespace)
        self._endpoint = ViewerEndpoint(
            namespace=self._credentials.namespace,
            name=self._credentials.name,
            envelope=PlainEnvelope(self._credentials.namespace),
            deadlines=self.deadlines,
            random_bytes=secrets.token_bytes,
            allow_loopback=self.ice.loopback,
        )
        self._driver = Driver(
            self._endpoint,
            handle=self._handle,
            before_tick=self._report_heard,
            undelivered=self._endpoint.undelivered,
        )
        self._sessions: dict[SessionKey, Session] = {}
        self._left_at: dict[str, float] = {}
        self._watched: Counter[str] = Counter()
        self._status_arrived = asyncio.Event()
        self._statuses_seen = 0
        self._on_status: Callable[[], None] = lambda: None
        self._broker = MqttSession(
            self._credentials.broker_settings(),
            client_id=new_client_id(self._credentials.name, secrets.token_bytes(CLIENT_ID_BYTES)),
            receive=self._driver.receive,
            clean_start=True,
            session_expiry_s=0,
            on_state=on_broker,
            subscriptions=(Subscription(topic=self._topics.viewer_filter(self._credentials.name)),),
        )
        self._driver.bind(self._broker)
        self._running: asyncio.Task[None] | None = None

    @property
    def brokers(self) -> tuple[str, ...]:
        """Return where the broker is looked for."""
        return tuple(map(str, self._credentials.broker_settings().addresses))

    async def __aenter__(self) -> Self:
        """Connect to the broker; raises BrokerError."""
        self._running = asyncio.create_task(self._broker.run(), name="broker session")
        try:
            await self._broker.wait_connected(CONNECT_S)
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
        await self._broker.stop([outgoing(each) for each in last if isinstance(each, Send)])
        if self._running is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None

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

    @contextlib.asynccontextmanager
    async def follow(self, on_status: Callable[[], None]) -> AsyncIterator[None]:
        """Follow every camera inside the block: ``on_status`` is called when ``known`` changed."""
        everything = self._topics.status_filter()
        self._on_status = on_status
        try:
            with contextlib.suppress(BrokerError):  # lost meanwhile: it is asked for again
                await self._broker.subscribe(Subscription(topic=everything))
            yield
        finally:
            self._on_status = lambda: None
            with contextlib.suppress(BrokerError):
                await self._broker.unsubscribe(everything)

    def known(self) -> dict[str, Status | None]:
        """Return the cameras heard of so far; None for one that the broker lost."""
        return dict(sorted(self._endpoint.devices.items()))

    async def cameras(self) -> dict[str, Status | None]:
        """Return every camera that the broker lets us see; None for one that it has lost."""
        everything = self._topics.status_filter()
        await self._broker.subscribe(Subscription(topic=everything))
        deadline = time.monotonic() + STATUS_S
        while time.monotonic() < deadline:
            seen = self._statuses_seen
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await self._next_status()
            if seen == self._statuses_seen:
                break
        await self._broker.unsubscribe(everything)
        return self.known()

    # what a stream asks

    @contextlib.asynccontextmanager
    async def presence(self, camera: str) -> AsyncIterator[None]:
        """Follow a camera's status inside the block; raises SessionError when it is not there."""
        topic = self._topics.status(camera)
        if self._watched[camera] == 0:
            await self._broker.subscribe(Subscription(topic=topic))
        self._watched[camera] += 1
        try:
            await self._check_present(camera)
            yield
        finally:
            self._watched[camera] -= 1
            if self._watched[camera] == 0:
                del self._watched[camera]
                with contextlib.suppress(BrokerError):
                    await self._broker.unsubscribe(topic)

    async def until_present(self, camera: str) -> None:
        """Wait, however long, while a followed camera is known to be away."""
        while not self._is_present(camera):
            await self._next_status()

    async def _check_present(self, camera: str) -> None:
        """Wait for a status that says something; raises SessionError when it says no.

        What the broker says of a camera (gone) is a hint: after the broker's own restart it is
        wrong until the camera is back. What the camera says of itself (offline) is not.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STATUS_S):
                while self._endpoint.devices.get(camera) is None:
                    await self._next_status()
        if camera not in self._endpoint.devices:
            raise SessionError(
                "unknown-camera",
                f"the broker knows no camera {camera} (waited {STATUS_S:g} s): "
                "'mqcam-viewer list' shows those that it knows",
            )
        if not self._is_present(camera):
            since = self.offline_since(camera)
            when = "" if since is None else f" since {_clock_time(since)}"
            raise SessionError(
                "offline", f"the camera {camera} is offline{when}: check its power and its network"
            )

    def offline_since(self, camera: str) -> datetime | None:
        """Return when a camera left, if it said so or we saw it; None where nobody knows."""
        if self._is_present(camera):
            return None
        status = self._endpoint.devices.get(camera)
        said = None if status is None or status.state != OFFLINE else status.since
        at = self._left_at.get(camera) if said is None else said
        try:
            return None if at is None else datetime.fromtimestamp(at).astimezone()
        except (ValueError, OverflowError, OSError):
            return None  # it says a time that no calendar has

    def _is_present(self, camera: str) -> bool:
        status = self._endpoint.devices.get(camera)
        return status is not None and status.state != OFFLINE

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

    # effects

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
                self._note_leaving(device, status, gone=gone)
                self._statuses_seen += 1
                self._status_arrived.set()
                self._on_status()
            case _:
                raise RuntimeError(f"a viewer has no use for {type(effect).__name__}")

    def _note_leaving(self, camera: str, status: Status | None, *, gone: bool) -> None:
        """Keep when a camera left before our eyes; one that was away before says it itself."""
        if not gone:
            self._left_at.pop(camera, None)
        elif status is not None and status.state != OFFLINE:
            self._left_at.setdefault(camera, time.time())

    async def _next_status(self) -> None:
        """Wait for a status; the caller bounds it."""
        self._status_arrived.clear()
        await self._status_arrived.wait()

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


def _clock_time(at: datetime) -> str:
    """Return the time of day, with the date of another day."""
    is_today = at.date() == datetime.now().astimezone().date()
    return f"{at:%H:%M}" if is_today else f"{at:%d %B, %H:%M}"
