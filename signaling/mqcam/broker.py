"""What one must know to reach a broker and to judge the connection: addresses, settings, state.

It must not know how a connection is made, nor any third-party library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from mqcam.errors import BrokerAddressError

if TYPE_CHECKING:
    from mqcam.errors import BrokerError

HIGHEST_PORT = 65535
HOST_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")


class Scheme(Enum):
    """How MQTT travels to the broker."""

    MQTT = "mqtt"
    MQTTS = "mqtts"
    WS = "ws"
    WSS = "wss"

    @property
    def is_encrypted(self) -> bool:
        """Tell whether TLS protects the connection."""
        return self in {Scheme.MQTTS, Scheme.WSS}

    @property
    def is_websocket(self) -> bool:
        """Tell whether MQTT travels inside a WebSocket."""
        return self in {Scheme.WS, Scheme.WSS}

    @property
    def default_port(self) -> int:
        """Return the port that IANA registered for the scheme."""
        return {Scheme.MQTT: 1883, Scheme.MQTTS: 8883, Scheme.WS: 80, Scheme.WSS: 443}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """One place where the broker can be reached."""

    scheme: Scheme
    host: str
    port: int
    path: str = "/mqtt"

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Read ``mqtt[s]://host[:port]`` or ``ws[s]://host[:port]/path``.

        Raises ``BrokerAddressError``, which never repeats a password written into the address.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BrokerAddressError(_shown(url), "its host or port cannot be read") from error
        schemes = {scheme.value: scheme for scheme in Scheme}
        scheme = schemes.get(parts.scheme)
        if scheme is None:
            raise BrokerAddressError(_shown(url), f"it must begin with one of {', '.join(schemes)}")
        problem = _problem(parts, scheme)
        if problem is not None:
            raise BrokerAddressError(_shown(url), problem)
        return cls(
            scheme=scheme,
            host=parts.hostname or "",
            port=scheme.default_port if port is None else port,
            path=parts.path if scheme.is_websocket and parts.path else "/mqtt",
        )

    @property
    def authority(self) -> str:
        """Return ``host:port`` as a URL writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        path = self.path if self.scheme.is_websocket else ""
        return f"{self.scheme.value}://{self.authority}{path}"


def _problem(parts: SplitResult, scheme: Scheme) -> str | None:
    if parts.username is not None or parts.password is not None:
        return "user and password belong into the credentials, not into the address"
    if not parts.hostname or not HOST_PATTERN.fullmatch(parts.hostname):
        return "it names no host"
    if parts.port is not None and not 1 <= parts.port <= HIGHEST_PORT:
        return f"its port must be between 1 and {HIGHEST_PORT}"
    if parts.query or parts.fragment:
        return "it ends after the path"
    if parts.path not in {"", "/"} and not scheme.is_websocket:
        return "only ws and wss addresses have a path"
    return None


def _shown(url: str) -> str:
    """Return the address without what stands before an ``@``."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.rpartition("@")[2]
    return f"{scheme}://{rest.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the broker is and who we are to it."""

    addresses: tuple[BrokerAddress, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_pem: str | None = field(default=None, repr=False)
    """The only authority whose certificates are accepted; None: those of the system."""
    server_name: str = "mqcam-broker"
    """The name that the certificate must carry, whatever the address; empty: the host's name."""
    check_dates: bool = True
    """False for a machine whose clock is not synchronised; only heeded with ``ca_pem``."""
    reconnect_cap_s: float | None = None
    """Raises the longest wait between two attempts, for fleets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A topic filter; ``retain_handling`` as in MQTT 5, section 3.8.3.1 (2: never retained)."""

    topic: str
    retain_handling: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerState:
    """How the connection stands; ``error`` is why it does not, in one sentence."""

    connected: bool
    address: str | None = None
    error: BrokerError | None = None
    reconnects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttTimings:
    """Every time and bound of a broker session; times in seconds."""

    resolve_s: float = 5.0
    """Host name to addresses."""
    open_s: float = 5.0
    """TCP and TLS to one address."""
    connack_s: float = 5.0
    """CONNECT to CONNACK where no other address is left."""
    connack_patience_s: float = 0.5
    """CONNECT to CONNACK while another address waits; doubles with each round that failed."""
    stagger_s: float = 0.25
    """Head start of an address over the next one (RFC 8305, section 5)."""
    suback_s: float = 5.0
    keepalive_s: int = 15
    user_timeout_s: float = 8.0
    """How long sent bytes may stay unacknowledged by the other host (TCP_USER_TIMEOUT)."""
    stable_s: float = 10.0
    """A connection of this age resets the back-off."""
    duel_s: float = 5.0
    """A connection lost younger than this counts towards a duel over the client id."""
    duel_losses: int = 3
    stop_s: float = 2.0
    outbox_messages: int = 256
    window_messages: int = 20
    largest_incoming_bytes: int = 65_536
