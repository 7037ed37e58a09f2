"""Finding a path between two peers: local addresses, remote candidates, the selected pair.

It must not know DTLS, media or signaling. Names of servers are taken but not used yet.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import aioice
import ifaddr
from aiortc import RTCIceGatherer, RTCIceTransport

from mqcam.candidates import Refusal, format_candidate, is_mdns_name, parse_candidate
from mqcam.errors import ConnectFailed, StageTimeout
from mqcam.interfaces import VIRTUAL_INTERFACES, is_excluded
from mqcam.private import PrivateName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aioice.stun import Message
    from aiortc import RTCIceCandidate, RTCIceParameters

REMOTE_CANDIDATE_LIMIT: Final = 64
LOCAL_ADDRESS_LIMIT: Final = 16
MDNS_NAME_LIMIT: Final = 8
MDNS_TIMEOUT_S: Final = 3.0
RECEIVE_QUEUE_PACKETS: Final = 2048
DATAGRAM_LIMIT_BYTES: Final = 1500
"""What a packet of Ethernet holds: nothing of WebRTC is longer."""
LOOPBACK_ADDRESS: Final = "127.0.0.1"
COMPONENT: Final = 1
STUN_FIRST_BYTE: Final = 3  # RFC 7983 section 7: 0 to 3 is STUN
VERIFIED_ADDRESS_LIMIT: Final = 256

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aiortc.rtcicetransport",
        path="RTCIceGatherer._connection",
        reason="the place where our own aioice.Connection goes in",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._local_candidates",
        reason="our choice of addresses is gathered into it",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._local_candidates_start",
        reason="says that gathering has begun",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._local_candidates_end",
        reason="without it connect() refuses to begin",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._protocols",
        reason="a stranger's malformed datagram must be caught before it is parsed",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._nominated",
        reason="there is no public way to ask for the selected pair",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.get_component_candidates",
        parameters=("self", "component", "addresses", "timeout"),
        reason="opens the sockets of the addresses that we choose",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.check_incoming",
        parameters=("self", "message", "addr", "protocol"),
        reason="called for each check that carries our password",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.data_received",
        parameters=("self", "data", "component"),
        reason="the way of data into the queue",
    ),
    PrivateName(
        module="aioice.ice",
        path="StunProtocol.datagram_received",
        parameters=("self", "data", "addr"),
        reason="the way of every datagram into aioice",
    ),
    PrivateName(
        module="aioice.ice",
        path="get_or_create_mdns_protocol",
        parameters=("subscriber",),
        reason="one socket for the names of all connections; each gives it back when it ends",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._queue",
        reason="stock queues without a bound whatever anybody sends to the port",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server. Not asked yet: the place is kept."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceSettings:
    """Which addresses of this machine a connection may use.

    ``loopback`` adds 127.0.0.1 and accepts it from the peer: for tests and demonstrations.
    ``exclude_interfaces`` are shell patterns of interface names.
    """

    servers: tuple[IceServer, ...] = ()
    loopback: bool = False
    exclude_interfaces: tuple[str, ...] = VIRTUAL_INTERFACES


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePairInfo:
    """The addresses that carry a connection; types are those of RFC 8445."""

    local_type: str
    remote_type: str
    protocol: str
    local: tuple[str, int]
    remote: tuple[str, int]

    def __str__(self) -> str:
        return f"{self.local_type}-{self.remote_type} {self.protocol}"


def local_addresses(settings: IceSettings, adapters: Iterable[ifaddr.Adapter]) -> list[str]:
    """Choose the addresses to listen on, at most 16."""
    chosen = [LOOPBACK_ADDRESS] if settings.loopback else []
    for adapter in adapters:
        if is_excluded(adapter.name, settings.exclude_interfaces):
            continue
        for ip in adapter.ips:
            text, is_scoped = (ip.ip, False) if isinstance(ip.ip, str) else (ip.ip[0], ip.ip[2] > 0)
            # A scoped (link-local) address needs a zone, which a peer cannot know.
            if not is_scoped and not ipaddress.ip_address(text).is_loopback:
                chosen.append(text)
    return list(dict.fromkeys(chosen))[:LOCAL_ADDRESS_LIMIT]


class FilteredIce(aioice.Connection):
    """aioice's connection with our choice of addresses and a bounded, checked way in."""

    def __init__(self, settings: IceSettings, *, controlling: bool) -> None:
        super().__init__(ice_controlling=controlling)
        self.malformed = 0
        self.overflowed = 0
        self.strangers = 0
        self._verified: set[tuple[str, int]] = set()
        self.was_closed = False
        self._settings = settings

    async def gather_candidates(self) -> None:
        """Open one socket per address that the settings allow."""
        if self._local_candidates_start:
            return
        self._local_candidates_start = True
        addresses = local_addresses(self._settings, ifaddr.get_adapters())
        self._local_candidates += await self.get_component_candidates(COMPONENT, addresses)
        self._local_candidates_end = True
        for protocol in self._protocols:
            # Stock parses before it checks anything, and raises on what any stranger may send.
            protocol.datagram_received = functools.partial(self._receive, protocol)  # type: ignore[method-assign]

    def _receive(
        self, protocol: aioice.ice.StunProtocol, data: bytes, address: tuple[str, int]
    ) -> None:
        # Stock takes data from anybody who finds the port: a forged alert ends a key exchange.
        if data and data[0] > STUN_FIRST_BYTE and address[:2] not in self._verified:
            self.strangers += 1
            return
        try:
            type(protocol).datagram_received(protocol, data, address)
        except Exception:  # noqa: BLE001 - as above
            self.malformed += 1

    def data_received(self, data: bytes, component: int) -> None:
        """Queue one datagram, unless it is empty, too long, or the queue is full.

        Anybody can send to the port in the peer's name. Stock DTLS dies of an empty datagram, and
        of one that is longer than pylibsrtp's buffer.
        """
        if not data:
            return
        if len(data) > DATAGRAM_LIMIT_BYTES:
            self.malformed += 1
            return
        if self._queue.qsize() >= RECEIVE_QUEUE_PACKETS:
            self.overflowed += 1
            return
        super().data_received(data, component)

    def check_incoming(
        self, message: Message, addr: tuple[str, int], protocol: aioice.ice.StunProtocol
    ) -> None:
        """Take a check that carries our password: its sender may send data from now on.

        Stock makes a candidate and a pair of each new address, and sorts them all.
        """
        if addr not in self._verified:
            if len(self._verified) >= VERIFIED_ADDRESS_LIMIT:
                self.strangers += 1
                return
            self._verified.add(addr)
        super().check_incoming(message, addr, protocol)

    async def close(self) -> None:
        """Close the sockets; aioice calls this by itself when consent has expired."""
        self.was_closed = True
        await super().close()

    def nominated_pair(self) -> aioice.ice.CandidatePair | None:
        """Return the pair that carries data."""
        return self._nominated.get(COMPONENT)


class IceGatherer(RTCIceGatherer):
    """aiortc's gatherer around our own aioice connection."""

    def __init__(self, settings: IceSettings, *, controlling: bool) -> None:
        super().__init__(iceServers=[])
        self.ice = FilteredIce(settings, controlling=controlling)
        self._connection = self.ice


class IcePath:
    """The ICE half of a connection: gathers, takes candidates at any time, finds a path."""

    def __init__(self, settings: IceSettings, *, controlling: bool) -> None:
        self.gatherer = IceGatherer(settings, controlling=controlling)
        self.transport = RTCIceTransport(self.gatherer)
        self.refused: Counter[Refusal] = Counter()
        self._settings = settings
        self._remote_count = 0
        self._name_count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Task[None] | None = None
        self._is_settled = False
        self._is_closed = False

    @property
    def is_lost(self) -> bool:
        """Tell whether the path broke (consent expired) or was closed."""
        return self.gatherer.ice.was_closed

    @property
    def ufrag(self) -> str:
        """The ICE user of this side."""
        return self.gatherer.ice.local_username

    def refuse_stale(self, count: int) -> None:
        """Count candidates of a description that is not the current one."""
        self.refused[Refusal.STALE] += count

    async def gather(self) -> list[str]:
        """Open the sockets and return the local candidates; raises ConnectFailed without any."""
        if self._gathering is None and not self._is_closed:
            self._gathering = asyncio.create_task(self.gatherer.gather(), name="mqcam-ice-gather")
        if self._gathering is not None:
            # Never cancelled: aioice would lose the sockets that it has opened by then.
            await asyncio.shield(self._gathering)
        if self._is_closed:
            raise ConnectFailed("ice", "the connection is closed: make a new one")
        candidates = self.gatherer.getLocalCandidates()
        if not candidates:
            raise ConnectFailed(
                "ice",
                "this machine has no network address that may be used: "
                "check its network, and the excluded interfaces in the configuration",
            )
        return [format_candidate(candidate) for candidate in candidates]

    def add_remote_candidates(self, texts: Sequence[str]) -> None:
        """Take what the peer listed; unusable ones are counted in ``refused``.

        Never blocks: names (``.local``) are looked up in a bounded number of tasks, because stock
        waits a second for each.
        """
        for text in texts:
            verdict = self._judge(text)
            if isinstance(verdict, Refusal):
                self.refused[verdict] += 1
                continue
            self._remote_count += 1
            task = asyncio.create_task(self._add(verdict), name="mqcam-remote-candidate")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def connect(self, remote: RTCIceParameters, timeout_s: float) -> None:
        """Find a path; raises StageTimeout and ConnectFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.transport.start(remote)
        except TimeoutError as error:
            raise StageTimeout("ice", timeout_s, self._explain()) from error
        finally:
            self._is_settled = True
        if self.transport.state != "completed":
            raise ConnectFailed("ice", self._explain())

    def selected_pair(self) -> CandidatePairInfo | None:
        """Tell which addresses carry the data; None before and after."""
        pair = self.gatherer.ice.nominated_pair()
        if pair is None:
            return None
        return CandidatePairInfo(
            local_type=pair.local_candidate.type,
            remote_type=pair.remote_candidate.type,
            protocol=pair.local_candidate.transport,
            local=pair.local_addr,
            remote=pair.remote_addr,
        )

    async def close(self) -> None:
        """Stop looking and close the sockets."""
        self._is_settled = self._is_closed = True
        if self._gathering is not None:
            await asyncio.gather(self._gathering, return_exceptions=True)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # aiortc's monitor task spins for ever if it takes its first step on a closed connection.
        await asyncio.sleep(0)
        await self.transport.stop()

    def _judge(self, text: str) -> RTCIceCandidate | Refusal:
        if self._is_settled:
            return Refusal.LATE
        candidate = parse_candidate(text, allow_loopback=self._settings.loopback)
        if isinstance(candidate, Refusal):
            return candidate
        if self._remote_count >= REMOTE_CANDIDATE_LIMIT:
            return Refusal.TOO_MANY
        if is_mdns_name(candidate.ip):
            if self._name_count >= MDNS_NAME_LIMIT:
                return Refusal.TOO_MANY
            self._name_count += 1
        return candidate

    async def _add(self, candidate: RTCIceCandidate) -> None:
        if is_mdns_name(candidate.ip):
            address = await self._resolve(candidate.ip)
            # Whoever answered the name may send us anywhere: judge what it says like the rest.
            resolved = replace(candidate, ip=address or "")
            verdict = parse_candidate(
                format_candidate(resolved), allow_loopback=self._settings.loopback
            )
            if isinstance(verdict, Refusal):
                self.refused[verdict if address else Refusal.UNRESOLVED] += 1
                return
            candidate = verdict
        await self.transport.addRemoteCandidate(candidate)

    async def _resolve(self, name: str) -> str | None:
        # aioice would do this by itself, but takes any answer and raises if port 5353 is taken.
        try:
            async with asyncio.timeout(MDNS_TIMEOUT_S):
                mdns = await aioice.ice.get_or_create_mdns_protocol(self.gatherer.ice)
                return await mdns.resolve(name)
        except OSError:
            return None

    def _explain(self) -> str:
        if self._is_closed:
            return "the connection was closed before a path was found"
        local = len(self.gatherer.getLocalCandidates())
        if not self._remote_count:
            return (
                "the other side sent no address that can be used: "
                "check that both programs are of one release and have a network"
            )
        return (
            f"none of {self._remote_count} addresses of the other side answered any of our "
            f"{local}: check that a firewall lets UDP through on both sides, "
            "or that a TURN server is configured when they are in different networks"
        )
