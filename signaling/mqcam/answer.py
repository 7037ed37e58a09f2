"""What a camera makes of an offer: an answer, or a refusal that says why.

It must not know sockets or libraries, nor what the camera shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.errors import OfferRefused
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
    Description,
    Section,
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
    from mqcam.sdp import Codec

TRANSPORT_CC: Final = "transport-cc"
# Only what the sending half really does: a promised extension that no packet carries misleads
# the receiver. Who reports on transport-wide numbers sends no REMB, whatever is answered.
ANSWERED_FEEDBACK: Final = ("nack", "nack pli", "ccm fir", "goog-remb", TRANSPORT_CC, "rrtr")
ANSWERED_EXTENSIONS: Final = (
    MID_URI,
    ABS_SEND_TIME_URI,
    TRANSPORT_WIDE_CC_URI,
    PLAYOUT_DELAY_URI,
    ORIENTATION_URI,
)
# Constrained Baseline first; plain Baseline is what Chromium lists as 42001f.
PROFILES: Final = ("42e0", "4200")
PREFERRED_PROFILE_LEVEL: Final = "42e01f"
PROFILE_LEVEL_ID: Final = re.compile(r"[0-9a-f]{6}")
STREAM_NAME: Final = "mqcam"
TRACK_NAME: Final = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTerms:
    """What an offer that we can answer asks for."""

    description: Description
    video: VideoParameters
    transport: TransportTerms
    data: DataTerms | None
    has_level_asymmetry: bool

    @property
    def bundle(self) -> tuple[str, ...]:
        """The mids that our answer bundles, in the offer's order."""
        accepted = {self.video.mid} | ({self.data.mid} if self.data else set())
        return tuple(mid for mid in self.description.bundle if mid in accepted)


def read_offer(text: str) -> OfferTerms:
    """Judge an offer; raises OfferRefused with the first thing that makes it unanswerable."""
    description = parse_description(text, OfferRefused)
    section = _video_section(description)
    data = _data_terms(description, section)
    codec, rtx = _h264(section)
    carrier = _carrier(description, section, data)
    if description.session.first("ice-lite") is not None:
        raise OfferRefused("ice-lite", "the offer is ice-lite: a viewer must make ICE checks")
    setup = read_setup(description, carrier)
    if setup not in ("actpass", "passive"):
        raise OfferRefused(
            "dtls-role", 'the offer must say "a=setup:actpass": the camera is the DTLS client'
        )
    feedback, extensions = _answered(section, codec.payload_type)
    remote_ssrc, _ = read_ssrcs(section)
    return OfferTerms(
        description=description,
        video=VideoParameters(
            mid=section.mid,
            payload_type=codec.payload_type,
            rtx_payload_type=None if rtx is None else rtx.payload_type,
            profile_level_id=codec.parameters["profile-level-id"],
            feedback=feedback,
            extensions=extensions,
            remote_ssrc=remote_ssrc,
        ),
        transport=read_transport(description, carrier, OfferRefused),
        data=data,
        has_level_asymmetry=codec.parameters.get("level-asymmetry-allowed") == "1",
    )


def write_answer(
    terms: OfferTerms, video: VideoParameters, local: TransportTerms, *, session_id: int
) -> str:
    """Answer every section of the offer in its order, those that we have no use for with port 0."""
    lines = session_lines(session_id, bundle=terms.bundle)
    candidates = [f"a={candidate}" for candidate in local.candidates]
    for section in terms.description.sections:
        is_video = section.kind == "video" and section.mid == video.mid
        if is_video and not section.is_rejected:
            lines += _video_lines(
                terms, video, [*candidates, *transport_lines(local, setup="active")]
            )
        elif terms.data is not None and section.mid == terms.data.mid:
            lines += _data_section_lines(section, transport_lines(local, setup="active"))
        else:
            lines += _rejected_lines(section, transport_lines(local, setup="active"))
    return join_lines(lines)


def _video_section(description: Description) -> Section:
    videos = [
        section
        for section in description.sections
        if section.kind == "video" and not section.is_rejected
    ]
    if not videos:
        raise OfferRefused(
            "no-video", "the offer asks for no video: add a video section that receives"
        )
    if len(videos) > 1:
        raise OfferRefused(
            "many-videos",
            f"the offer asks for {len(videos)} videos, a camera sends one: "
            "make one connection for each camera",
        )
    section = videos[0]
    if section.protocol != RTP_PROFILE:
        raise OfferRefused("no-encryption", f"the offer's video must be {RTP_PROFILE}")
    if section.direction(description.session) not in ("recvonly", "sendrecv"):
        raise OfferRefused(
            "video-direction", 'the offer does not receive the video: it must say "a=recvonly"'
        )
    if section.attributes.first("rtcp-mux") is None:
        raise OfferRefused("no-rtcp-mux", "the offer lacks a=rtcp-mux: one port carries it all")
    return section


def _h264(section: Section) -> tuple[Codec, Codec | None]:
    codecs = read_codecs(section)
    h264 = [codec for codec in codecs if codec.name == "h264"]
    if not h264:
        raise OfferRefused("no-h264", "the offer lists no H.264, and the camera sends nothing else")
    mode_1 = [codec for codec in h264 if codec.parameters.get("packetization-mode") == "1"]
    if not mode_1:
        raise OfferRefused("packetization-mode", "the offer's H.264 must have packetization-mode=1")
    usable = [codec for codec in mode_1 if _profile(codec)[:4] in PROFILES]
    if not usable:
        raise OfferRefused(
            "h264-profile",
            "the offer's H.264 must have a Baseline profile (profile-level-id=42e01f)",
        )
    best = min(
        usable,
        key=lambda codec: (
            _profile(codec) != PREFERRED_PROFILE_LEVEL,
            PROFILES.index(_profile(codec)[:4]),
        ),
    )
    rtx = next(
        (
            codec
            for codec in codecs
            if codec.name == "rtx" and codec.parameters.get("apt") == str(best.payload_type)
        ),
        None,
    )
    return best, rtx


def _answered(section: Section, payload_type: int) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the feedback and the extensions that we take; of transport-cc both halves or none."""
    offered = read_feedback(section, payload_type)
    numbers = read_extensions(section, usable=("recvonly", "sendrecv"))
    left_out: set[str] = set()
    if TRANSPORT_CC not in offered or TRANSPORT_WIDE_CC_URI not in numbers:
        left_out = {TRANSPORT_CC, TRANSPORT_WIDE_CC_URI}
    feedback = (each for each in ANSWERED_FEEDBACK if each in offered)
    return (
        tuple(each for each in feedback if each not in left_out),
        {
            uri: numbers[uri]
            for uri in ANSWERED_EXTENSIONS
            if uri in numbers and uri not in left_out
        },
    )


def _profile(codec: Codec) -> str:
    profile = codec.parameters.get("profile-level-id", "").lower()
    return profile if PROFILE_LEVEL_ID.fullmatch(profile) else ""


def _data_terms(description: Description, video: Section) -> DataTerms | None:
    bundle = description.bundle
    others = [each for each in description.sections if each is not video and not each.is_rejected]
    if others and (not video.mid or video.mid not in bundle):
        raise OfferRefused(
            "not-bundled", "the offer must put all of its sections into one BUNDLE group"
        )
    if len({each.mid for each in description.sections}) != len(description.sections):
        raise OfferRefused("malformed-sdp", "two sections of the offer have the same name (a=mid)")
    found = (read_data(each) for each in others if each.mid in bundle)
    return next((terms for terms in found if terms is not None), None)


def _carrier(description: Description, video: Section, data: DataTerms | None) -> Section:
    """Return the section whose transport carries the bundle (RFC 9143 section 7.3.1)."""
    accepted = {video.mid} | ({data.mid} if data else set())
    first = next((mid for mid in description.bundle if mid in accepted), video.mid)
    return next(each for each in description.sections if each.mid == first)


def _video_lines(terms: OfferTerms, video: VideoParameters, transport: list[str]) -> list[str]:
    formats = [str(video.payload_type)]
    if video.rtx_payload_type is not None:
        formats.append(str(video.rtx_payload_type))
    lines = [
        f"m=video {DISCARD_PORT} {RTP_PROFILE} {' '.join(formats)}",
        "c=IN IP4 0.0.0.0",
        *transport,
    ]
    if video.mid:
        lines.append(f"a=mid:{video.mid}")
    lines += [f"a=extmap:{number} {uri}" for uri, number in video.extensions.items()]
    lines += [
        "a=sendonly",
        f"a=msid:{STREAM_NAME} {TRACK_NAME}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        *codec_lines(video, level_asymmetry=terms.has_level_asymmetry),
    ]
    if video.local_rtx_ssrc is not None:
        lines.append(f"a=ssrc-group:FID {video.local_ssrc} {video.local_rtx_ssrc}")
    lines.append(f"a=ssrc:{video.local_ssrc} cname:{video.cname}")
    if video.local_rtx_ssrc is not None:
        lines.append(f"a=ssrc:{video.local_rtx_ssrc} cname:{video.cname}")
    return lines


def _data_section_lines(section: Section, transport: list[str]) -> list[str]:
    return [
        f"m=application {DISCARD_PORT} {section.protocol} {DATA_FORMAT}",
        "c=IN IP4 0.0.0.0",
        *transport,
        f"a=mid:{section.mid}",
        *data_lines(),
    ]


def _rejected_lines(section: Section, transport: list[str]) -> list[str]:
    lines = [
        f"m={section.kind} 0 {section.protocol} {section.formats[0]}",
        "c=IN IP4 0.0.0.0",
        # Means nothing here, but some viewers look for it in every section.
        *transport,
    ]
    if section.mid:
        lines.append(f"a=mid:{section.mid}")
    if section.kind in ("audio", "video"):
        lines += ["a=inactive", "a=rtcp-mux"]
        # aiortc as a viewer insists on a codec that it knows even where nothing is sent.
        names = section.attributes.every("rtpmap")
        kept = next((name for name in names if name.split()[:1] == [section.formats[0]]), None)
        if kept is not None:
            lines.append(f"a=rtpmap:{' '.join(kept.split())}")
    return lines
