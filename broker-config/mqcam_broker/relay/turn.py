"""The relay beside the broker (TURN): what its owner decided, its secret, its configuration.

It must not know processes: it reads and writes files of the broker's directory.
"""
# No ``from __future__ import annotations``: mqcam.config reads these annotations at run time.

import ipaddress
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final

from cryptography import x509
from mqcam import config
from mqcam.config import Range
from mqcam.credentials import read_password
from mqcam.errors import NotSetUp, UsageError
from mqcam.files import write_atomically
from mqcam.servers import ServerUrl

from mqcam_broker.folder.directory import BrokerDirectory

PORT: Final = 3478
TLS_PORT: Final = 5349
REALM: Final = "mqcam"
SECRET_BYTES: Final = 32
HOSTS_MAX: Final = 2
USER_QUOTA: Final = 32
"""Relays of one camera and viewer together: two for each end and session, and some to spare."""
TOTAL_QUOTA: Final = 400
NONCE_LIFE_S: Final = 600

PRIVATE: Final = (
    "0.0.0.0-0.255.255.255",
    "10.0.0.0-10.255.255.255",
    "100.64.0.0-100.127.255.255",
    "127.0.0.0-127.255.255.255",
    "169.254.0.0-169.254.255.255",
    "172.16.0.0-172.31.255.255",
    "192.0.0.0-192.0.0.255",
    "192.168.0.0-192.168.255.255",
    "198.18.0.0-198.19.255.255",
    "240.0.0.0-255.255.255.255",
    "::1",
    "::ffff:0.0.0.0-::ffff:255.255.255.255",
    "64:ff9b::-64:ff9b::ffff:ffff",
    "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
)
"""Nobody uses the relay to reach what lies behind it (IANA's special purpose registries)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDecisions:
    """What the owner decided for the relay and may edit: turn.yaml in the broker's directory."""

    hosts: Annotated[tuple[str, ...], Range(1, HOSTS_MAX, "hosts")]
    """Where cameras and viewers reach the relay: names or addresses of this machine."""
    port: Annotated[int, Range(1, 65_535, "as a port")] = PORT
    tls_port: Annotated[int, Range(1, 65_535, "as a port")] = TLS_PORT
    bind: str | None = None
    """The address to listen on; None: all."""
    external_ip: str | None = None
    """The public address, where a router translates it to one of this machine."""
    private_peers: bool = False
    """Whether private addresses may be reached through the relay."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield a key and a message for every value that nobody could use."""
        for host in self.hosts:
            try:
                ServerUrl.from_text(f"turn:{_bracketed(host)}")
            except ValueError:
                yield "hosts", f"{host!r} is no host: give a name or an IP address without a port"
        for key, value in (("bind", self.bind), ("external_ip", self.external_ip)):
            if value is not None and not _is_address(value):
                yield key, f"{value!r} is no IP address"
        if self.port == self.tls_port:
            yield "tls_port", "is the same as port"

    def text(self) -> str:
        """Return the file's text."""
        return (
            "# The relay that 'mqcam-broker run --turn' runs beside the broker. Cameras get\n"
            "# hosts and ports with their credentials: after a change add them anew (--replace).\n"
            f"hosts: {json.dumps(list(self.hosts))}\n"
            f"port: {self.port}\n"
            f"tls_port: {self.tls_port}\n"
            "# The address to listen on; null: all of this machine.\n"
            f"bind: {json.dumps(self.bind)}\n"
            "# This machine's public address, if a router translates it; null: none does.\n"
            f"external_ip: {json.dumps(self.external_ip)}\n"
            "# true: also relay to private addresses, such as those of the network at home.\n"
            f"private_peers: {json.dumps(self.private_peers)}\n"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAccess:
    """What a camera must know to use the relay and to lend it; empty where there is none."""

    urls: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)


class TurnFiles:
    """The relay's files in a broker's directory."""

    def __init__(self, directory: BrokerDirectory) -> None:
        self._directory = directory
        self.decisions = directory.path / "turn.yaml"
        self.secret = directory.path / "turn.secret"
        self.configuration = directory.state / "turnserver.conf"
        """Holds the secret; made anew at each start, for the broker's user alone."""

    @property
    def is_set_up(self) -> bool:
        """Tell whether this broker was made with a relay."""
        return self.decisions.exists()

    def set_up(self, decisions: TurnDecisions) -> None:
        """Write decisions, and a secret if there is none yet."""
        self._make_secret()
        write_atomically(self.decisions, decisions.text().encode(), mode=0o644)

    def lead_to(self, hosts: Sequence[str]) -> None:
        """Set the relay up for ``hosts``, or change where it is reached; no hosts change nothing.

        Raises NotSetUp if it never was set up and no host is given, ConfigError.
        """
        if hosts:
            known = self.read_decisions() if self.is_set_up else TurnDecisions(hosts=tuple(hosts))
            self.set_up(checked(replace(known, hosts=tuple(hosts))))
        self.read_decisions()

    def read_decisions(self) -> TurnDecisions:
        """Return what the owner decided; raise NotSetUp or ConfigError."""
        if not self.is_set_up:
            raise NotSetUp(
                f"{self._directory.path} has no relay",
                "set one up with: mqcam-broker run --turn ADDRESS, where ADDRESS is how cameras "
                "and viewers reach this machine",
            )
        return config.load(self.decisions, TurnDecisions)

    def access(self) -> RelayAccess:
        """Return what goes into a camera's credentials; raises ConfigError, CredentialsError."""
        if not self.is_set_up:
            return RelayAccess()
        decisions = self.read_decisions()
        certificate = self._directory.server_certificate.read_bytes()
        urls = tuple(url for host in decisions.hosts for url in _urls(host, decisions, certificate))
        return RelayAccess(urls=urls, secret=read_password(self.secret))

    def write_configuration(self) -> Path:
        """Write turnserver's own configuration and return its path.

        Who takes the secret's file away gets a new one here, and has to add all cameras anew.
        """
        self._make_secret()
        text = "\n".join(self._lines(self.read_decisions())) + "\n"
        write_atomically(self.configuration, text.encode(), owner=self._directory.user())
        return self.configuration

    def _make_secret(self) -> None:
        if not self.secret.exists():
            write_atomically(self.secret, f"{secrets.token_urlsafe(SECRET_BYTES)}\n".encode())

    def _lines(self, decisions: TurnDecisions) -> Iterator[str]:
        state = self._directory.state
        yield from (
            f"listening-port={decisions.port}",
            f"tls-listening-port={decisions.tls_port}",
            f"cert={self._directory.server_certificate}",
            f"pkey={self._directory.server_key}",
            f"realm={REALM}",
            "use-auth-secret",
            f"static-auth-secret={read_password(self.secret)}",
            f"stale-nonce={NONCE_LIFE_S}",
            "fingerprint",
            f"user-quota={USER_QUOTA}",
            f"total-quota={TOTAL_QUOTA}",
            # What is not needed is a door less.
            "no-cli",
            "no-dtls",
            "no-tlsv1",
            "no-tlsv1_1",
            "no-multicast-peers",
            f"pidfile={state}/turnserver.pid",
            f"userdb={state}/turnserver.db",
            "log-file=stdout",
            "simple-log",
        )
        if decisions.bind is not None:
            yield f"listening-ip={decisions.bind}"
            yield f"relay-ip={decisions.bind}"
        if decisions.external_ip is not None:
            yield f"external-ip={decisions.external_ip}"
        if not decisions.private_peers:
            yield from (f"denied-peer-ip={each}" for each in PRIVATE)
        elif decisions.bind is not None and ipaddress.ip_address(decisions.bind).is_loopback:
            yield "allow-loopback-peers"  # a relay that only this machine can reach, as in tests


def checked(decisions: TurnDecisions) -> TurnDecisions:
    """Return decisions that were typed; raise UsageError for those that nobody could use."""
    for _, text in decisions.mistakes():
        raise UsageError(text, "give the relay's name or address, as cameras reach it")
    if not 1 <= len(decisions.hosts) <= HOSTS_MAX:
        raise UsageError(f"a relay has at most {HOSTS_MAX} hosts", "give fewer")
    return decisions


def _urls(host: str, decisions: TurnDecisions, certificate: bytes) -> Iterator[str]:
    where = _bracketed(host)
    yield f"stun:{where}:{decisions.port}"
    yield f"turn:{where}:{decisions.port}"
    if _is_covered(host, certificate):
        yield f"turns:{where}:{decisions.tls_port}"
    else:  # TLS would be refused for the name; what is relayed is encrypted anyhow
        yield f"turn:{where}:{decisions.port}?transport=tcp"


def _is_covered(host: str, certificate: bytes) -> bool:
    """Tell whether a certificate is made for ``host``, as a client would judge it."""
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if _is_address(host):
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    found = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return not found.isdisjoint({host.lower(), f"*.{host.lower().partition('.')[2]}"})


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
