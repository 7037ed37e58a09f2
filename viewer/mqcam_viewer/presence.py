"""Which cameras are there, as far as the broker and the cameras themselves tell.

It must not know sessions: it follows statuses, and says why a camera cannot be watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from mqcam.broker import Subscription
from mqcam.errors import BrokerError, SessionError
from mqcam.log import fields
from mqcam.protocol.bucket import Buckets
from mqcam.protocol.messages import OFFLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from mqcam.mqtt import MqttSession
    from mqcam.protocol.messages import Status
    from mqcam.protocol.topics import Namespace
    from mqcam.trust.documents import Grant

logger = logging.getLogger(__name__)

STATUS_S = 3.0
"""How long the broker may take to hand over a camera's retained status."""

MAX_REFUSED = 256
"""Cameras that are not believed, remembered with the reason; further ones are only logged."""

LINES_BURST = 20.0
LINES_PER_S = 1.0
"""Lines in the log about cameras that are not believed: each forged key makes another reason."""

QUIET_S = 0.3
"""A list of cameras is complete when no further status came for this long."""


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Log no camera that is not believed inside the block: who enters it tells them itself."""

    def refuse(_record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)


class Presence:
    """The cameras of one broker; ``devices`` returns what the protocol knows of them."""

    def __init__(
        self,
        *,
        broker: MqttSession,
        topics: Namespace,
        devices: Callable[[], Mapping[str, Status | None]],
        grant: Grant | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._grant = grant
        self._broker = broker
        self._topics = topics
        self._devices = devices
        self._left_at: dict[str, float] = {}
        self._refused: dict[str, SessionError] = {}
        self._clock = clock
        self._lines = Buckets(burst=LINES_BURST, per_s=LINES_PER_S, names_max=1)
        self._watched: Counter[str] = Counter()
        self._status_arrived = asyncio.Event()
        self._statuses_seen = 0
        self._is_following = False
        self._on_status: Callable[[], None] = lambda: None

    def note(self, camera: str, status: Status | None, *, gone: bool) -> None:
        """Take a status, or that a camera may not be there any more."""
        self._note_leaving(camera, status, gone=gone)
        if not gone:
            self._refused.pop(camera, None)
        self._tell_status()

    def refuse(self, camera: str, error: SessionError) -> None:
        """Keep why a camera is not believed; said loudly once per reason, to a limit."""
        known = self._refused.get(camera)
        is_news = known is None or known.text != error.text
        if is_news and self._lines.take("", self._clock()):
            logger.error(
                "camera not believed", extra=fields(camera=camera, code=error.code, text=error.text)
            )
        if known is not None or len(self._refused) < MAX_REFUSED:
            self._refused[camera] = error
        self._tell_status()

    @contextlib.asynccontextmanager
    async def follow(self, on_status: Callable[[], None]) -> AsyncIterator[None]:
        """Follow every camera inside the block: ``on_status`` is called when ``known`` changed."""
        everything = self._topics.status_filter()
        self._on_status = on_status
        self._is_following = True
        try:
            with contextlib.suppress(BrokerError):  # lost meanwhile: it is asked for again
                await self._broker.subscribe(Subscription(topic=everything))
            yield
        finally:
            self._on_status = lambda: None
            self._is_following = False
            with contextlib.suppress(BrokerError):
                await self._broker.unsubscribe(everything)

    def known(self) -> dict[str, Status | None]:
        """Return the cameras heard of so far; None for one that the broker lost."""
        return dict(sorted(self._devices().items()))

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

    def refused(self) -> dict[str, SessionError]:
        """Return the names under which somebody else than the camera spoke last, and why."""
        return dict(sorted(self._refused.items()))

    @contextlib.asynccontextmanager
    async def of(self, camera: str) -> AsyncIterator[None]:
        """Follow a camera's status inside the block; raises SessionError when it is not there."""
        topic = self._topics.status(camera)
        if self._watched[camera] == 0:
            self._refused.pop(camera, None)  # what comes now decides, not an earlier forgery
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
                while self._devices().get(camera) is None and camera not in self._refused:
                    await self._next_status()
        if camera in self._refused and self._devices().get(camera) is None:
            raise self._refused[camera]
        if camera not in self._devices():
            if not self._is_following:
                with contextlib.suppress(BrokerError):
                    await self.cameras()  # one of them may be meant
            raise SessionError("unknown-camera", self.explain_unknown(camera))
        if not self._is_present(camera):
            since = self.offline_since(camera)
            when = "" if since is None else f" since {_clock_time(since)}"
            raise SessionError(
                "offline", f"the camera {camera} is offline{when}: check its power and its network"
            )

    def explain_unknown(self, camera: str) -> str:
        """Return why nothing is heard of a camera: it is not ours to see, or the name is wrong."""
        if self._grant is not None and not self._grant.covers(camera):
            cameras = ", ".join(self._grant.cameras)
            return f"your grant names {cameras}, not {camera}: ask the owner for another"
        near = difflib.get_close_matches(camera, self._devices(), n=1)
        meant = f" - did you mean {near[0]}?" if near else ""
        return (
            f"the broker knows no camera {camera}{meant} (waited {STATUS_S:g} s): "
            "'mqcam-viewer list' shows those that it knows"
        )

    def offline_since(self, camera: str) -> datetime | None:
        """Return when a camera left, if it said so or we saw it; None where nobody knows."""
        if self._is_present(camera):
            return None
        status = self._devices().get(camera)
        said = None if status is None or status.state != OFFLINE else status.since
        at = self._left_at.get(camera) if said is None else said
        try:
            return None if at is None else datetime.fromtimestamp(at).astimezone()
        except (ValueError, OverflowError, OSError):
            return None  # it says a time that no calendar has

    def _is_present(self, camera: str) -> bool:
        status = self._devices().get(camera)
        return status is not None and status.state != OFFLINE

    def _tell_status(self) -> None:
        self._statuses_seen += 1
        self._status_arrived.set()
        self._on_status()

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


def _clock_time(at: datetime) -> str:
    """Return the time of day, with the date of another day."""
    is_today = at.date() == datetime.now().astimezone().date()
    return f"{at:%H:%M}" if is_today else f"{at:%d %B, %H:%M}"
