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
    MESSAGE_LIMIT_BYTES,
    MID_URI,
    PLAYOUT_DELAY_URI,
    RTP_CLOCK_HZ,
    RTP_PROFILE,
    SCTP_PORT,
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


def session_lines(session_id: int, *, bundle: tuple[str, ...]) -> list[str]:
    """Write the lines before the first section."""
    lines = ["v=0", f"o=- {session_id} 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    if bundle:
        lines.append("a=group:BUNDLE " + " ".join(bundle))
    lines.append("a=msid-semantic:WMS *")
    return lines


def transport_lines(local: TransportTerms, *, setup: str) -> list[str]:
    """Write how to reach us, without candidates."""
    return [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        "a=ice-options:trickle",
        *(f"a=fingerprint:{algorithm} {value}" for algorithm, value in local.fingerprints),
        f"a=setup:{setup}",
    ]


def codec_lines(video: VideoParameters, *, level_asymmetry: bool) -> list[str]:
    """Write H.264 in packetization mode 1, its feedback and its retransmissions."""
    asymmetry = "level-asymmetry-allowed=1;" if level_asymmetry else ""
    parameters = f"packetization-mode=1;profile-level-id={video.profile_level_id}"
    lines = [
        f"a=rtpmap:{video.payload_type} H264/{RTP_CLOCK_HZ}",
        *(f"a=rtcp-fb:{video.payload_type} {feedback}" for feedback in video.feedback),
        f"a=fmtp:{video.payload_type} {asymmetry}{parameters}",
    ]
    if video.rtx_payload_type is not None:
        lines.append(f"a=rtpmap:{video.rtx_payload_type} rtx/{RTP_CLOCK_HZ}")
        lines.append(f"a=fmtp:{video.rtx_payload_type} apt={video.payload_type}")
    return lines


def data_lines() -> list[str]:
    """Write our end of the data channel."""
    return [f"a=sctp-port:{SCTP_PORT}", f"a=max-message-size:{MESSAGE_LIMIT_BYTES}"]


def join_lines(lines: list[str]) -> str:
    """End each line as RFC 8866 wants it."""
    return "".join(f"{line}\r\n" for line in lines)


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
