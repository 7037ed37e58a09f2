"""aiortc's own sender on our connection: the first version of a camera's end.

It must not know where frames come from or go to. When our own sender replaces it, this file
goes, and its private names with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import (
    RTCRtcpFeedback,
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)

from mqcam.private import PrivateName
from mqcam.sdp import RTP_CLOCK_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import MediaStreamTrack

    from mqcam.media import MediaTransport
    from mqcam.sdp import VideoParameters

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


def make_sender(
    track: MediaStreamTrack,
    media: MediaTransport,
    video: VideoParameters,
    on_keyframe_request: Callable[[], None],
) -> RTCRtpSender:
    """Make a stock sender of H.264 packets; the caller awaits its ``send`` and ``stop``."""
    return PacketSender(track, media, video, on_keyframe_request)


def send_parameters(video: VideoParameters) -> RTCRtpSendParameters:
    """Translate for ``RTCRtpSender.send``."""
    return RTCRtpSendParameters(
        codecs=_codecs(video),
        headerExtensions=_extensions(video),
        muxId=video.mid,
        rtcp=RTCRtcpParameters(cname=video.cname, mux=True, ssrc=video.local_ssrc),
        encodings=[RTCRtpEncodingParameters(ssrc=video.local_ssrc, payloadType=video.payload_type)],
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
