"""The agent: joins protocol, viewers, hub and capture, and owns their tasks.

It must not know files, arguments or the broker's address: ``app`` builds it from those.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from mqcam.driver import Driver, outgoing
from mqcam.log import fields
from mqcam.protocol.effects import (
    Effect,
    Ended,
    PairRequested,
    RemoteCandidates,
    Send,
    Started,
)
from mqcam.protocol.messages import CaptureState, Clock, IceServer

from mqcam_device.peers import Peers
from mqcam_device.seldom import Seldom
from mqcam_device.wallclock import believable_second, changes, is_synchronised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.ice import IceSettings
    from mqcam.mqtt import BrokerState, MqttSession
    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.device import DeviceEndpoint
    from mqcam.protocol.effects import SessionKey
    from mqcam.servers import IceServer as OurIceServer
    from mqcam.transport import Outgoing
    from mqcam.trust.pairing import Reply

    from mqcam_device.capture.process import CaptureProcess
    from mqcam_device.distribution import Distribution
    from mqcam_device.hub import Hub
    from mqcam_device.lending import Lender
    from mqcam_device.media import SourceState, StreamInfo

logger = logging.getLogger(__name__)

RIGHTS_S = 10.0
"""How long a viewer may go on watching after the end of a grant that has one."""


class Agent:
    """One camera, from the broker's messages to its viewers' pictures."""

    def __init__(
        self,
        *,
        endpoint: DeviceEndpoint,
        hub: Hub,
        capture: CaptureProcess,
        distribution: Distribution,
        ice: IceSettings,
        lender: Lender,
        on_pair: Callable[[PairRequested], None],
        deadlines: Deadlines,
    ) -> None:
        self._endpoint = endpoint
        self._hub = hub
        self._distribution = distribution
        self._capture = capture
        self._lender = lender
        self._on_pair = on_pair
        self._seldom = Seldom(logger)
        self._peers = Peers(
            signaling=self,
            hub=hub,
            make_egress=distribution.make_egress,
            ice=ice,
            lend=lender.lend,
            connect_s=deadlines.connect_s,
        )
        self.driver = Driver(endpoint, handle=self._handle, before_tick=self._report_heard)
        self._session: MqttSession | None = None
        self.broker_text = "not connected yet"
        self._capture_state = CaptureState()
        self._started_at = time.monotonic()
        self._has_clock = is_synchronised()
        self._is_stopping = False

    # what app.py wires

    def bind(self, session: MqttSession) -> None:
        """Name the broker session that carries the messages."""
        self._session = session
        self.driver.bind(session)

    def birth(self) -> Sequence[Outgoing]:
        """Return what is published after each connection to the broker: the status."""
        return [outgoing(self._endpoint.birth())]

    def broker_changed(self, state: BrokerState) -> None:
        """Tell how the broker stands; a running video does not care."""
        text = f"connected to {state.address}" if state.connected else "not connected"
        if state.error is not None:
            text = str(state.error)
        if text == self.broker_text or self._is_stopping:
            return  # a retry that failed as the one before, or our own good-bye
        self.broker_text = text
        if state.connected:  # what is wrong otherwise, the session itself has logged
            logger.info("camera online", extra=fields(broker=state.address))

    def source_changed(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        """Tell viewers how the source is: a restarting camera is a message, never a reconnect."""
        self._capture_state = CaptureState(
            state=state.value,
            width=info.width if info else None,
            height=info.height if info else None,
            fps_min=info.fps_min if info else None,
            fps_max=info.fps_max if info else None,
            rotation=info.rotation if info else 0,
            text=text,
        )
        encoder = info.encoder if info else None
        self._seldom.log(logging.INFO, "source", state=state.value, encoder=encoder, text=text)
        self._apply(self._endpoint.update_status(capture=self._capture_state, now=self._now()))

    def egress_failed(self, key: SessionKey) -> None:
        """End the session of a viewer who cannot be sent to."""
        self.ended(key, "internal", "the camera could not send to this viewer; its log says why")
        self._peers.end(key)

    def judge_viewers(self) -> None:
        """End the sessions of viewers who have no right to view any more."""
        self._apply(self._endpoint.judge_again(self._now()))

    def reply_to_visitors(self, replies: Sequence[Reply]) -> None:
        """Send what those are told who asked to be let in."""
        for each in replies:
            self._apply(self._endpoint.reply_to_pair(each.key, each.seal_key, each.message))

    async def run(self, stop: asyncio.Event) -> None:
        """Serve viewers until ``stop``; ends earlier only by a mistake in the composition."""
        if self._session is None:
            raise RuntimeError("bind() a broker session before run()")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        tasks = {
            asyncio.create_task(self._session.run(), name="broker session"),
            asyncio.create_task(self._capture.run(), name="capture process"),
            asyncio.create_task(self._watch_rights(), name="rights"),
            asyncio.create_task(self._watch_clock(), name="clock"),
        }
        self._endpoint.update_status(clock=Clock(synchronised=self._has_clock), now=self._now())
        self._apply(self._endpoint.start(self._now()))  # which says that too
        try:
            done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._shut_down(self._session)
            stopping.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)

    async def _watch_rights(self) -> None:
        """End sessions whose grant ran out meanwhile; nobody sends a message at that moment."""
        while True:
            await asyncio.sleep(RIGHTS_S)
            self.judge_viewers()

    async def _watch_clock(self) -> None:
        """Tell viewers when the clock becomes right, or wrong again."""
        async for is_good in changes(self._has_clock, ask=is_synchronised):
            self._has_clock = is_good
            logger.info("clock", extra=fields(synchronised=is_good))
            self._apply(
                self._endpoint.update_status(clock=Clock(synchronised=is_good), now=self._now())
            )

    async def _shut_down(self, session: MqttSession) -> None:
        self._is_stopping = True
        last = self._endpoint.stop(self._now(), since=believable_second())
        self.driver.close()
        await self._peers.close()
        await session.stop([outgoing(effect) for effect in last if isinstance(effect, Send)])
        await self._capture.stop()

    # what a peer tells the protocol (peers.Signaling)

    def answered(self, key: SessionKey, sdp: str, servers: Sequence[OurIceServer]) -> None:
        """Send the answer, and lend the servers that this side asks: both ends use the same."""
        lent = tuple(
            IceServer(urls=each.urls, username=each.username, credential=each.credential)
            for each in servers
        )
        self._apply(
            self._endpoint.answered(
                key,
                sdp=sdp,
                ice_servers=lent,
                clock=self._distribution.media_clock(),
                now=self._now(),
            )
        )

    def refused(self, key: SessionKey, code: str, text: str) -> None:
        """Tell the viewer why there is no answer."""
        logger.info("offer refused", extra=fields(code=code, text=text))
        self._apply(self._endpoint.refused(key, code=code, text=text, now=self._now()))

    def found(self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Send local candidates that the answer did not hold."""
        self._apply(
            self._endpoint.local_candidates(key, candidates, ufrag=ufrag, end=end, now=self._now())
        )

    def connected(self, key: SessionKey) -> None:
        """Note that a viewer is reached."""
        self._apply(self._endpoint.connected(key, self._now()))

    def ended(self, key: SessionKey, code: str, text: str) -> None:
        """Note that this side ended a session."""
        self._apply(self._endpoint.ended(key, reason=code, text=text, now=self._now()))

    # what the control socket asks

    def status(self) -> dict[str, object]:
        """Return how the agent is, for the ``status`` verb."""
        return {
            "uptime_s": round(time.monotonic() - self._started_at, 1),
            "broker": self.broker_text,
            "certificate": self._certificate_text,
            "clock": "synchronised" if self._has_clock else "not synchronised",
            "relay": self._lender.trouble,
            "source": self._capture_state.state,
            "source_text": self._capture_state.text,
            "capture_pid": self._capture.pid,
            "restarts": self._capture.restarts,
            "viewers": len(self._peers),
            "layers": self._hub.describe(),
        }

    @property
    def _certificate_text(self) -> str:
        is_lax = self._session is not None and self._session.skips_dates
        return "dates not checked for want of a clock" if is_lax else ""

    def viewers(self) -> list[dict[str, object]]:
        """Return who is watching, for the ``viewers`` verb."""
        return [peer.describe() for peer in self._peers]

    # effects

    def _apply(self, effects: Sequence[Effect]) -> None:
        self.driver.apply(effects)

    def _handle(self, effect: Effect) -> None:
        match effect:
            case Started(key=key, offer=offer):
                self._peers.start(key, offer)
            case RemoteCandidates(key=key, candidates=candidates, ufrag=ufrag, end=end):
                self._peers.add_candidates(key, candidates, ufrag=ufrag, end=end)
            case Ended(key=key, code=code, text=text):
                logger.info(
                    "session ended",
                    extra=fields(viewer=key.peer, session=key.session, code=code, text=text),
                )
                self._peers.end(key)
            case PairRequested():
                self._on_pair(effect)
            case _:
                raise RuntimeError(f"a device has no use for {type(effect).__name__}")

    def _report_heard(self) -> None:
        for peer in self._peers:
            if peer.heard_at:
                self._endpoint.heard(peer.key, peer.heard_at)

    @staticmethod
    def _now() -> float:
        return time.monotonic()
