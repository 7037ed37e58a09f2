"""Tell which ICE candidates of a stranger may be tried.

It must not know sockets or resolve names: text goes in, a reason or nothing comes out.
"""

from __future__ import annotations

import ipaddress
import re

from mqcam.protocol.messages import CANDIDATE_MAX_CHARS

_SHAPE = re.compile(
    # RFC 8839 5.1, with what follows the type left to the ICE layer
    r"candidate:[A-Za-z0-9+/]{1,32} (?P<component>[0-9]{1,3}) [A-Za-z0-9-]+"
    r" [0-9]{1,10} (?P<address>[0-9A-Za-z:.-]{1,255}) (?P<port>[0-9]{1,5})"
    r" typ (?:host|srflx|prflx|relay)(?: [ -~]*)?"
)
_MDNS = re.compile(r"[A-Za-z0-9-]{1,63}\.local", re.IGNORECASE)
_PORT_MAX = 65_535
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def refusal(candidate: str, *, allow_loopback: bool) -> str:
    """Return why ``candidate`` may not be tried; empty if it may.

    A ``.local`` name passes: whoever resolves it asks again with the address.
    """
    if len(candidate) > CANDIDATE_MAX_CHARS:
        return "longer than a candidate can be"
    shape = _SHAPE.fullmatch(candidate)
    if shape is None:
        return "not like a candidate of RFC 8839"
    if shape["component"] != "1":
        return "not of component 1: RTP and RTCP share one"
    if not 1 <= int(shape["port"]) <= _PORT_MAX:
        return "no such port"
    if _MDNS.fullmatch(shape["address"]):
        return ""
    return address_refusal(shape["address"], allow_loopback=allow_loopback)


def address_refusal(address: str, *, allow_loopback: bool) -> str:
    """Return why a stranger may not send us to ``address``; empty if he may."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "neither an address nor a .local name"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback and not allow_loopback:
        return "a loopback address"
    if parsed.is_multicast or parsed.is_unspecified or parsed == _BROADCAST:
        return "an address that no single machine has"
    return ""
