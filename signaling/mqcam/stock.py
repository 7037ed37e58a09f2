"""aiortc's own sender and receiver on our connection: the first version of both ends.

It must not know where frames come from or go to. When our own halves replace these, this file
goes, and its private names with it.
"""

from __future__ import annotations

import logging
import queue
import struct
from typing import TYPE_CHECKING, Any, Final

from aiortc import RTCRtpReceiver, RTCRtpSender
from aiortc.rtcrtpparameters import (
    RTCRtcpFeedback,
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from mqcam.private import PrivateName
from mqcam.sdp import RTP_CLOCK_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import MediaStreamTrack
    from aiortc.rtp import AnyRtcpPacket

    from mqcam.media import MediaTransport
    from mqcam.sdp import VideoParameters

logger = logging.getLogger(__name__)

REPEATS_AT_ONCE: Final = 128
"""Packets that may be repeated in a row: as many as the stock sender remembers."""

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aiortc.rtcrtpsender",
        path="RTCRtpSender._ssrc",
        reason="the answer names the SSRC before the sender exists",
    ),
    PrivateName(
        module="aiortc.rtcrtpsender",
        path="RTCRtpSender._rtx_ssrc",
        reason="as _ssrc, for retransmissions",
    ),
    PrivateName(
        module="aiortc.rtcrtpsender",
        path="RTCRtpSender._send_keyframe",
        parameters=("self",),
        reason="a request for a key frame must reach our encoder: stock only sets a flag",
    ),
    PrivateName(
        module="aiortc.rtcrtpsender",
        path="RTCRtpSender._retransmit",
        parameters=("self", "sequence_number"),
        reason="stock repeats whatever it is asked for, however often",
    ),
    PrivateName(
        module="aiortc.rtcrtpreceiver",
        path="RTCRtpReceiver._send_rtcp",
        parameters=("self", "packet"),
        reason="a report that cannot be written ends the task of the reports, and stop() with it",
    ),
    PrivateName(
        module="aiortc.rtcrtpreceiver",
        path="RTCRtpReceiver._track",
        reason="only RTCPeerConnection gives a receiver its track",
    ),
    PrivateName(
        module="aiortc.rtcrtpreceiver",
        path="RTCRtpReceiver._set_rtcp_ssrc",
        parameters=("self", "ssrc"),
        reason="without it a receiver sends neither NACK nor PLI nor reports",
    ),
    PrivateName(
        module="aiortc.rtcrtpreceiver",
        path="RTCRtpReceiver._RTCRtpReceiver__timestamp_mapper",
        reason="frames must keep the RTP timestamps that sender reports speak of",
    ),
    PrivateName(
        module="aiortc.rtcrtpreceiver",
        path="RTCRtpReceiver._RTCRtpReceiver__decoder_queue",
        reason="who records needs the receiver's NACKs and reports, not its decoded pictures",
    ),
    PrivateName(
        module="aiortc.rtcrtpreceiver",
        path="RemoteStreamTrack",
        reason="the track that the receiver's decoder fills; not exported",
    ),
)


class PacketSender(RTCRtpSender):
    """The stock sender with the answer's SSRCs; key frame requests go to a callback.

    It repeats no more packets than it has sent: 1200 bytes of NACK can ask for 5000, and what one
    viewer gets, all others wait for.
    """

    def __init__(
        self,
        track: MediaStreamTrack,
        media: MediaTransport,
        video: VideoParameters,
        on_keyframe_request: Callable[[], None],
    ) -> None:
        super().__init__(track, media)
        self._ssrc = video.local_ssrc
        if video.local_rtx_ssrc is not None:
            self._rtx_ssrc = video.local_rtx_ssrc
        self._on_keyframe_request = on_keyframe_request
        self._traffic = media.sent
        self._repeated = 0
        self._first_time = 0
        self._credit = 0

    async def _retransmit(self, sequence_number: int) -> None:
        first_time = self._traffic.rtp_packets - self._repeated
        self._credit = min(REPEATS_AT_ONCE, self._credit + first_time - self._first_time)
        self._first_time = first_time
        if self._credit <= 0:
            return
        before = self._traffic.rtp_packets
        await super()._retransmit(sequence_number)
        count = self._traffic.rtp_packets - before
        self._repeated += count
        self._credit -= count

    def _send_keyframe(self) -> None:
        self._on_keyframe_request()


class UnchangedTimestamps:
    """What the stock receiver maps RTP timestamps with: not at all."""

    def map(self, timestamp: int) -> int:
        """Return the timestamp that the frame will have."""
        return timestamp


class PacketReceiver(RTCRtpReceiver):
    """The stock receiver whose reports go on after one that cannot be written.

    The jitter of RFC 3550 is counted from the time of day: when that is set, after hours without
    network, the number does not fit its field.
    """

    async def _send_rtcp(self, packet: AnyRtcpPacket) -> None:
        try:
            await super()._send_rtcp(packet)
        except (struct.error, ValueError, OverflowError):
            logger.debug("a report does not fit and is left out")


class EndOnly(queue.Queue[Any]):
    """What the stock receiver hands pictures to where nobody wants them: only its end passes."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Take the end, drop everything else."""
        if item is None:
            super().put(item, block, timeout)


def make_sender(
    track: MediaStreamTrack,
    media: MediaTransport,
    video: VideoParameters,
    on_keyframe_request: Callable[[], None],
) -> RTCRtpSender:
    """Make a stock sender of H.264 packets; the caller awaits its ``send`` and ``stop``."""
    return PacketSender(track, media, video, on_keyframe_request)


def make_receiver(
    media: MediaTransport, video: VideoParameters, *, is_decoding: bool = True
) -> RTCRtpReceiver:
    """Make a stock receiver whose ``track`` yields frames; the caller awaits its ``receive``.

    A frame's ``pts`` is its RTP timestamp. Without ``is_decoding`` no frame comes, but losses are
    still repaired and reported.
    """
    receiver = PacketReceiver("video", media)
    receiver._track = RemoteStreamTrack("video")  # noqa: SLF001
    receiver._set_rtcp_ssrc(video.local_ssrc)  # noqa: SLF001
    receiver._RTCRtpReceiver__timestamp_mapper = UnchangedTimestamps()  # type: ignore[attr-defined]  # noqa: SLF001
    if not is_decoding:
        receiver._RTCRtpReceiver__decoder_queue = EndOnly()  # type: ignore[attr-defined]  # noqa: SLF001
    return receiver


def send_parameters(video: VideoParameters) -> RTCRtpSendParameters:
    """Translate for ``RTCRtpSender.send``."""
    return RTCRtpSendParameters(
        codecs=_codecs(video),
        headerExtensions=_extensions(video),
        muxId=video.mid,
        rtcp=RTCRtcpParameters(cname=video.cname, mux=True, ssrc=video.local_ssrc),
        encodings=[RTCRtpEncodingParameters(ssrc=video.local_ssrc, payloadType=video.payload_type)],
    )


def receive_parameters(video: VideoParameters) -> RTCRtpReceiveParameters:
    """Translate for ``RTCRtpReceiver.receive``."""
    encodings = []
    if video.remote_ssrc is not None:
        rtx = video.remote_rtx_ssrc
        encodings.append(
            RTCRtpDecodingParameters(
                ssrc=video.remote_ssrc,
                payloadType=video.payload_type,
                rtx=None if rtx is None else RTCRtpRtxParameters(ssrc=rtx),
            )
        )
    return RTCRtpReceiveParameters(
        codecs=_codecs(video),
        headerExtensions=_extensions(video),
        muxId=video.mid,
        rtcp=RTCRtcpParameters(cname=video.cname, mux=True, ssrc=video.local_ssrc),
        encodings=encodings,
    )


def _codecs(video: VideoParameters) -> list[RTCRtpCodecParameters]:
    codecs = [
        RTCRtpCodecParameters(
            mimeType="video/H264",
            clockRate=RTP_CLOCK_HZ,
            payloadType=video.payload_type,
            rtcpFeedback=[
                RTCRtcpFeedback(type=kind, parameter=parameter or None)
                for kind, _, parameter in (each.partition(" ") for each in video.feedback)
            ],
            parameters={
                "packetization-mode": "1",
                "profile-level-id": video.profile_level_id,
            },
        )
    ]
    if video.rtx_payload_type is not None:
        codecs.append(
            RTCRtpCodecParameters(
                mimeType="video/rtx",
                clockRate=RTP_CLOCK_HZ,
                payloadType=video.rtx_payload_type,
                parameters={"apt": video.payload_type},
            )
        )
    return codecs


def _extensions(video: VideoParameters) -> list[RTCRtpHeaderExtensionParameters]:
    return [
        RTCRtpHeaderExtensionParameters(id=number, uri=uri)
        for uri, number in video.extensions.items()
    ]
