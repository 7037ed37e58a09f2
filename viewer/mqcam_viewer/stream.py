"""A camera's pictures for as long as they are wanted: sessions come and go underneath.

It must not know messages or packets: a stream owns one session, or two while one takes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeGuard

from mqcam.errors import SessionError, StreamEnded
from mqcam.log import fields

from mqcam_viewer.frames import MAX_WAITING, FrameQueue
from mqcam_viewer.ingress import UnitWish
from mqcam_viewer.session import Session
from mqcam_viewer.standing import ACCOUNT_REFUSED
from mqcam_viewer.statistics import FrameStatistics, Report, percentiles
from mqcam_viewer.units import ReceivedUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mqcam.depacketiser import VideoUnit
    from mqcam.ice import CandidatePairInfo
    from mqcam.protocol.messages import Want

    from mqcam_viewer.client import Client
    from mqcam_viewer.frames import Frame
    from mqcam_viewer.ingress import Ingress, Reception

logger = logging.getLogger(__name__)

SILENCE_S = 1.0
"""Without any packet for this long a new session is begun beside the old one
(docs/decisions/liveness.md)."""

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits before the next session after one that failed; the last one repeats."""

FINAL_CODES = frozenset(
    {
        "unauthorized",
        "revoked",
        "unsupported-version",
        "not-acceptable",
        ACCOUNT_REFUSED,
    }
)
"""Ends that another try cannot cure."""


@dataclass(slots=True)
class Running:
    """A session and the task that runs it."""

    session: Session
    task: asyncio.Task[SessionError]

    async def connected(self) -> SessionError | None:
        """Wait until the camera is reached; returns why not, where it cannot be.

        The session's own deadlines bound the wait.
        """
        waiting = asyncio.create_task(self.session.is_connected.wait(), name="connected")
        try:
            await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
        return self.task.result() if self.task.done() else None

    async def stop(self) -> None:
        """End the session from this side; one that is ending is left to it.

        Cancelled a second time it would leave its sockets open: a camera says good-bye to a
        replaced session just when we do.
        """
        if not self.session.is_ending:
            self.task.cancel()
        await asyncio.wait({self.task})


class Stream:
    """The pictures of one camera: ``async for frame in stream``; the newest wins.

    Enter it with ``async with``: that raises SessionError when the camera cannot be watched.
    Later a lost session is replaced by a new one; iteration ends with StreamEnded only when no
    further try can help. ``on_trouble`` hears why a session is being replaced, and None when
    its successor has reached the camera. Without ``is_decoding`` no frame comes: only those who
    take ``units`` get something, and nobody pays for decoding.
    """

    def __init__(
        self,
        camera: str,
        *,
        client: Client,
        want: Want | None = None,
        on_trouble: Callable[[SessionError | None], None] = lambda _why: None,
        is_decoding: bool = True,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.camera = camera
        self.reconnects = 0
        self.statistics = FrameStatistics()
        self._client = client
        self._want = want
        self._on_trouble = on_trouble
        self._is_decoding = is_decoding
        self._unit_listeners: dict[Callable[[ReceivedUnit], None], UnitWish] = {}
        self._unit_source: Session | None = None
        self._sessions_seen = 0
        self._packets_lost_before = 0
        self._units_dropped_before = 0
        self._frames_dropped_before = 0
        self._end: StreamEnded | None = None
        self._has_ended = asyncio.Event()
        self._frames = FrameQueue(bound=max_waiting)
        self._current: Running | None = None
        self._next: Running | None = None
        self._first: Session | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._resources = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to watch; raises SessionError with the reason when that fails."""
        try:
            await self._resources.enter_async_context(self._client.presence(self.camera))
            await self._connect_first()
        except BaseException:
            await self.close()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name=f"stream {self.camera}")
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop watching."""
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        return await self._frames.get()

    async def close(self) -> None:
        """Stop watching; may be repeated."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
            self._supervisor = None
        for running in (self._current, self._next):
            if running is not None:
                await running.stop()
        self._frames.end()
        await self._resources.aclose()

    @contextlib.contextmanager
    def units(
        self, listener: Callable[[ReceivedUnit], None], *, keyframe_interval_s: float | None = None
    ) -> Iterator[None]:
        """Hand each encoded picture to ``listener`` inside the block, decoded or not.

        What follows a loss is left out up to the next keyframe. One is asked for at the beginning
        if there is none on its way, after a loss, and when ``keyframe_interval_s`` is over.
        """
        self._unit_listeners[listener] = UnitWish(keyframe_interval_s=keyframe_interval_s)
        if self._unit_source is not None and self._unit_source.ingress is not None:
            self._unit_source.ingress.keyframes.want()
        try:
            yield
        finally:
            del self._unit_listeners[listener]

    @property
    def units_dropped(self) -> int:
        """Return how many encoded pictures were seen and could not be handed on."""
        ingress = self._current.session.ingress if self._current else None
        return self._units_dropped_before + (ingress.counts.units_dropped if ingress else 0)

    async def ended(self) -> StreamEnded:
        """Wait, however long, until no further try can help; returns why."""
        while self._end is None:
            await self._has_ended.wait()
        return self._end

    async def report(self) -> Report:
        """Return what was measured so far; both ``_ms`` times count from the offer."""
        first, statistics = self._first, self.statistics
        session = self._current.session if self._current else first
        ingress = session.ingress if session else None
        received = await ingress.measure() if ingress else None
        pair = session.connection.selected_pair() if session else None
        return Report(
            camera=self.camera,
            session=session.key.session if session and session.key else "",
            connected_ms=_since_offer(first, first.connected_at if first else None),
            first_frame_ms=_since_offer(first, statistics.first_at),
            frames=statistics.frames,
            fps=round(statistics.fps, 1),
            width=statistics.width,
            height=statistics.height,
            latency_ms=percentiles(statistics.latencies_ms),
            bitrate_bps=received.bitrate_bps if received else 0,
            packets_lost=self._packets_lost_before + (received.packets_lost if received else 0),
            frames_dropped=self._frames_dropped(ingress),
            freezes=statistics.freezes_at(time.monotonic()),
            rtt_ms=received.rtt_ms if received else None,
            candidate_pair=str(pair) if pair else None,
            reconnects=self.reconnects,
        )

    def _frames_dropped(self, ingress: Ingress | None) -> int:
        """Return how many whole pictures nobody saw, because this side was too slow."""
        at_decoder = ingress.decoder_counts.not_shown if ingress else 0
        return self._frames.dropped + self._frames_dropped_before + at_decoder

    @property
    def path(self) -> CandidatePairInfo | None:
        """Return how the present session reaches the camera, None before it does."""
        return self._current.session.connection.selected_pair() if self._current else None

    async def reception(self) -> Reception | None:
        """Return what the present session received so far, None before it began to."""
        ingress = self._current.session.ingress if self._current else None
        return await ingress.measure() if ingress else None

    async def _connect_first(self) -> None:
        self._current = self._begin(replaces=None)
        self._first = self._current.session
        end = await self._current.connected()
        if end is not None:
            raise end

    def _begin(self, *, replaces: Session | None) -> Running:
        session = Session(
            self.camera,
            signaling=self._client,
            ice=self._client.ice,
            connect_s=self._client.deadlines.connect_s,
            on_frame=self._frame,
            on_unit=self._unit,
            wish=self._wish,
            want=self._want,
            is_decoding=self._is_decoding,
        )
        old = replaces.key.session if replaces and replaces.key else None
        task = asyncio.create_task(session.run(replaces=old), name=f"session of {self.camera}")
        return Running(session, task)

    def _frame(self, session: Session, frame: Frame) -> None:
        """Take a picture; once the successor shows one, the predecessor's are old."""
        if self._current is None or session is not self._current.session:
            return
        self.statistics.add(
            decoded_at=frame.decoded_at,
            width=frame.width,
            height=frame.height,
            latency_ms=frame.latency_ms,
        )
        self._frames.put(frame)

    def _unit(self, session: Session, unit: VideoUnit, camera_ns: int | None) -> None:
        """Take an encoded picture; from the successor's first keyframe on, only the successor's."""
        if session is not self._unit_source:
            is_new = self._next is not None and session is self._next.session
            is_current = self._current is not None and session is self._current.session
            if not unit.keyframe or not (is_new or is_current):
                return
            self._unit_source = session
            self._sessions_seen += 1
        received = ReceivedUnit(unit=unit, session=self._sessions_seen, camera_ns=camera_ns)
        for listener in tuple(self._unit_listeners):
            listener(received)

    def _wish(self) -> UnitWish | None:
        """Return what all who take units need together."""
        if not self._unit_listeners:
            return None
        intervals = [each.keyframe_interval_s for each in self._unit_listeners.values()]
        return UnitWish(keyframe_interval_s=min((each for each in intervals if each), default=None))

    async def _supervise(self) -> None:
        """Keep one good session; ends by itself only when no try can help."""
        failures = 0
        while self._current is not None:
            await self._until_silent_or_over(self._current)
            end = self._current.task.result() if self._current.task.done() else None
            why = end or SessionError("silence", "nothing was heard from the camera for a second")
            logger.info("watching again", extra=fields(camera=self.camera, reason=why.text))
            self._on_trouble(why)
            if not is_final(end):
                end = await self._recover(self._current)
            if is_final(end):
                self._end = StreamEnded(end.code, end.text)
                self._frames.end(self._end)
                self._has_ended.set()
                return
            if end is None:
                failures = 0
                self.reconnects += 1
                self._on_trouble(None)
            else:
                logger.info("not connected", extra=fields(camera=self.camera, reason=end.text))
                self._on_trouble(end)
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    async def _until_silent_or_over(self, running: Running) -> None:
        while not running.task.done():
            silent_s = time.monotonic() - running.session.alive_at
            if silent_s >= SILENCE_S:
                return
            await asyncio.wait({running.task}, timeout=SILENCE_S - silent_s)

    async def _recover(self, running: Running) -> SessionError | None:
        """Make a new session; returns why that failed, or cannot help.

        A broker that refuses us ends what has stopped, never a video that may still come back.
        """
        returning = asyncio.create_task(self._return(running), name=f"return of {self.camera}")
        refused = asyncio.create_task(self._client.standing.until_refused(), name="refused")
        tasks = {returning, refused}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({returning, running.task}, return_when=asyncio.FIRST_COMPLETED)
            return returning.result() if returning.done() else refused.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _return(self, running: Running) -> SessionError | None:
        if running.task.done():
            await self._client.until_present(self.camera)
        return await self._replace()

    async def _replace(self) -> SessionError | None:
        """Make a new session before the old one is broken; returns why that failed."""
        old = self._current
        self._next = self._begin(replaces=old.session if old else None)
        end = await self._next.connected()
        if end is None:
            # Until the old one has stopped it stays where close() finds it.
            self._current, self._next = self._next, old
            if old is not None:
                await old.stop()
                if old.session.ingress is not None:
                    self._packets_lost_before += old.session.ingress.counts.packets_lost
                    self._units_dropped_before += old.session.ingress.counts.units_dropped
                    self._frames_dropped_before += old.session.ingress.decoder_counts.not_shown
            self._next = None
        return end


def is_final(end: SessionError | None) -> TypeGuard[SessionError]:
    """Tell whether another try could not help."""
    return end is not None and end.code in FINAL_CODES


def _since_offer(session: Session | None, at: float | None) -> float | None:
    if session is None or session.offered_at is None or at is None:
        return None
    return round((at - session.offered_at) * 1000, 1)
