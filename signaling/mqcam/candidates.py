"""The text form of ICE candidates (RFC 8839 section 5.1): read, judged and written.

It must not know sockets, nor who sent a candidate; it never raises on what it reads.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiortc import RTCIceCandidate

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTH_LIMIT: Final = 512
COMPONENT_RTP: Final = 1
PORT_LIMIT: Final = 65_535
PRIORITY_LIMIT: Final = 2**32 - 1
SCOPED_TYPES: Final = ("host", "srflx", "relay")
MDNS_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,63}\.local")
FOUNDATION: Final = re.compile(r"[A-Za-z0-9+/]{1,32}")
DECIMAL: Final = re.compile(r"[0-9]{1,10}")


class Refusal(enum.Enum):
    """Why a candidate was not taken."""

    MALFORMED = "malformed"
    COMPONENT = "component"
    TRANSPORT = "transport"
    TYPE = "type"
    PORT = "port"
    ADDRESS = "address"
    LOOPBACK = "loopback"
    TOO_MANY = "too-many"
    STALE = "stale"
    UNRESOLVED = "unresolved"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    foundation: str
    component: str
    transport: str
    priority: str
    address: str
    port: str
    kind: str


def parse_candidate(text: str, *, allow_loopback: bool = False) -> RTCIceCandidate | Refusal:
    """Read one candidate with or without ``a=`` and ``candidate:``; say why it is no good."""
    fields = _split(text)
    return Refusal.MALFORMED if fields is None else _judge(fields, allow_loopback=allow_loopback)


def _judge(fields: _Fields, *, allow_loopback: bool) -> RTCIceCandidate | Refusal:
    if fields.component != str(COMPONENT_RTP):
        return Refusal.COMPONENT
    if fields.transport.lower() != "udp":
        return Refusal.TRANSPORT
    if fields.kind not in SCOPED_TYPES:
        return Refusal.TYPE
    if not 0 < int(fields.port) <= PORT_LIMIT:
        return Refusal.PORT
    address = _canonical_address(fields.address, allow_loopback=allow_loopback)
    if isinstance(address, Refusal):
        return address
    return RTCIceCandidate(
        component=COMPONENT_RTP,
        foundation=fields.foundation,
        ip=address,
        port=int(fields.port),
        priority=int(fields.priority),
        protocol="udp",
        type=fields.kind,
    )


def is_mdns_name(address: str) -> bool:
    """Tell whether an address is a name that only its own network can resolve."""
    return MDNS_NAME.fullmatch(address) is not None


def format_candidate(candidate: RTCIceCandidate) -> str:
    """Write a candidate as ``candidate:...``."""
    text = (
        f"candidate:{candidate.foundation} {candidate.component} {candidate.protocol} "
        f"{candidate.priority} {candidate.ip} {candidate.port} typ {candidate.type}"
    )
    if candidate.relatedAddress is not None and candidate.relatedPort is not None:
        text += f" raddr {candidate.relatedAddress} rport {candidate.relatedPort}"
    return text


def _split(text: str) -> _Fields | None:
    if len(text) > LENGTH_LIMIT:
        return None
    bits = text.strip().removeprefix("a=").removeprefix("candidate:").split()
    if not _is_well_formed(bits):
        return None
    foundation, component, transport, priority, address, port, _, kind = bits[:8]
    if int(priority) > PRIORITY_LIMIT:
        return None
    return _Fields(
        foundation=foundation,
        component=component,
        transport=transport,
        priority=priority,
        address=address,
        port=port,
        kind=kind,
    )


def _is_well_formed(bits: Sequence[str]) -> bool:
    return (
        len(bits) >= 8  # noqa: PLR2004 - RFC 8839: the fields before the extensions
        and FOUNDATION.fullmatch(bits[0]) is not None
        and all(DECIMAL.fullmatch(bits[index]) is not None for index in (1, 3, 5))
        and bits[6] == "typ"
    )


def _canonical_address(text: str, *, allow_loopback: bool) -> str | Refusal:
    if is_mdns_name(text):
        return text
    # A zone names an interface of the sender's machine and means nothing on ours.
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return Refusal.ADDRESS
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return str(address) if allow_loopback else Refusal.LOOPBACK
    if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
        return Refusal.ADDRESS
    return str(address)
