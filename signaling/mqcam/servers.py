"""STUN and TURN servers as people write them (RFC 7064, RFC 7065): read, judged, written.

It must not know sockets, nor what a server answers.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGET_LIMIT: Final = 16
"""So many servers are asked for one connection; the rest are left out."""

PORTS: Final = {"stun": 3478, "turn": 3478, "turns": 5349}
PORT_LIMIT: Final = 65_535
URL: Final = re.compile(
    r"(?P<scheme>[a-z]+):(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,64})\]|(?P<host>[A-Za-z0-9._-]{1,253}))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:\?transport=(?P<transport>[a-z]{1,8}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server with the account that it wants."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """The address of one server; ``transport`` is how we reach it, ``udp`` or ``tcp``."""

    scheme: str
    host: str
    port: int
    transport: str

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse ``turn:host:port?transport=tcp``; raise ValueError with a sentence otherwise."""
        match = URL.fullmatch(text)
        if match is None or (match["scheme"] not in PORTS and match["scheme"] != "stuns"):
            raise ValueError("expected a server such as stun:host:3478 or turn:host:3478")
        scheme, transport = match["scheme"], match["transport"]
        if scheme == "stuns":
            raise ValueError("stuns: cannot tell a UDP address; write stun:")
        if scheme == "stun" and transport is not None:
            raise ValueError("stun: is asked over UDP and takes no transport")
        if transport not in (None, "udp", "tcp"):
            raise ValueError("expected transport=udp or transport=tcp")
        if scheme == "turns" and transport == "udp":
            raise ValueError("turns: is reached over TCP; write turn: for UDP")
        port = PORTS[scheme] if match["port"] is None else int(match["port"])
        if not 0 < port <= PORT_LIMIT:
            raise ValueError(f"expected a port from 1 to {PORT_LIMIT}")
        host = match["host"]
        if host is None:
            host = _ipv6(match["ipv6"])
        chosen = transport or ("tcp" if scheme == "turns" else "udp")
        return cls(scheme=scheme, host=host, port=port, transport=chosen)

    @property
    def is_relay(self) -> bool:
        """Tell a TURN server from a STUN server."""
        return self.scheme != "stun"

    @property
    def is_secured(self) -> bool:
        """Tell whether the server is reached over TLS."""
        return self.scheme == "turns"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        tail = "?transport=tcp" if self.scheme == "turn" and self.transport == "tcp" else ""
        return f"{self.scheme}:{host}:{self.port}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server to ask, with the account for it."""

    url: ServerUrl
    username: str = ""
    credential: str = field(default="", repr=False)


def targets(servers: Iterable[IceServer]) -> list[Target]:
    """List what there is to ask; an address that cannot be read is left out."""
    found: dict[Target, None] = {}
    for server in servers:
        for text in server.urls:
            try:
                url = ServerUrl.from_text(text)
            except ValueError:
                continue  # the peer may lend anything; our own were read with the configuration
            account = {"username": server.username, "credential": server.credential}
            found[Target(url=url, **(account if url.is_relay else {}))] = None
    return list(found)


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError("expected an IPv6 address between the brackets") from None
