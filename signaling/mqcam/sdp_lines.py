"""The lines of session descriptions that our offers and our answers have in common.

It must not know what was agreed nor read anything: values come in, lines go out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.sdp import MESSAGE_LIMIT_BYTES, RTP_CLOCK_HZ, SCTP_PORT

if TYPE_CHECKING:
    from mqcam.sdp import TransportTerms, VideoParameters


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
