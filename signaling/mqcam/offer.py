"""The one offer that a viewer makes, and what it takes as an answer.

Its shape is fixed: a later release that uses more of it need not change it.
It must not know sockets or libraries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mqcam.errors import AnswerRefused
from mqcam.sdp import (
    ABS_SEND_TIME_URI,
    DATA_FORMAT,
    DISCARD_PORT,
    MID_URI,
    ORIENTATION_URI,
    PLAYOUT_DELAY_URI,
    RTP_PROFILE,
    TRANSPORT_WIDE_CC_URI,
    DataTerms,
    TransportTerms,
    VideoParameters,
    parse_description,
    read_codecs,
    read_data,
    read_extensions,
    read_feedback,
    read_setup,
    read_ssrcs,
    read_transport,
)
from mqcam.sdp_lines import (
    codec_lines,
    data_lines,
    join_lines,
    session_lines,
    transport_lines,
)

if TYPE_CHECKING:
    from mqcam.sdp import Description, Section

VIDEO_MID: Final = "0"
DATA_MID: Final = "1"
PAYLOAD_TYPE: Final = 96
RTX_PAYLOAD_TYPE: Final = 97
PROFILE_LEVEL_ID: Final = "42e01f"
FEEDBACK: Final = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc", "rrtr")
EXTENSIONS: Final = {
    MID_URI: 1,
    ABS_SEND_TIME_URI: 2,
    TRANSPORT_WIDE_CC_URI: 3,
    PLAYOUT_DELAY_URI: 4,
    ORIENTATION_URI: 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTerms:
    """What the camera's answer settles."""

    video: VideoParameters
    transport: TransportTerms
    data: DataTerms | None


def offered_video(*, cname: str, rtcp_ssrc: int) -> VideoParameters:
    """Return what our offer says about the video."""
    return VideoParameters(
        mid=VIDEO_MID,
        payload_type=PAYLOAD_TYPE,
        rtx_payload_type=RTX_PAYLOAD_TYPE,
        profile_level_id=PROFILE_LEVEL_ID,
        feedback=FEEDBACK,
        extensions=EXTENSIONS,
        cname=cname,
        local_ssrc=rtcp_ssrc,
    )


def write_offer(video: VideoParameters, local: TransportTerms, *, session_id: int) -> str:
    """Write the offer with the candidates that are known by now."""
    transport = transport_lines(local, setup="actpass")
    lines = [
        *session_lines(session_id, bundle=(VIDEO_MID, DATA_MID)),
        f"m=video {DISCARD_PORT} {RTP_PROFILE} {PAYLOAD_TYPE} {RTX_PAYLOAD_TYPE}",
        "c=IN IP4 0.0.0.0",
        *(f"a={candidate}" for candidate in local.candidates),
        *transport,
        f"a=mid:{VIDEO_MID}",
        *(f"a=extmap:{number} {uri}" for uri, number in video.extensions.items()),
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        *codec_lines(video, level_asymmetry=True),
        f"a=ssrc:{video.local_ssrc} cname:{video.cname}",
        f"m=application {DISCARD_PORT} UDP/DTLS/SCTP {DATA_FORMAT}",
        "c=IN IP4 0.0.0.0",
        *transport,
        f"a=mid:{DATA_MID}",
        *data_lines(),
    ]
    return join_lines(lines)


def read_answer(text: str, offered: VideoParameters) -> AnswerTerms:
    """Read a camera's answer to our offer; raises AnswerRefused and nothing else."""
    description = parse_description(text, AnswerRefused)
    section = _video_section(description)
    setup = read_setup(description, section)
    if setup != "active":
        raise AnswerRefused(
            "dtls-role", f'the answer says "a=setup:{setup[:16]}", a camera must say "active"'
        )
    transport = read_transport(description, section, AnswerRefused)
    data = next((found for found in map(read_data, description.sections) if found), None)
    return AnswerTerms(
        video=_agreed_video(section, offered),
        transport=transport,
        data=None if data is None or data.mid != DATA_MID else data,
    )


def _video_section(description: Description) -> Section:
    section = next((each for each in description.sections if each.mid == VIDEO_MID), None)
    if section is None or section.kind != "video":
        raise AnswerRefused("no-video", "the camera's answer says nothing about the video")
    if section.is_rejected:
        raise AnswerRefused("no-video", "the camera's answer switches the video off")
    if section.direction(description.session) not in ("sendonly", "sendrecv"):
        raise AnswerRefused("video-direction", "the camera's answer sends no video")
    if section.attributes.first("rtcp-mux") is None:
        raise AnswerRefused("no-rtcp-mux", "the camera's answer lacks a=rtcp-mux")
    return section


def _agreed_video(section: Section, offered: VideoParameters) -> VideoParameters:
    codecs = {codec.payload_type: codec for codec in read_codecs(section)}
    codec = codecs.get(offered.payload_type)
    if codec is None or codec.name != "h264" or codec.parameters.get("packetization-mode") != "1":
        raise AnswerRefused(
            "no-h264", "the camera's answer does not take our H.264 in packetization mode 1"
        )
    rtx = codecs.get(RTX_PAYLOAD_TYPE)
    has_rtx = rtx is not None and rtx.parameters.get("apt") == str(offered.payload_type)
    feedback = read_feedback(section, offered.payload_type)
    extensions = read_extensions(section, usable=("sendonly", "sendrecv"))
    ssrc, rtx_ssrc = read_ssrcs(section)
    return replace(
        offered,
        rtx_payload_type=RTX_PAYLOAD_TYPE if has_rtx else None,
        feedback=tuple(each for each in offered.feedback if each in feedback),
        extensions={
            uri: number
            for uri, number in offered.extensions.items()
            if extensions.get(uri) == number
        },
        remote_ssrc=ssrc,
        remote_rtx_ssrc=rtx_ssrc if has_rtx else None,
    )
