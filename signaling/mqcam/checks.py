"""The connectivity checks of one connection: aioice's, with our addresses and a guarded way in.

Waits for events instead of looking, repeats checks that were lost or that the peer triggers, takes
local candidates at any time. It must not know servers, descriptions or media. It is long because
the private names of aioice that it uses are listed in front, each with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from typing import TYPE_CHECKING, Final

import aioice
from aioice.ice import (
    ICE_COMPLETED,
    ICE_FAILED,
    CandidatePair,
    candidate_pair_priority,
)
from aioice.stun import TransactionError

from mqcam.private import PrivateName
from mqcam.repetition import repeated
from mqcam.retransmission import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aioice.stun import Message

    from mqcam.relay import Relay

RECEIVE_QUEUE_PACKETS: Final = 2048
DATAGRAM_LIMIT_BYTES: Final = 1500
"""What a packet of Ethernet holds: nothing of WebRTC is longer."""
COMPONENT: Final = 1
STUN_FIRST_BYTE: Final = 3  # RFC 7983 section 7: 0 to 3 is STUN
SRTP_FIRST_BYTE, SRTP_LAST_BYTE = 128, 191
VERIFIED_ADDRESS_LIMIT: Final = 256
PACE_S: Final = 0.02
"""The wait between two checks (Ta of RFC 8445 section 14)."""
AMBIGUOUS_AFTER_S: Final = 0.5
"""An answer later than this may be one to aioice's own repeat: it tells no round trip."""
UNCHECKED: Final = (CandidatePair.State.WAITING, CandidatePair.State.FROZEN)
BETTER_PATH_S: Final = 2.0
"""After what is, or may be, a relay has won, checks of direct pairs may take over for this long."""

PRIVATE_NAMES: Final = (
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
        path="Connection._queue",
        reason="stock queues without a bound whatever anybody sends to the port",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.connect",
        parameters=("self",),
        reason="replaced by one that waits for events; stock looks every 20 ms",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.check_complete",
        parameters=("self", "pair"),
        reason="a relay must not take the place of a direct path",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.check_state",
        parameters=("self", "pair", "state"),
        reason="a check begins, and its repeats; one that succeeded ends the pair's first one",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.build_request",
        parameters=("self", "pair", "nominate"),
        reason="makes the repeated check",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.query_consent",
        parameters=("self",),
        reason="runs as long as the path",
    ),
    PrivateName(
        module="aioice.ice",
        path="StunProtocol.request",
        parameters=("self", "request", "addr", "integrity_key", "retransmissions"),
        reason="sends the repeated check and the question to a STUN server",
    ),
    PrivateName(
        module="aioice.ice",
        path="StunProtocol.send_stun",
        parameters=("self", "message", "addr"),
        reason="repeats a question to a STUN server",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._pair_remote_candidate",
        parameters=("self", "remote_candidate"),
        reason="pairs a late local candidate",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.sort_check_list",
        parameters=("self",),
        reason="puts the new pairs in their place",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection.check_start_task",
        parameters=("self", "pair"),
        reason="starts the next check; stock's way to it starts none once a relay has won",
    ),
    PrivateName(
        module="aioice.ice",
        path="Connection._unfreeze_initial",
        parameters=("self",),
        reason="what stock does before the first check",
    ),
    *(
        PrivateName(module="aioice.ice", path=f"Connection.{name}", reason=reason)
        for name, reason in (
            ("_check_list", "the pairs to check"),
            ("_check_list_done", "says that no further check is wanted"),
            ("_check_list_state", "where aioice puts the outcome"),
            ("_early_checks", "checks that came before connect()"),
            ("_early_checks_done", "says that connect() has taken those"),
            ("_remote_candidates", "pairs a late local candidate; which addresses are unexplained"),
            ("_query_consent_task", "so that close() finds and ends it"),
        )
    ),
    PrivateName(
        module="aioice.ice",
        path="candidate_pair_priority",
        parameters=("local", "remote", "ice_controlling"),
        reason="the one order in which both sides put their pairs",
    ),
)


class Checks(aioice.Connection):
    """aioice's connection with our choice of addresses and a bounded, checked way in."""

    def __init__(self, addresses: Callable[[], list[str]], *, controlling: bool) -> None:
        super().__init__(ice_controlling=controlling)
        self.malformed = 0
        self.overflowed = 0
        self.strangers = 0
        self.repeated = 0
        self.was_closed = False
        self.on_media: Callable[[bytes], bool] | None = None
        self._verified: set[tuple[str, int]] = set()
        self._addresses = addresses
        self._news = asyncio.Event()
        self._relays: list[Relay] = []
        self._own_tasks: set[asyncio.Task[None]] = set()
        self._repeats: dict[CandidatePair, Repeats] = {}
        self._is_turn_of_repeats = False
        self._is_settled = False
        self._round_trips_s: dict[CandidatePair, float] = {}

    # local candidates

    async def gather_candidates(self) -> None:
        """Open one socket per address that the settings allow."""
        if self._local_candidates_start:
            return
        self._local_candidates_start = True
        self._local_candidates += await self.get_component_candidates(COMPONENT, self._addresses())
        self._local_candidates_end = True
        for protocol in self._protocols:
            self._guard(protocol)

    @property
    def sockets(self) -> tuple[aioice.ice.StunProtocol, ...]:
        """The sockets of this machine, without relays."""
        return tuple(each for each in self._protocols if each.local_candidate.type == "host")

    def new_protocol(self) -> aioice.ice.StunProtocol:
        """Return what a relay is to hand its packets to."""
        protocol = aioice.ice.StunProtocol(self)
        self._guard(protocol)
        return protocol

    def add_mapped(self, candidate: aioice.Candidate) -> None:
        """Note a server-reflexive candidate: its socket has pairs already."""
        self._local_candidates.append(candidate)

    def add_relay(self, relay: Relay, candidate: aioice.Candidate) -> None:
        """Take a relayed address and pair it with what the peer has."""
        protocol = relay.protocol
        if not isinstance(protocol, aioice.ice.StunProtocol):
            raise TypeError("a relay must hand its packets to new_protocol()")
        protocol.local_candidate = candidate
        self._relays.append(relay)
        self._protocols.append(protocol)
        self._local_candidates.append(candidate)
        for each in self._remote_candidates:
            self._pair_remote_candidate(each)
        self.sort_check_list()
        self.note_news()

    def is_only_reflexive(self, address: str, port: int) -> bool:
        """Tell whether this address of the peer is known from its checks alone."""
        return any(
            each.type == "prflx" and (each.host, each.port) == (address, port)
            for each in self._remote_candidates
        )

    def note_news(self) -> None:
        """Look for pairs to check now: a candidate was added."""
        self._news.set()

    # the way in

    def _guard(self, protocol: aioice.ice.StunProtocol) -> None:
        # Stock parses before it checks anything, and raises on what any stranger may send.
        protocol.datagram_received = functools.partial(self._receive, protocol)  # type: ignore[method-assign]

    def _receive(
        self, protocol: aioice.ice.StunProtocol, data: bytes, address: tuple[str, int]
    ) -> None:
        # Stock takes data from anybody who finds the port: a forged alert ends a key exchange.
        if data and data[0] > STUN_FIRST_BYTE and address[:2] not in self._verified:
            self.strangers += 1
            return
        if data and data[0] > STUN_FIRST_BYTE:
            # Stock parses each packet of a video as STUN first, and fails by an exception.
            self.data_received(data, COMPONENT)
            return
        try:
            type(protocol).datagram_received(protocol, data, address)
        except Exception:  # noqa: BLE001 - as above
            self.malformed += 1

    def data_received(self, data: bytes, component: int) -> None:
        """Queue one datagram, unless it is empty, too long, or the queue is full.

        Media is handed to ``on_media`` first, if nothing waits before it: what that takes is not
        queued.

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
        is_media = SRTP_FIRST_BYTE <= data[0] <= SRTP_LAST_BYTE and self._queue.empty()
        if is_media and self.on_media is not None and self.on_media(data):
            return
        super().data_received(data, component)

    # checks

    async def connect(self) -> None:
        """Check pairs until one carries data; raises ConnectionError when told to give up."""
        for candidate in self._remote_candidates:
            self._pair_remote_candidate(candidate)
        self.sort_check_list()
        self._unfreeze_initial()
        for message, address, protocol in self._early_checks:
            self.check_incoming(message, address, protocol)
        self._early_checks.clear()
        self._early_checks_done = True
        pacing = self._own(self._pace(), "mqcam-ice-pace")
        try:
            outcome = await self._check_list_state.get()
        except BaseException:
            pacing.cancel()
            raise
        pair = self.nominated_pair()
        if outcome != ICE_COMPLETED:
            pacing.cancel()
            raise ConnectionError("no pair can be used")
        if pair is not None and (is_relayed(pair) or pair.remote_candidate.type == "prflx"):
            # A peer-reflexive address may turn out to be a relay's: its candidate is on the way.
            self._own(self._wait_for_better(pacing), "mqcam-ice-better-path")
        else:
            self._stop_checks(pacing)
        self._query_consent_task = asyncio.create_task(
            self.query_consent(), name="mqcam-ice-consent"
        )

    def give_up(self) -> None:
        """Let ``connect`` fail: nothing can come any more."""
        self._check_list_state.put_nowait(ICE_FAILED)

    async def _pace(self) -> None:
        """Start or repeat one check in each slot, best pair first; sleep while there is none."""
        while True:
            if self._check_next():
                await asyncio.sleep(PACE_S)
                continue
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_repeat_at()):
                    await self._news.wait()

    def _check_next(self) -> bool:
        # In turns: neither may a lost check wait for many others to begin, nor the reverse.
        pair = self._next_waiting()
        if (self._is_turn_of_repeats or pair is None) and self._repeat_next():
            self._is_turn_of_repeats = False
            return True
        self._is_turn_of_repeats = True
        if pair is not None:
            self.check_start_task(pair)
        return pair is not None

    def _next_waiting(self) -> CandidatePair | None:
        """Return the best pair to begin with; once a relay has won, only a direct one will do."""
        for state in UNCHECKED:
            for pair in self._check_list:
                if pair.state is state and not (self._check_list_done and is_relayed(pair)):
                    return pair
        return None

    def _repeat_next(self) -> bool:
        now = asyncio.get_running_loop().time()
        for pair in self._check_list:
            repeats = self._repeats.get(pair)
            if repeats is not None and repeats.take(now):
                self._repeat(pair)
                return True
        return False

    def _next_repeat_at(self) -> float | None:
        due = (self._repeats[pair].due_at for pair in self._check_list if pair in self._repeats)
        at = min(due, default=math.inf)
        return None if at == math.inf else at

    def check_state(self, pair: CandidatePair, state: CandidatePair.State) -> None:
        """Note how a check stands: while it is in progress it is repeated."""
        super().check_state(pair, state)
        now = asyncio.get_running_loop().time()
        if state is CandidatePair.State.IN_PROGRESS:
            self._repeats[pair] = Repeats(now)
            self.note_news()
            return
        repeats = self._repeats.pop(pair, None)
        if state is CandidatePair.State.SUCCEEDED and repeats is not None:
            self._note_round_trip(pair, now - repeats.began_at)

    def _note_round_trip(self, pair: CandidatePair, round_trip_s: float) -> None:
        if round_trip_s < AMBIGUOUS_AFTER_S:
            self._round_trips_s.setdefault(pair, round_trip_s)

    async def _wait_for_better(self, pacing: asyncio.Task[None]) -> None:
        await asyncio.sleep(BETTER_PATH_S)
        self._stop_checks(pacing)

    def _stop_checks(self, pacing: asyncio.Task[None]) -> None:
        self._is_settled = True
        pacing.cancel()
        for pair in self._check_list:
            if pair.task is not None:
                pair.task.cancel()

    def check_incoming(
        self, message: Message, addr: tuple[str, int], protocol: aioice.ice.StunProtocol
    ) -> None:
        """Take a check that carries our password: its sender may send data from now on.

        The pair's own check may be lost in the peer's firewall, which this one has just opened:
        it is repeated (RFC 8445 section 7.3.1.4), and the first one left alive, because its answer
        may be on the way. Stock makes a candidate and a pair of each new address, and sorts them
        all: there is a limit.
        """
        if addr not in self._verified:
            if len(self._verified) >= VERIFIED_ADDRESS_LIMIT:
                self.strangers += 1
                return
            self._verified.add(addr)
        pair = self._pair_in_progress(addr, protocol)
        super().check_incoming(message, addr, protocol)
        repeats = None if pair is None else self._repeats.get(pair)
        if (
            pair is not None
            and repeats is not None
            and repeats.trigger(asyncio.get_running_loop().time())
        ):
            self._repeat(pair)

    def _pair_in_progress(
        self, address: tuple[str, int], protocol: aioice.ice.StunProtocol
    ) -> CandidatePair | None:
        for pair in self._check_list:
            if pair.protocol is protocol and pair.remote_addr == address:
                return pair if pair.state is CandidatePair.State.IN_PROGRESS else None
        return None

    def _repeat(self, pair: CandidatePair) -> None:
        self.repeated += 1
        self._own(self._check_again(pair), "mqcam-ice-check-again")

    async def _check_again(self, pair: CandidatePair) -> None:
        if self.remote_password is None:
            return
        request = self.build_request(pair, nominate=self.ice_controlling)
        began_at = asyncio.get_running_loop().time()
        try:
            _, address = await pair.protocol.request(
                request,
                pair.remote_addr,
                integrity_key=self.remote_password.encode(),
                retransmissions=0,
            )
        except TransactionError:
            return  # the first one goes on and decides
        if address != pair.remote_addr or pair.state is not CandidatePair.State.IN_PROGRESS:
            return
        first = pair.task
        pair.nominated = pair.nominated or self.ice_controlling or pair.remote_nominated
        self._note_round_trip(pair, asyncio.get_running_loop().time() - began_at)
        self.check_state(pair, CandidatePair.State.SUCCEEDED)
        self.check_complete(pair)
        if first is not None:
            first.cancel()

    def check_complete(self, pair: CandidatePair) -> None:
        """Take the outcome of a check; of two nominated pairs the better one carries the data."""
        before = self._nominated.get(COMPONENT)
        unchecked = [each for each in self._check_list if each.state in UNCHECKED]
        super().check_complete(pair)
        now = self._nominated.get(COMPONENT)
        if before is not None and now is not None and self._rank(before) > self._rank(now):
            now = self._nominated[COMPONENT] = before
        if now is not None and is_relayed(now):
            self._keep_direct(unchecked)

    def _keep_direct(self, unchecked: list[CandidatePair]) -> None:
        """Put back what stock drops when any pair is nominated: it would make a relay stick."""
        for pair in unchecked:
            if pair not in self._check_list and not is_relayed(pair):
                pair.task = None  # cancelled, if it was about to begin
                self._check_list.append(pair)
        self.sort_check_list()
        self.note_news()

    def _rank(self, pair: CandidatePair) -> tuple[bool, int]:
        priority = candidate_pair_priority(
            pair.local_candidate, pair.remote_candidate, self.ice_controlling
        )
        return not is_relayed(pair), priority

    # the outcome

    @property
    def is_looking_for_better(self) -> bool:
        """Tell whether a relay carries the data and a direct path may still take over."""
        pair = self.nominated_pair()
        return pair is not None and is_relayed(pair) and not self._is_settled

    @property
    def rtt_s(self) -> float | None:
        """The round trip of the pair that carries data, in seconds, as its check measured it."""
        pair = self.nominated_pair()
        return None if pair is None else self._round_trips_s.get(pair)

    def nominated_pair(self) -> CandidatePair | None:
        """Return the pair that carries data."""
        return self._nominated.get(COMPONENT)

    # the end

    async def close(self) -> None:
        """Close the sockets; aioice calls this by itself when consent has expired."""
        self.was_closed = True
        own, self._own_tasks = tuple(self._own_tasks), set()
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        # Side by side and bounded; aioice would close one after the other.
        await asyncio.gather(*(relay.wait_closed() for relay in self._relays))
        await super().close()

    def _own(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._own_tasks.add(task)
        task.add_done_callback(self._own_tasks.discard)
        return task


async def ask(
    socket: aioice.ice.StunProtocol, request: Message, server: tuple[str, int]
) -> tuple[Message, tuple[str, int]]:
    """Ask a STUN server, repeatedly; return what it says and who said it.

    Raises aioice's TransactionError after half a minute, or when the server refuses.
    """
    async with repeated(lambda: socket.send_stun(request, server)):
        return await socket.request(request, server)


def is_relayed(pair: CandidatePair) -> bool:
    """Tell whether a pair goes through a TURN server."""
    return "relay" in (pair.local_candidate.type, pair.remote_candidate.type)
