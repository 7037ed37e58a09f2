"""The viewers that are connected or about to be, one task each.

It must not know topics or messages; a viewer's trouble stays in that viewer's task.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from mqcam.connection import Connection
from mqcam.errors import ConnectFailed, OfferRefused, StageTimeout
from mqcam.log import context, fields

from mqcam_device.media import LOW, MAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mqcam.ice import IceSettings
    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.messages import Offer
    from mqcam.servers import IceServer

    from mqcam_device.hub import Hub
    from mqcam_device.sending.egress import MediaEgress

    MakeEgress = Callable[[SessionKey, Connection], MediaEgress]
    """Makes a viewer's way out on a connection that stands."""

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 3.0
"""How long all peers together may take to say good-bye when the agent stops."""


class Signaling(Protocol):
    """What a peer tells the protocol of its own side."""

    def answered(self, key: SessionKey, sdp: str, servers: Sequence[IceServer]) -> None:
        """Send the answer, and lend the servers that this side asks."""

    def refused(self, key: SessionKey, code: str, text: str) -> None:
        """Tell the viewer why there is no answer."""

    def found(self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Send local candidates that the answer did not hold."""

    def connected(self, key: SessionKey) -> None:
        """Note that the peers have reached each other."""

    def ended(self, key: SessionKey, code: str, text: str) -> None:
        """Note that this side ended the session, or saw it end."""


class Peer:
    """One viewer: its connection and its way out of the hub."""

    def __init__(
        self,
        key: SessionKey,
        offer: Offer,
        *,
        signaling: Signaling,
        hub: Hub,
        make_egress: MakeEgress,
        ice: IceSettings,
        connect_s: float,
    ) -> None:
        self.key = key
        self.offer = offer
        self.started_at = time.monotonic()
        self.connected_at: float | None = None
        self._signaling = signaling
        self._hub = hub
        self._make_egress = make_egress
        self._connect_s = connect_s
        self._servers = ice.servers
        self._dropped = 0
        self._lost = asyncio.Event()
        self._is_end_known = False  # the protocol knows of the end: it said so or was told
        self._connection = Connection(
            role="camera",
            ice=ice,
            on_candidates=self._found,
            on_closed=self._closed,
        )

    @property
    def heard_at(self) -> float:
        """Return the monotonic second of the last authenticated packet, 0 before the first."""
        return self._connection.media.heard_at

    def describe(self) -> dict[str, object]:
        """Return what the ``viewers`` verb shows."""
        pair = self._connection.selected_pair()
        connected_s = None
        if self.connected_at is not None:
            connected_s = round(time.monotonic() - self.connected_at, 1)
        return {
            "viewer": self.key.peer,
            "session": self.key.session,
            "connected_s": connected_s,
            "path": None if pair is None else str(pair),
        }

    @property
    def trouble(self) -> dict[str, int]:
        """What went wrong with packets of this viewer, counted by kind."""
        dropped = {"units_dropped": self._dropped} if self._dropped else {}
        return self._connection.trouble | dropped

    def add_candidates(self, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Hand the viewer's candidates to the connection."""
        self._connection.add_remote_candidates(candidates, ufrag=ufrag, end=end)

    def forget(self) -> None:
        """Note that the protocol has ended the session, so that it is not told of the end."""
        self._is_end_known = True

    async def run(self) -> None:
        """Answer, connect and send until one side ends it; cancel to end it from this side."""
        end = ("internal", "the camera made a mistake; its log says which")
        try:
            self._hub.expect(self.key, LOW if self.offer.want.layer == LOW else MAIN)
            if await self._answer():
                end = await self._connect_and_send()
        finally:
            self._hub.detach(self.key)
            self._tell_end(*end)
            await self._connection.close()

    async def _answer(self) -> bool:
        """Answer the offer; False when it was refused, which the viewer has been told."""
        try:
            sdp = await self._connection.create_answer(self.offer.sdp)
        except (OfferRefused, ConnectFailed) as error:
            code = error.code if isinstance(error, OfferRefused) else "internal"
            self._is_end_known = True
            self._signaling.refused(self.key, code, error.text)
            return False
        self._signaling.answered(self.key, sdp, self._servers)
        return True

    async def _connect_and_send(self) -> tuple[str, str]:
        """Reach the viewer and send until it is gone; return code and text of the end."""
        try:
            await self._connection.connect(self._connect_s)
        except (ConnectFailed, StageTimeout) as error:
            logger.info("viewer not connected", extra=fields(reason=str(error)))
            return "not-connected", str(error)
        egress = self._make_egress(self.key, self._connection)
        try:
            egress.start()
            self._hub.attach(self.key, egress)
            self._note_connected()
            # No deadline: a viewer may watch for ever. What ends it is a bye, a DTLS close, or
            # the protocol's silence limit, which cancels this task.
            await self._lost.wait()
        finally:
            self._hub.detach(self.key)
            egress.stop()
            self._dropped = egress.dropped
        return "closed", "the connection is closed"

    def _note_connected(self) -> None:
        self.connected_at = time.monotonic()
        self._signaling.connected(self.key)
        logger.info(
            "viewer connected",
            extra=fields(
                path=self._connection.selected_pair(),
                after_ms=round((self.connected_at - self.started_at) * 1000),
            ),
        )

    def _found(self, candidates: Sequence[str], end: bool) -> None:
        self._signaling.found(self.key, candidates, ufrag=self._connection.ufrag, end=end)

    def _closed(self, reason: str) -> None:
        """End because the other side closed, or the path died."""
        self._tell_end(reason, "the viewer closed, or the path to it was lost")
        self._lost.set()

    def _tell_end(self, code: str, text: str) -> None:
        if not self._is_end_known:
            self._is_end_known = True
            self._signaling.ended(self.key, code, text)


class Peers:
    """Own every peer's task: one that fails ends alone.

    ``lend`` returns the servers for a session with the viewer of a name.
    """

    def __init__(
        self,
        *,
        signaling: Signaling,
        hub: Hub,
        make_egress: MakeEgress,
        ice: IceSettings,
        lend: Callable[[str], tuple[IceServer, ...]],
        connect_s: float,
    ) -> None:
        self._signaling = signaling
        self._hub = hub
        self._make_egress = make_egress
        self._ice = ice
        self._lend = lend
        self._connect_s = connect_s
        self._peers: dict[SessionKey, Peer] = {}
        self._tasks: dict[SessionKey, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[Peer]:
        return iter(tuple(self._peers.values()))

    def __len__(self) -> int:
        return len(self._peers)

    def start(self, key: SessionKey, offer: Offer) -> None:
        """Begin to serve an authorised offer."""
        peer = Peer(
            key,
            offer,
            signaling=self._signaling,
            hub=self._hub,
            make_egress=self._make_egress,
            ice=replace(self._ice, servers=self._lend(key.peer)),
            connect_s=self._connect_s,
        )
        self._peers[key] = peer
        task = asyncio.create_task(self._guard(peer), name=f"peer {key.peer}/{key.session}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._forget(key))

    def add_candidates(
        self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool
    ) -> None:
        """Hand candidates to a peer; those of a peer that is gone are ignored."""
        if key in self._peers:
            self._peers[key].add_candidates(candidates, ufrag=ufrag, end=end)

    def end(self, key: SessionKey) -> None:
        """End a peer that the protocol has ended."""
        if key in self._peers:
            self._peers[key].forget()
            self._tasks[key].cancel()

    async def close(self) -> None:
        """End all peers and wait for their tasks."""
        tasks = tuple(self._tasks.values())
        for peer in self:
            self.end(peer.key)
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S)

    async def _guard(self, peer: Peer) -> None:
        with context(viewer=peer.key.peer, session=peer.key.session):
            try:
                await peer.run()
            except Exception:
                logger.exception("a viewer's session failed; the others go on")
            finally:
                logger.info("viewer gone", extra=fields(**peer.trouble))

    def _forget(self, key: SessionKey) -> None:
        # Not in the task itself: one that is cancelled before its first step runs no `finally`.
        del self._peers[key], self._tasks[key]
