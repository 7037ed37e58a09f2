"""Finding a path between two peers: local addresses, remote candidates, the selected pair.

It must not know DTLS, media or signaling, nor how a server is asked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

import aioice
import ifaddr
from aiortc import RTCIceGatherer, RTCIceTransport

from mqcam.candidates import Refusal, format_candidate, is_mdns_name, parse_candidate
from mqcam.checks import Checks
from mqcam.errors import ConnectFailed, StageTimeout
from mqcam.explanation import Facts, explain
from mqcam.gathering import Gathering
from mqcam.interfaces import VIRTUAL_INTERFACES, is_excluded
from mqcam.log import fields
from mqcam.private import PrivateName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiortc import RTCIceCandidate, RTCIceParameters

    from mqcam.servers import IceServer

logger = logging.getLogger(__name__)

REMOTE_CANDIDATE_LIMIT: Final = 64
JUDGED_LIMIT: Final = 512
"""So many candidates of a peer are looked at; what follows is only counted."""
LOCAL_ADDRESS_LIMIT: Final = 16
MDNS_NAME_LIMIT: Final = 8
MDNS_TIMEOUT_S: Final = 3.0
LOOPBACK_ADDRESS: Final = "127.0.0.1"

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aiortc.rtcicetransport",
        path="RTCIceGatherer._connection",
        reason="the place where our own aioice.Connection goes in",
    ),
    PrivateName(
        module="aioice.ice",
        path="get_or_create_mdns_protocol",
        parameters=("subscriber",),
        reason="one socket for the names of all connections; each gives it back when it ends",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceSettings:
    """Which addresses of this machine a connection may use, and which servers it asks for more.

    No server is asked that is not named here or lent by the peer. ``loopback`` adds 127.0.0.1 and
    accepts it from the peer: for tests and demonstrations. ``exclude_interfaces`` are shell
    patterns of interface names. The policy ``relay`` opens no socket of this machine to the peer.
    ``ca_pem`` may vouch for a TURN server too, beside those whom the system trusts: the broker's
    authority vouches for the relay that runs beside the broker.
    """

    servers: tuple[IceServer, ...] = ()
    policy: Literal["all", "relay"] = "all"
    loopback: bool = False
    exclude_interfaces: tuple[str, ...] = VIRTUAL_INTERFACES
    ca_pem: str | None = field(default=None, repr=False)

    @property
    def is_relay_only(self) -> bool:
        """Tell whether only relayed addresses may be used."""
        return self.policy == "relay"


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
    """Choose the addresses to listen on, at most 16; none where only a relay may be used."""
    if settings.is_relay_only:
        return []
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


class IceGatherer(RTCIceGatherer):
    """aiortc's gatherer around our own aioice connection."""

    def __init__(self, settings: IceSettings, *, controlling: bool) -> None:
        super().__init__(iceServers=[])
        self.ice = Checks(
            lambda: local_addresses(settings, ifaddr.get_adapters()), controlling=controlling
        )
        self._connection = self.ice


class IcePath:
    """The ICE half of a connection: gathers, takes candidates at any time, finds a path.

    ``on_candidates(candidates, end)`` gets the local candidates that ``gather`` did not return.
    """

    def __init__(
        self,
        settings: IceSettings,
        *,
        controlling: bool,
        on_candidates: Callable[[Sequence[str], bool], None] = lambda _candidates, _end: None,
    ) -> None:
        self.gatherer = IceGatherer(settings, controlling=controlling)
        self.transport = RTCIceTransport(self.gatherer)
        self.refused: Counter[Refusal] = Counter()
        self._settings = settings
        self._servers = Gathering(
            self.gatherer.ice,
            on_found=lambda text: on_candidates((text,), False),
            on_end=lambda: self._no_more_candidates(on_candidates),
            is_relay_only=settings.is_relay_only,
            allow_loopback=settings.loopback,
            ca_pem=settings.ca_pem,
        )
        self._remote_types: Counter[str] = Counter()
        self._remote_count = 0
        self._judged_count = 0
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
    def rtt_s(self) -> float | None:
        """The round trip of the selected path in seconds, as its check measured it."""
        return self.gatherer.ice.rtt_s

    @property
    def ufrag(self) -> str:
        """The ICE user of this side."""
        return self.gatherer.ice.local_username

    def refuse_stale(self, count: int) -> None:
        """Count candidates of a description that is not the current one."""
        self.refused[Refusal.STALE] += count

    async def gather(self) -> list[str]:
        """Open the sockets and return the local candidates; raises ConnectFailed without any.

        Servers are asked from then on; nothing here waits for them.
        """
        if self._gathering is None and not self._is_closed:
            self._gathering = asyncio.create_task(self.gatherer.gather(), name="mqcam-ice-gather")
        if self._gathering is not None:
            # Never cancelled: aioice would lose the sockets that it has opened by then.
            await asyncio.shield(self._gathering)
        if self._is_closed:
            raise ConnectFailed("ice", "the connection is closed: make a new one")
        candidates = self.gatherer.getLocalCandidates()
        self._servers.ask(self._settings.servers)
        if not candidates and not self._settings.is_relay_only:
            raise ConnectFailed(
                "ice",
                "this machine has no network address that may be used: "
                "check its network, and the excluded interfaces in the configuration",
            )
        return [format_candidate(candidate) for candidate in candidates]

    def finish_gathering(self, lent: Iterable[IceServer] = ()) -> None:
        """Ask also the servers that the peer lends; there will be no others."""
        self._servers.ask(lent)
        # Later: whoever is told of the end has not yet got the description from us.
        asyncio.get_running_loop().call_soon(self._servers.finish)

    def add_remote_candidates(self, texts: Sequence[str]) -> None:
        """Take what the peer listed; unusable ones are counted in ``refused``.

        Never blocks: names (``.local``) are looked up in a bounded number of tasks, because stock
        waits a second for each.
        """
        room = max(0, JUDGED_LIMIT - self._judged_count)
        self._judged_count += len(texts)
        if len(texts) > room:
            self.refused[Refusal.TOO_MANY] += len(texts) - room
        for text in texts[:room]:
            verdict = self._judge(text)
            if isinstance(verdict, Refusal):
                self.refused[verdict] += 1
                continue
            self._remote_count += 1
            self._remote_types[verdict.type] += 1
            task = asyncio.create_task(self._add(verdict), name="mqcam-remote-candidate")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def connect(self, remote: RTCIceParameters, timeout_s: float) -> None:
        """Find a path; raises StageTimeout and ConnectFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.transport.start(remote)
        except TimeoutError as error:
            raise StageTimeout("ice", timeout_s, self.explain()) from error
        finally:
            self._is_settled = True
            self._servers.settle()
        if self.transport.state != "completed":
            raise ConnectFailed("ice", self.explain())

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
        if not self._is_closed and self.refused.total():
            counts = {reason.value: count for reason, count in self.refused.items() if count}
            logger.info("candidates of the peer refused", extra=fields(**counts))
        self._is_settled = self._is_closed = True
        await self._servers.close()
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
        candidate = parse_candidate(text, allow_loopback=self._settings.loopback)
        if isinstance(candidate, Refusal):
            return candidate
        if self._is_late(candidate):
            return Refusal.LATE
        if self._remote_count >= REMOTE_CANDIDATE_LIMIT:
            return Refusal.TOO_MANY
        return self._judge_name(candidate) if is_mdns_name(candidate.ip) else candidate

    def _is_late(self, candidate: RTCIceCandidate) -> bool:
        """Tell whether a candidate comes too late to be of use.

        A direct one may still take over from a relay. One that was overtaken by its own check says
        what its address is (RFC 8838 section 11): without it a relay would look like a direct path
        for the whole session.
        """
        if self._is_closed or not self._is_settled:
            return self._is_closed
        checks = self.gatherer.ice
        is_better = candidate.type != "relay" and checks.is_looking_for_better
        return not (is_better or checks.is_only_reflexive(candidate.ip, candidate.port))

    def _judge_name(self, candidate: RTCIceCandidate) -> RTCIceCandidate | Refusal:
        if self._settings.is_relay_only:
            return Refusal.UNRESOLVED  # a relay cannot reach it, and must not learn it
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
        self.gatherer.ice.note_news()

    async def _resolve(self, name: str) -> str | None:
        # aioice would do this by itself, but takes any answer and raises if port 5353 is taken.
        try:
            async with asyncio.timeout(MDNS_TIMEOUT_S):
                mdns = await aioice.ice.get_or_create_mdns_protocol(self.gatherer.ice)
                return await mdns.resolve(name)
        except OSError:
            return None

    def explain(self) -> str:
        """Say why no path was found, or why none is found so far."""
        if self._is_closed:
            return "the connection was closed before a path was found"
        return explain(
            Facts(
                local=[each.type for each in self.gatherer.getLocalCandidates()],
                remote=self._remote_count,
                remote_has_relay=self._remote_types["relay"] > 0,
                is_relay_only=self._settings.is_relay_only,
                inquiries=self._servers.inquiries,
            )
        )

    def _no_more_candidates(self, tell: Callable[[Sequence[str], bool], None]) -> None:
        tell((), True)
        if not self._is_settled and not self.gatherer.getLocalCandidates():
            self.gatherer.ice.give_up()
