"""Session descriptions (RFC 8866) as far as cameras and viewers need them: read, never trusted.

It must not know sockets or libraries. Lines that mean nothing to us are skipped, whatever they
hold; everything that is wrong ends in the refusal that the caller names and in nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam.errors import AnswerRefused, OfferRefused

SIZE_LIMIT_CHARACTERS: Final = 16_384
SECTION_LIMIT: Final = 16
DISCARD_PORT: Final = 9
RTP_CLOCK_HZ: Final = 90_000
SCTP_PORT: Final = 5000
MESSAGE_LIMIT_BYTES: Final = 16_384
DEFAULT_MESSAGE_LIMIT_BYTES: Final = 65_536  # RFC 8841 section 6
SSRC_LIMIT: Final = 2**32 - 1
PAYLOAD_TYPE_LIMIT: Final = 127
EXTENSION_ID_LIMIT: Final = 14  # what fits the one-byte header form (RFC 8285 section 4.2)

DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
RTP_PROFILE: Final = "UDP/TLS/RTP/SAVPF"
DATA_PROFILES: Final = ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP")
DATA_FORMAT: Final = "webrtc-datachannel"
HASHES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_WIDE_CC_URI: Final = (
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)
PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
ORIENTATION_URI: Final = "urn:3gpp:video-orientation"

UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")
NUMBER: Final = re.compile(r"[0-9]{1,10}")
MID: Final = re.compile(r"[!#$%&'*+.^_`{|}~A-Za-z0-9-]{1,32}")  # a token of RFC 8866
FINGERPRINT: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The ``a=`` lines of a session or a section, in their order."""

    lines: tuple[tuple[str, str], ...] = ()

    def first(self, name: str) -> str | None:
        """Return the first value of an attribute; empty for a flag, None if it is absent."""
        return next((value for key, value in self.lines if key == name), None)

    def every(self, name: str) -> list[str]:
        """Return all values of an attribute."""
        return [value for key, value in self.lines if key == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One ``m=`` section."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: Attributes

    @property
    def mid(self) -> str:
        """The section's name in the BUNDLE group; empty if it has none."""
        return self.attributes.first("mid") or ""

    @property
    def is_rejected(self) -> bool:
        """Tell whether the section is switched off; bundle-only ones have port 0, too."""
        return self.port == 0 and self.attributes.first("bundle-only") is None

    def direction(self, session: Attributes) -> str:
        """Return the direction, with the defaults of RFC 8866 section 6.7."""
        for attributes in (self.attributes, session):
            for name, _ in attributes.lines:
                if name in DIRECTIONS:
                    return name
        return DIRECTIONS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A parsed offer or answer."""

    session: Attributes
    sections: tuple[Section, ...]

    @property
    def bundle(self) -> tuple[str, ...]:
        """The mids of the first BUNDLE group, empty without one."""
        for value in self.session.every("group"):
            semantics, *mids = value.split() or [""]
            if semantics == "BUNDLE":
                return tuple(mids)
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportTerms:
    """How to reach one side: ICE credentials, certificate fingerprints, candidates as text."""

    ufrag: str
    password: str = field(repr=False)
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTerms:
    """The data channel: its section's name, the peer's SCTP port and largest message (0: any)."""

    mid: str
    port: int = SCTP_PORT
    message_limit_bytes: int = MESSAGE_LIMIT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoParameters:
    """What both sides agreed on about the video; ``extensions`` maps URIs to ids.

    The local SSRCs of a viewer are those of its RTCP; a remote one is None where the peer's
    description names none.
    """

    mid: str
    payload_type: int
    rtx_payload_type: int | None
    profile_level_id: str
    feedback: tuple[str, ...]
    extensions: Mapping[str, int]
    cname: str = ""
    local_ssrc: int = 0
    local_rtx_ssrc: int | None = None
    remote_ssrc: int | None = None
    remote_rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One payload type of a section."""

    payload_type: int
    name: str
    parameters: Mapping[str, str]


def parse_description(text: str, refuse: type[OfferRefused | AnswerRefused]) -> Description:
    """Split a description into its sections; raises ``refuse`` if it is none."""
    if len(text) > SIZE_LIMIT_CHARACTERS:
        raise refuse(
            "sdp-too-large",
            f"the description has {len(text)} characters, at most {SIZE_LIMIT_CHARACTERS} "
            "are taken: describe only the video and the data channel",
        )
    # Nothing that we read is more than ASCII, and what an answer repeats must be fit for the wire.
    head, *bodies = _split_sections(text.encode("ascii", "replace").decode("ascii"))
    if not head or head[0] != "v=0":
        raise refuse("malformed-sdp", 'the description is no SDP: its first line is not "v=0"')
    if len(bodies) > SECTION_LIMIT:
        raise refuse(
            "malformed-sdp",
            f"the description has {len(bodies)} sections, {SECTION_LIMIT} are taken",
        )
    return Description(
        session=_attributes(head),
        sections=tuple(_section(body, refuse) for body in bodies),
    )


def read_codecs(section: Section) -> list[Codec]:
    """List the codecs of a section in the order of preference of its ``m=`` line."""
    names = _by_payload_type(section.attributes.every("rtpmap"))
    formats = _by_payload_type(section.attributes.every("fmtp"))
    codecs = []
    for text in section.formats:
        payload_type = read_number(text, PAYLOAD_TYPE_LIMIT)
        if payload_type is None or payload_type not in names:
            continue
        codecs.append(
            Codec(
                payload_type=payload_type,
                name=names[payload_type].partition("/")[0].lower(),
                parameters=_format_parameters(formats.get(payload_type, "")),
            )
        )
    return codecs


def read_feedback(section: Section, payload_type: int) -> tuple[str, ...]:
    """List the RTCP feedback that a section names for a payload type."""
    found = []
    for value in section.attributes.every("rtcp-fb"):
        target, _, feedback = value.partition(" ")
        if target in ("*", str(payload_type)):
            found.append(" ".join(feedback.split()))
    return tuple(dict.fromkeys(found))


def read_extensions(section: Section, *, usable: tuple[str, ...]) -> dict[str, int]:
    """Map the URIs of header extensions to their ids; ``usable`` are the directions that count."""
    found: dict[str, int] = {}
    for value in section.attributes.every("extmap"):
        bits = value.split()
        if len(bits) < 2:  # noqa: PLR2004 - id and URI
            continue
        number, _, direction = bits[0].partition("/")
        identifier = read_number(number, EXTENSION_ID_LIMIT)
        if identifier and (not direction or direction in usable):
            found.setdefault(bits[1], identifier)
    return found


def read_transport(
    description: Description, section: Section, refuse: type[OfferRefused | AnswerRefused]
) -> TransportTerms:
    """Read how to reach the peer; raises ``refuse`` if that is not said or not usable."""
    ufrag = _inherited(description, section, "ice-ufrag")
    password = _inherited(description, section, "ice-pwd")
    if ufrag is None or password is None:
        raise refuse(
            "no-ice", "the description has no ICE user and password (a=ice-ufrag, a=ice-pwd)"
        )
    if UFRAG.fullmatch(ufrag) is None or PASSWORD.fullmatch(password) is None:
        raise refuse("no-ice", "the description's ICE user or password is malformed")
    fingerprints = _fingerprints(section.attributes) or _fingerprints(description.session)
    if not fingerprints:
        raise refuse(
            "no-fingerprint",
            "the description has no certificate fingerprint (a=fingerprint) of SHA-256, 384 "
            "or 512: without encryption there is no video",
        )
    return TransportTerms(
        ufrag=ufrag,
        password=password,
        fingerprints=fingerprints,
        # All of them travel over one transport; some browsers list them in a section of their own.
        candidates=tuple(
            dict.fromkeys(
                f"candidate:{candidate}"
                for each in description.sections
                for candidate in each.attributes.every("candidate")
            )
        ),
    )


def read_setup(description: Description, section: Section) -> str:
    """Return the DTLS role that the peer names, ``actpass`` by default."""
    return _inherited(description, section, "setup") or "actpass"


def read_data(section: Section) -> DataTerms | None:
    """Read a data channel section; None if it is switched off or of a kind that we do not speak."""
    if (
        section.kind != "application"
        or section.is_rejected
        or section.protocol not in DATA_PROFILES
        or section.formats != (DATA_FORMAT,)
    ):
        return None
    port = read_number(section.attributes.first("sctp-port") or str(SCTP_PORT), 65_535)
    limit = read_number(
        section.attributes.first("max-message-size") or str(DEFAULT_MESSAGE_LIMIT_BYTES), 2**32
    )
    if not port or limit is None:
        return None
    return DataTerms(mid=section.mid, port=port, message_limit_bytes=limit)


def read_ssrcs(section: Section) -> tuple[int | None, int | None]:
    """Return the SSRC of the video and that of its retransmissions, as far as they are named."""
    for value in section.attributes.every("ssrc-group"):
        semantics, *members = value.split() or [""]
        if semantics == "FID":
            ssrcs = [read_number(member, SSRC_LIMIT) for member in members]
            if len(ssrcs) == 2:  # noqa: PLR2004 - RFC 5576: original and repair
                return ssrcs[0], ssrcs[1]
    first = section.attributes.first("ssrc")
    return (None if first is None else read_number(first.partition(" ")[0], SSRC_LIMIT)), None


def read_number(text: str, limit: int) -> int | None:
    """Read an unsigned decimal number of at most ``limit``."""
    if NUMBER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= limit else None


def _split_sections(text: str) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    # Not splitlines(): that also breaks at characters which may stand inside a line.
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            groups.append([])
        if line:
            groups[-1].append(line)
    return groups


def _attributes(lines: list[str]) -> Attributes:
    pairs = []
    for line in lines:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            pairs.append((name, value.strip()))
    return Attributes(lines=tuple(pairs))


def _section(lines: list[str], refuse: type[OfferRefused | AnswerRefused]) -> Section:
    kind, *rest = lines[0][2:].split() or [""]
    port = read_number(rest[0].partition("/")[0], 65_535) if rest else None
    if port is None or len(rest) < 3:  # noqa: PLR2004 - port, protocol, one format
        raise refuse("malformed-sdp", "the description has a malformed m= line")
    section = Section(
        kind=kind,
        port=port,
        protocol=rest[1],
        formats=tuple(rest[2:]),
        attributes=_attributes(lines[1:]),
    )
    if section.mid and MID.fullmatch(section.mid) is None:
        raise refuse("malformed-sdp", "the description names a section with forbidden characters")
    return section


def _by_payload_type(values: list[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value in values:
        number, _, rest = value.partition(" ")
        payload_type = read_number(number, PAYLOAD_TYPE_LIMIT)
        if payload_type is not None and rest:
            found.setdefault(payload_type, rest.strip())
    return found


def _format_parameters(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        if name:
            parameters.setdefault(name.lower(), value)
    return parameters


def _inherited(description: Description, section: Section, name: str) -> str | None:
    value = section.attributes.first(name)
    return description.session.first(name) if value is None else value


def _fingerprints(attributes: Attributes) -> tuple[tuple[str, str], ...]:
    found = []
    for text in attributes.every("fingerprint"):
        algorithm, _, value = text.partition(" ")
        octets = HASHES.get(algorithm.lower())
        if octets and len(value) == 3 * octets - 1 and FINGERPRINT.fullmatch(value):
            found.append((algorithm.lower(), value.upper()))
    return tuple(found)
