"""One peer-to-peer connection between a camera and a viewer, from descriptions to packets.

It must not know how descriptions and candidates travel, nor what is encoded or shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiortc import RTCCertificate
    from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters

    from mqcam.datalink import DataLink
    from mqcam.ice import CandidatePairInfo, IceSettings
    from mqcam.media import MediaTransport
    from mqcam.sdp import VideoParameters

Role = Literal["camera", "viewer"]


class Connection:
    """A connection of one session; made, connected and closed once, in one event loop.

    ``on_candidates(candidates, end)`` gets local candidates that are not in the description.
    ``on_closed(reason)`` is called at most once, after ``connect`` had succeeded and when
    ``close`` was not ours: ``peer-closed`` or ``path-lost``.
    """

    video: VideoParameters
    media: MediaTransport
    data: DataLink | None
    ufrag: str

    def __init__(
        self,
        *,
        role: Role,
        ice: IceSettings,
        on_candidates: Callable[[Sequence[str], bool], None],
        on_closed: Callable[[str], None],
        certificate: RTCCertificate | None = None,
    ) -> None: ...

    async def create_offer(self) -> str:
        """Gather and describe what a viewer wants; raises ConnectFailed without a network."""
        raise NotImplementedError

    async def create_answer(self, offer_sdp: str) -> str:
        """Answer a viewer's offer; raises OfferRefused, ConnectFailed."""
        raise NotImplementedError

    async def accept_answer(self, answer_sdp: str) -> None:
        """Take the camera's answer to our offer; raises AnswerRefused."""
        raise NotImplementedError

    def add_remote_candidates(self, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Add what the peer trickled; bad ones are dropped and counted, nothing is raised."""

    async def connect(self, timeout_s: float) -> None:
        """Reach the peer and agree on keys; raises StageTimeout, ConnectFailed."""

    def send_parameters(self) -> RTCRtpSendParameters:
        """Build the parameters of a stock RTCRtpSender (camera)."""
        raise NotImplementedError

    def receive_parameters(self) -> RTCRtpReceiveParameters:
        """Build the parameters of a stock RTCRtpReceiver (viewer)."""
        raise NotImplementedError

    def selected_pair(self) -> CandidatePairInfo | None:
        """Tell which addresses carry the connection."""

    async def close(self) -> None:
        """End the connection and tell the peer; takes at most a second, may be repeated."""
