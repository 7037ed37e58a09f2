"""What a camera's session description says of its H.264 (RFC 4566, RFC 6184 section 8.2).

It must not know sockets or answers.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from mqcam.payload import START_CODE

from mqcam_device.sources.intake import Unfit
from mqcam_device.sources.rtsp.wire import number_of

_WANTED: Final = "H264"
_LINES: Final = 1000
_FPS_RANGE: Final = (0.1, 240.0)
_NAMES: Final = {"H265": "H.265", "HEVC": "H.265", "MP4V-ES": "MPEG-4", "JPEG": "motion JPEG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The track to be set up; ``parameter_sets`` are Annex B, empty where they come later."""

    url: str
    payload_type: int
    rate_hz: int = 90_000
    parameter_sets: bytes = b""
    fps: float | None = None


@dataclass(slots=True)
class _Media:
    """One ``m=`` section, as far as it matters."""

    kind: str
    payload_types: list[int]
    codecs: dict[int, tuple[str, int]] = field(default_factory=dict)
    parameters: dict[int, str] = field(default_factory=dict)
    control: str = ""
    fps: float | None = None


def read_description(text: str, url: str, *, name: str) -> tuple[Track, str]:
    """Return the first H.264 track, and the address that stands for all of it; raises Unfit.

    ``url`` is what relative addresses count from.
    """
    whole, sections = _read(text)
    videos = [each for each in sections if each.kind == "video"]
    whole_url = _resolve(url, whole)
    for media in videos:
        for payload_type in media.payload_types:
            codec, rate_hz = media.codecs.get(payload_type, ("", 0))
            if codec == _WANTED:
                track = Track(
                    url=_resolve(url, media.control),
                    payload_type=payload_type,
                    rate_hz=rate_hz or 90_000,
                    parameter_sets=_parameter_sets(media.parameters.get(payload_type, "")),
                    fps=media.fps,
                )
                return track, whole_url
    others = {codec for media in videos for codec, _ in media.codecs.values()}
    others |= {"JPEG" for media in videos if 26 in media.payload_types}  # noqa: PLR2004 - RFC 3551
    if not others:
        raise Unfit(name, "there is no video under this address: check the path in 'url'")
    what = ", ".join(sorted(_NAMES.get(each, "another codec") for each in others))
    raise Unfit(name, f"it sends {what}: set this stream to H.264 in the camera")


def _read(text: str) -> tuple[str, list[_Media]]:
    """Return the control address of the whole, and the sections."""
    whole, sections = "", list[_Media]()
    for line in text.splitlines()[:_LINES]:
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            words = value.split()
            numbers = [number for each in words[3:] if (number := number_of(each)) >= 0]
            sections.append(_Media(kind=words[0].lower() if words else "", payload_types=numbers))
        elif kind == "a":
            attribute, _, rest = value.partition(":")
            if sections:
                _note(sections[-1], attribute.strip().lower(), rest.strip())
            elif attribute.strip().lower() == "control":
                whole = rest.strip()
    return whole, sections


def _note(media: _Media, attribute: str, value: str) -> None:
    first, _, rest = value.partition(" ")
    number = number_of(first)
    if attribute == "control":
        media.control = value
    elif attribute == "framerate":
        media.fps = _rate(value)
    elif number >= 0:
        if attribute == "rtpmap":
            codec, _, rate = rest.strip().partition("/")
            rate_hz = number_of(rate.partition("/")[0])
            media.codecs[number] = (codec.upper(), max(rate_hz, 0))
        elif attribute == "fmtp":
            media.parameters[number] = rest


def _rate(text: str) -> float | None:
    try:
        fps = float(text.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return fps if _FPS_RANGE[0] <= fps <= _FPS_RANGE[1] else None


def _parameter_sets(parameters: str) -> bytes:
    """Return ``sprop-parameter-sets`` as a byte stream; what is damaged is left out."""
    stream = b""
    for each in parameters.split(";"):
        key, _, value = each.strip().partition("=")
        if key.strip().lower() == "sprop-parameter-sets":
            for part in value.split(","):
                try:
                    stream += START_CODE + base64.b64decode(part.strip(), validate=True)
                except (binascii.Error, ValueError):
                    continue
    return stream


def _resolve(url: str, control: str) -> str:
    """Return the address of a part. Relative ones are appended, as cameras mean them.

    Only the camera that was asked is ever sent anything: what names another host is taken for a
    path there.
    """
    if control in {"", "*"}:
        return url
    try:
        asked, named = urlsplit(url), urlsplit(control)
    except ValueError:  # brackets that are no IPv6 address
        return url
    if named.scheme:
        return named._replace(scheme=asked.scheme, netloc=asked.netloc).geturl()
    if control.startswith("/"):
        return urljoin(url.replace("rtsp", "http", 1), control).replace("http", "rtsp", 1)
    return f"{url.rstrip('/')}/{control}"
