"""One try to watch a camera: an offer, a connection, pictures until it ends.

It must not know topics, nor that other sessions exist: a stream owns those.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from mqcam.connection import Connection
from mqcam.errors import AnswerRefused, ConnectFailed, SessionError, StageTimeout
from mqcam.log import fields
from mqcam.servers import IceServer

from mqcam_viewer.ingress import Ingress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.depacketiser import VideoUnit
    from mqcam.ice import IceSettings
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.messages import Answer, Want
    from mqcam.transport import Delivery

    from mqcam_viewer.frames import Frame
    from mqcam_viewer.ingress import UnitWish


logger = logging.getLogger(__name__)

GOODBYE_S = 1.0
"""How long the media stays for the broker to take the good-bye: media that ends first looks like a
loss, and the good-bye after it like a message of a session that never was."""

NO_PATH_CODES = frozenset({"connect-timeout", "not-connected"})
"""Ends of a session that never found a path."""


class Signaling(Protocol):
    """What a session tells the protocol of its own side."""

    def offer(self, session: Session, sdp: str, *, replaces: str | None) -> SessionKey:
        """Send the offer."""

    def found(self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Send local candidates that the offer did not hold."""

    def connected(self, key: SessionKey) -> None:
        """Note that the peers have reached each other."""

    def ended(self, key: SessionKey, code: str, text: str) -> Sequence[asyncio.Future[Delivery]]:
        """Note that this side ended the session, or saw it end; return the good-bye's receipt."""


class Session:
    """Watch ``camera`` once; ``run`` returns when it is over.

    ``on_unit`` gets each encoded picture and its capture time on the camera's clock, also where
    ``is_decoding`` is False and no frame comes; ``wish`` says what those who take them need.
    """

    def __init__(
        self,
        camera: str,
        *,
        signaling: Signaling,
        ice: IceSettings,
        connect_s: float,
        on_frame: Callable[[Session, Frame], None],
        on_unit: Callable[[Session, VideoUnit, int | None], None],
        wish: Callable[[], UnitWish | None],
        is_decoding: bool = True,
        want: Want | None = None,
    ) -> None:
        self.camera = camera
        self.want = want
        self.key: SessionKey | None = None
        self.offered_at: float | None = None
        self.connected_at: float | None = None
        self.first_frame_at: float | None = None
        self.ingress: Ingress | None = None
        self.is_connected = asyncio.Event()
        self.is_ending = False
        self._signaling = signaling
        self._connect_s = connect_s
        self._on_frame = on_frame
        self._on_unit = on_unit
        self._wish = wish
        self._is_decoding = is_decoding
        self._is_end_known = False
        self._goodbye: Sequence[asyncio.Future[Delivery]] = ()
        # The answer, or the end of the session, whatever comes first.
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._end: asyncio.Future[SessionError] = asyncio.get_running_loop().create_future()
        self.connection = Connection(
            role="viewer", ice=ice, on_candidates=self._found, on_closed=self._closed
        )

    @property
    def heard_at(self) -> float:
        """Return the monotonic second of the last authenticated packet, 0 before the first."""
        return self.connection.media.heard_at

    @property
    def alive_at(self) -> float:
        """Return the monotonic second of the last sign of life, 0 before the connection."""
        return max(self.heard_at, self.connected_at or 0.0)

    async def run(self, *, replaces: str | None = None) -> SessionError:
        """Offer, connect and receive; return why it ended. Cancel to end it from this side."""
        end = SessionError("internal", "the viewer made a mistake; its log says which")
        try:
            end = await self._watch(replaces)
        except asyncio.CancelledError:
            end = SessionError("closed", "the viewer closed the session")
            raise
        except AnswerRefused as error:
            end = SessionError(error.code, error.text)
        except (ConnectFailed, StageTimeout) as error:
            end = SessionError("not-connected", str(error))
        except Exception:
            logger.exception("a session failed", extra=fields(camera=self.camera))
        finally:
            self.is_ending = True
            self._tell_end(end)
            if self._goodbye:
                await asyncio.wait(self._goodbye, timeout=GOODBYE_S)
            if self.ingress is not None:
                await self.ingress.stop()
            await self.connection.close()
            trouble = self.connection.trouble
            logger.info("session over", extra=fields(camera=self.camera, **trouble))
        return end

    def answered(self, answer: Answer) -> None:
        """Take the camera's answer."""
        if not self._answer.done():
            self._answer.set_result(answer)

    def add_candidates(self, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Hand the camera's candidates to the connection."""
        self.connection.add_remote_candidates(candidates, ufrag=ufrag, end=end)

    def ended(self, code: str, text: str) -> None:
        """Take the end that the protocol announced."""
        self._is_end_known = True
        if not self._end.done():
            self._end.set_result(SessionError(code, text))

    async def _watch(self, replaces: str | None) -> SessionError:
        sdp = await self.connection.create_offer()
        self.offered_at = time.monotonic()
        self.key = self._signaling.offer(self, sdp, replaces=replaces)
        # The protocol bounds this wait: it ends the session when no answer comes.
        if await self._is_over_before(self._answer):
            return self._end.result()
        answer = self._answer.result()
        await self.connection.accept_answer(answer.sdp, servers=_lent(answer))
        self.ingress = Ingress(
            self.connection,
            on_frame=self._frame,
            on_unit=self._unit,
            wish=self._wish,
            on_end=self._stream_ended,
            is_decoding=self._is_decoding,
        )
        await self.ingress.start()
        connecting = asyncio.create_task(
            self.connection.connect(self._connect_s), name=f"connect to {self.camera}"
        )
        try:
            if await self._is_over_before(connecting):
                return self._explained(self._end.result())
            connecting.result()
        finally:
            connecting.cancel()
            await asyncio.wait({connecting})
        self.connected_at = time.monotonic()
        self._signaling.connected(self.key)
        self.is_connected.set()
        # No deadline: the picture may be wanted for ever; silence is the protocol's to judge.
        return await self._end

    def _explained(self, end: SessionError) -> SessionError:
        """Say it from here: the camera sees its own half, and a timer sees nothing."""
        if end.code not in NO_PATH_CODES or self.connection.selected_pair() is not None:
            return end
        return SessionError(end.code, self.connection.explain_path())

    async def _is_over_before(self, event: asyncio.Future[Any]) -> bool:
        """Wait for an event or the end of the session; tell whether the end came."""
        waits: set[asyncio.Future[Any]] = {event, self._end}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return self._end.done()

    def _frame(self, frame: Frame) -> None:
        if self.first_frame_at is None:
            self.first_frame_at = frame.decoded_at
        self._on_frame(self, frame)

    def _unit(self, unit: VideoUnit, camera_ns: int | None) -> None:
        self._on_unit(self, unit, camera_ns)

    def _found(self, candidates: Sequence[str], end: bool) -> None:
        if self.key is not None:
            self._signaling.found(self.key, candidates, ufrag=self.connection.ufrag, end=end)

    def _closed(self, reason: str) -> None:
        self._end_here(reason, "the camera closed, or the path to it was lost")

    def _end_here(self, code: str, text: str) -> None:
        error = SessionError(code, text)
        self._tell_end(error)
        if not self._end.done():
            self._end.set_result(error)

    def _stream_ended(self) -> None:
        """End the session of a camera that ended its stream and stays connected (RTCP BYE).

        Its reports go on and look like life. A connection that is closed speaks for itself.
        """
        if self.connection.media.state == "connected":
            self._end_here("stream-ended", "the camera ended its stream")

    def _tell_end(self, error: SessionError) -> None:
        if not self._is_end_known and self.key is not None:
            self._is_end_known = True
            self._goodbye = self._signaling.ended(self.key, error.code, error.text)


def _lent(answer: Answer) -> list[IceServer]:
    """Return the servers that the camera lends us."""
    return [
        IceServer(urls=each.urls, username=each.username, credential=each.credential)
        for each in answer.ice_servers
    ]
