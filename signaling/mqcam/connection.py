"""One peer-to-peer connection between a camera and a viewer, from descriptions to packets.

It must not know how descriptions and candidates travel, nor what is encoded or shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCIceParameters

from mqcam.answer import read_offer, write_answer
from mqcam.ciphers import offered_ciphers
from mqcam.datalink import DataLink
from mqcam.errors import AnswerRefused, ConnectFailed, LocalProtocolError, StageTimeout
from mqcam.ice import IcePath
from mqcam.media import MediaTransport
from mqcam.offer import offered_video, read_answer, write_offer
from mqcam.route import Way
from mqcam.sdp import SCTP_PORT, TransportTerms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.ice import CandidatePairInfo, IceSettings
    from mqcam.sdp import DataTerms, VideoParameters
    from mqcam.servers import IceServer

logger = logging.getLogger(__name__)

Role = Literal["camera", "viewer"]

CLOSE_LIMIT_S: Final = 1.0
EARLY_CANDIDATE_LIMIT: Final = 64
"""A candidate may come in one piece with the answer, which takes a turn of the loop to be taken."""
PROCESSOR_PATH: Final = Path("/proc/cpuinfo")
PROCESSOR_TEXT_LIMIT: Final = 8192
"""One processor's worth: the text of all of a large machine takes long to make."""
PEER_CLOSED: Final = "peer-closed"
PATH_LOST: Final = "path-lost"


class Connection:
    """A connection of one session; made, connected and closed once, in one event loop.

    ``on_candidates(candidates, end)`` gets local candidates that are not in the description.
    ``on_closed(reason)`` is called at most once, after ``connect`` had succeeded and when
    ``close`` was not ours: ``peer-closed`` or ``path-lost``.
    """

    def __init__(
        self,
        *,
        role: Role,
        ice: IceSettings,
        on_candidates: Callable[[Sequence[str], bool], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self.role = role
        self.data: DataLink | None = None
        self._on_candidates = on_candidates
        self._on_closed = on_closed
        # The viewer offers, so it controls; aiortc derives the DTLS roles from that.
        self._ice = IcePath(
            ice, controlling=role == "viewer", on_candidates=self._report_candidates
        )
        self.media = MediaTransport(self._ice.transport, RTCCertificate.generateCertificate())
        if role == "camera":
            self.media.limit_ciphers(offered_ciphers(_processor()))
        self.media.on("statechange", self._media_state_changed)
        self._video: VideoParameters | None = None
        self._remote: TransportTerms | None = None
        self._early: list[tuple[str, str]] = []
        self._data_terms: DataTerms | None = None
        self._data_task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._is_connected = False
        self._is_begun = False

    @property
    def ufrag(self) -> str:
        """The ICE user of this side: it names the generation of its candidates."""
        return self._ice.ufrag

    @property
    def video(self) -> VideoParameters:
        """What is agreed about the video; on a viewer, what it offered until the answer came."""
        if self._video is None:
            raise LocalProtocolError("the connection has no description yet")
        return self._video

    @property
    def refused_candidates(self) -> int:
        """The number of the peer's candidates that were not taken."""
        return self._ice.refused.total()

    @property
    def trouble(self) -> dict[str, int]:
        """What came and was not taken, counted by kind; empty if there was none."""
        ice, data = self._ice.gatherer.ice, self.data
        counts = {
            "refused_candidates": self.refused_candidates,
            "strangers": ice.strangers,
            "malformed": ice.malformed + (data.malformed if data else 0),
            "overflowed": ice.overflowed,
            "excessive": self.media.excessive,
            "unauthentic": self.media.unauthentic,
            "messages_dropped": data.dropped if data else 0,
        }
        return {kind: count for kind, count in counts.items() if count}

    async def create_offer(self) -> str:
        """Gather and describe what a viewer wants; raises ConnectFailed without a network."""
        self._begin("viewer")
        local = await self._local_terms()
        self._video = offered_video(cname=_random_name(), rtcp_ssrc=_random_ssrc())
        return write_offer(self._video, local, session_id=_random_session())

    async def create_answer(self, offer_sdp: str) -> str:
        """Answer a viewer's offer; raises OfferRefused, ConnectFailed."""
        terms = read_offer(offer_sdp)
        self._begin("camera")
        local = await self._local_terms()
        self._ice.finish_gathering()
        ssrc, rtx_ssrc = _random_ssrcs()
        video = replace(
            terms.video,
            cname=_random_name(),
            local_ssrc=ssrc,
            local_rtx_ssrc=None if terms.video.rtx_payload_type is None else rtx_ssrc,
        )
        self._agree(video, terms.transport, terms.data)
        return write_answer(terms, video, local, session_id=_random_session())

    async def accept_answer(self, answer_sdp: str, *, servers: Sequence[IceServer] = ()) -> None:
        """Take the camera's answer to our offer; raises AnswerRefused.

        ``servers`` are those that the camera lends: they are asked beside our own.
        """
        if self._remote is not None:
            raise AnswerRefused("second-answer", "the offer was answered before")
        terms = read_answer(answer_sdp, self.video)
        self._agree(terms.video, terms.transport, terms.data)
        self._ice.finish_gathering(servers)

    def add_remote_candidates(self, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Add what the peer trickled; bad ones are dropped and counted, nothing is raised.

        What comes before the peer's description waits for it, 64 at most. An empty ``ufrag`` fits
        any. ``end`` says that no more will follow, which changes nothing: a check may still come
        from a new address.
        """
        del end
        if self._remote is None:
            room = EARLY_CANDIDATE_LIMIT - len(self._early)
            self._early += [(candidate, ufrag) for candidate in candidates[:room]]
            self._ice.refuse_stale(max(0, len(candidates) - room))
        elif ufrag not in ("", self._remote.ufrag):
            self._ice.refuse_stale(len(candidates))
        else:
            self._ice.add_remote_candidates(candidates)

    async def connect(self, timeout_s: float) -> None:
        """Reach the peer and agree on keys; raises StageTimeout, ConnectFailed.

        ``timeout_s`` covers both stages, ``ice`` and ``dtls``. A failed connection is closed.
        """
        if self._remote is None:
            raise LocalProtocolError("connect needs the description of the other side")
        if self._closing is not None:
            raise ConnectFailed("ice", "the connection is closed: make a new one")
        try:
            await self._connect(self._remote, timeout_s)
        except BaseException:
            await self.close()
            raise
        self._is_connected = True
        # The peer may have left between its last handshake message and now.
        self._media_state_changed()

    def explain_path(self) -> str:
        """Say why no path to the peer was found so far, in a sentence for a person."""
        return self._ice.explain()

    def selected_pair(self) -> CandidatePairInfo | None:
        """Tell which addresses carry the connection."""
        return self._ice.selected_pair()

    def open_way(self, on_refused: Callable[[OSError], None]) -> Way:
        """Return the way of encrypted packets to the peer; whoever asks closes it.

        ``on_refused`` hears once for each route that it takes single packets only.
        """
        return Way(self._ice.gatherer.ice, on_refused=on_refused)

    async def close(self) -> None:
        """End the connection and tell the peer; takes at most a second, may be repeated."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="mqcam-connection-close")
        # Neither a caller that is cancelled here nor the limit may leave sockets open: a program
        # that was stopped for a while finds the limit passed with nothing done.
        done, _ = await asyncio.wait({self._closing}, timeout=CLOSE_LIMIT_S)
        for each in done:
            each.result()

    def _begin(self, role: Role) -> None:
        if self.role != role:
            raise LocalProtocolError(f"only a {role} does this")
        if self._is_begun:
            raise LocalProtocolError("a connection makes one description: make a new connection")
        self._is_begun = True

    async def _local_terms(self) -> TransportTerms:
        candidates = await self._ice.gather()
        parameters = self._ice.gatherer.getLocalParameters()
        return TransportTerms(
            ufrag=parameters.usernameFragment or "",
            password=parameters.password or "",
            fingerprints=tuple(
                (each.algorithm, each.value)
                for each in self.media.getLocalParameters().fingerprints
                if each.algorithm == "sha-256"
            ),
            candidates=tuple(candidates),
        )

    def _report_candidates(self, candidates: Sequence[str], end: bool) -> None:
        if self._closing is not None:
            return
        # This runs inside the gathering: a mistake of the caller must not end it.
        try:
            self._on_candidates(candidates, end)
        except Exception:
            logger.exception("the handler of local candidates failed")

    def _agree(
        self, video: VideoParameters, remote: TransportTerms, data: DataTerms | None
    ) -> None:
        self._video = video
        self._remote = remote
        self._data_terms = data
        if data is not None:
            self.data = DataLink(self.media, local_port=SCTP_PORT, remote_port=data.port)
        self._ice.add_remote_candidates(remote.candidates)
        early, self._early = self._early, []
        for candidate, ufrag in early:
            self.add_remote_candidates([candidate], ufrag=ufrag, end=False)

    async def _connect(self, remote: TransportTerms, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        await self._ice.connect(
            RTCIceParameters(usernameFragment=remote.ufrag, password=remote.password), timeout_s
        )
        self.media.rtt_s = self._ice.rtt_s
        try:
            async with asyncio.timeout_at(deadline):
                await self.media.start(_dtls_parameters(remote))
        except TimeoutError as error:
            raise StageTimeout(
                "dtls",
                timeout_s,
                "the other side was reached, but did not finish the key exchange: "
                "try again, and check whether it was restarted or is overloaded",
            ) from error
        _take_lost_cancellation()
        if self.media.state != "connected":
            raise ConnectFailed("dtls", self._dtls_trouble())
        self.media.note_authenticated()
        self._ice.gatherer.ice.on_media = self.media.take

    def _dtls_trouble(self) -> str:
        if self.media.encrypted and self._closing is None and not self._ice.is_lost:
            return (
                "the certificate of the other side is not the one that its description names: "
                "somebody may stand in between, check who can write to the broker"
            )
        return (
            "the key exchange with the other side broke off: "
            "check whether its program was closed or restarted, then try again"
        )

    def _media_state_changed(self) -> None:
        state = self.media.state
        # Started from here, because the peer's first chunk may be the very next datagram,
        # and one that nobody takes is sent again only after three seconds.
        if state == "connected" and self.data is not None and self._data_task is None:
            limit = self._data_terms.message_limit_bytes if self._data_terms else 0
            self._data_task = asyncio.create_task(self.data.start(limit), name="mqcam-data-link")
        if state in ("closed", "failed") and self._is_connected and self._closing is None:
            self._is_connected = False
            # This runs inside aiortc's receive loop: a mistake of the caller must not leave it.
            try:
                self._on_closed(PATH_LOST if self._ice.is_lost else PEER_CLOSED)
            except Exception:
                logger.exception("the handler of a closed connection failed")

    async def _close(self) -> None:
        self._is_connected = False
        self.media.stop_repeats()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S / 2):
                if self._data_task is not None:
                    self._data_task.cancel()
                    await asyncio.gather(self._data_task, return_exceptions=True)
                if self.data is not None:
                    await self.data.close()
                await self.media.stop()
        await self._ice.close()  # close() waits for it so long and no longer
        # Let aiortc's receive loop take its cancellation.
        await asyncio.sleep(0)


@functools.cache
def _processor() -> str:
    """Return what Linux says about its first processor; nothing on other systems."""
    try:
        with PROCESSOR_PATH.open(encoding="utf-8", errors="replace") as text:
            return text.read(PROCESSOR_TEXT_LIMIT)
    except OSError:
        return ""


def _take_lost_cancellation() -> None:
    """Obey a cancellation that came in one turn of the loop with a datagram of the handshake.

    aiortc waits with ``asyncio.wait_for``, which loses it in Python 3.11 (python/cpython#86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _dtls_parameters(remote: TransportTerms) -> RTCDtlsParameters:
    return RTCDtlsParameters(
        fingerprints=[
            RTCDtlsFingerprint(algorithm=algorithm, value=value)
            for algorithm, value in remote.fingerprints
        ]
    )


def _random_ssrc() -> int:
    return secrets.randbelow(2**32 - 1) + 1


def _random_ssrcs() -> tuple[int, int]:
    """Return two that differ: their packets are numbered apart, under one key."""
    one, other = _random_ssrc(), _random_ssrc()
    return (one, other) if one != other else _random_ssrcs()


def _random_session() -> int:
    return secrets.randbits(62)


def _random_name() -> str:
    return secrets.token_urlsafe(12)
