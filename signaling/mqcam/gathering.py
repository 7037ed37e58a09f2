"""Asking STUN and TURN servers for more addresses of ours, all at once, none waited for.

It must not know how candidates travel or who controls the checks. A server that is slow, dead,
locked or a liar costs itself and nothing else; what became of each is kept in words.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import ipaddress
import logging
import ssl
from dataclasses import dataclass
from socket import gaierror
from typing import TYPE_CHECKING, Final

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.stun import Class, Message, Method, TransactionError, TransactionFailed
from aiortc.rtcicetransport import candidate_from_aioice

from mqcam.candidates import Refusal, format_candidate, parse_candidate
from mqcam.checks import ask
from mqcam.log import fields
from mqcam.private import PrivateName
from mqcam.relay import allocate
from mqcam.resolver import Resolver
from mqcam.servers import TARGET_LIMIT, Target, targets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aioice.ice import StunProtocol

    from mqcam.checks import Checks
    from mqcam.relay import Relay
    from mqcam.resolver import Endpoint
    from mqcam.servers import IceServer

logger = logging.getLogger(__name__)

GATHER_LIMIT_S: Final = 10.0
"""A server that has not answered by then never will."""
STAGGER_S: Final = 0.25
"""A TURN server's next address is tried beside the one before after this long (RFC 8305)."""
ENDPOINT_LIMIT: Final = 4
HIDDEN: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - RFC 8839 section 5.1: says nothing
DISCARD_PORT: Final = 9
UNAUTHORIZED: Final = (401, 403, 431, 438, 441)
FULL: Final = (486, 508)

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aioice.candidate",
        path="candidate_priority",
        parameters=("candidate_component", "candidate_type", "local_pref"),
        reason="the priority that aioice gives its own candidates of a kind",
    ),
    PrivateName(
        module="aioice.candidate",
        path="candidate_foundation",
        parameters=("candidate_type", "candidate_transport", "base_address"),
        reason="the foundation that aioice gives its own candidates of a kind",
    ),
)


class Outcome(enum.Enum):
    """What became of a question to a server; the value ends the sentence "the server ...".

    ``ASKED`` is the beginning of all.
    """

    ASKED = "has not answered"
    FOUND = "gave an address"
    UNUSED = "was not needed any more"
    NO_NAME = "has a name that nobody knows"
    UNREACHABLE = "cannot be reached"
    UNTRUSTED = "has a certificate that is not trusted"
    REFUSED = "refused the user name or password"
    FULL = "has no address left"
    LIED = "gave an answer that cannot be true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One server and what became of the question."""

    server: str
    is_relay: bool
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.server} {self.outcome.value}"


class _LiedError(Exception):
    """A server's answer that cannot be true."""


class Gathering:
    """Ask servers beside the connection; ``on_found`` gets each new candidate as text.

    ``on_end`` is called once, when ``finish`` was called and nothing is asked any more.
    """

    def __init__(
        self,
        checks: Checks,
        *,
        on_found: Callable[[str], None],
        on_end: Callable[[], None],
        is_relay_only: bool = False,
        allow_loopback: bool = False,
        ca_pem: str | None = None,
    ) -> None:
        self._ca_pem = ca_pem
        self._checks = checks
        self._on_found = on_found
        self._on_end = on_end
        self._is_relay_only = is_relay_only
        self._allow_loopback = allow_loopback
        self._outcomes: dict[Target, Outcome] = {}
        self._tasks: dict[asyncio.Task[None], Target] = {}
        self._spare: set[Relay] = set()
        self._resolver = Resolver()
        self._is_settled = False
        self._is_finished = False
        self._has_ended = False

    @property
    def inquiries(self) -> tuple[Inquiry, ...]:
        """What became of each server so far."""
        return tuple(
            Inquiry(server=str(target.url), is_relay=target.url.is_relay, outcome=outcome)
            for target, outcome in self._outcomes.items()
        )

    def ask(self, servers: Iterable[IceServer]) -> None:
        """Begin to ask servers; those beyond 16 are left out."""
        for target in targets(servers):
            if target in self._outcomes or len(self._outcomes) >= TARGET_LIMIT or self._is_settled:
                continue
            if self._is_relay_only and not target.url.is_relay:
                continue
            self._outcomes[target] = Outcome.ASKED
            task = asyncio.create_task(self._inquire(target), name=f"mqcam-ask {target.url}")
            self._tasks[task] = target
            task.add_done_callback(self._done)

    def finish(self) -> None:
        """Note that no further servers will be named."""
        self._is_finished = True
        self._maybe_end()

    def settle(self) -> None:
        """Note that a path stands, or never will: what comes now is given back.

        An allocation on its way is awaited for that, so that it does not stay at the server.
        """
        self._is_settled = True
        for task, target in self._tasks.items():
            if not target.url.is_relay:
                task.cancel()
        self._maybe_end()

    async def close(self) -> None:
        """Stop asking."""
        self._has_ended = True  # nobody is to be told
        self.settle()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(relay.wait_closed() for relay in self._spare))

    def _done(self, task: asyncio.Task[None]) -> None:
        target = self._tasks.pop(task)
        if task.cancelled() and self._outcomes[target] is Outcome.ASKED:
            self._outcomes[target] = Outcome.UNUSED
        self._maybe_end()

    def _maybe_end(self) -> None:
        if self._has_ended or not self._is_finished or (self._tasks and not self._is_settled):
            return
        self._has_ended = True
        self._on_end()

    async def _inquire(self, target: Target) -> None:
        inquire = self._ask_turn if target.url.is_relay else self._ask_stun
        outcome = Outcome.ASKED
        try:
            async with asyncio.timeout(GATHER_LIMIT_S):
                found = await self._resolver.resolve(
                    target.url.host, target.url.port, GATHER_LIMIT_S
                )
                outcome = await inquire(target, [each for each in found if self._may_ask(each)])
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - aioice raises anything on what a server sent
            outcome = _outcome_of(error)
        self._outcomes[target] = outcome
        if outcome not in (Outcome.FOUND, Outcome.UNUSED):
            logger.info(
                "no address from a server", extra=fields(server=target.url, reason=outcome.value)
            )

    def _may_ask(self, endpoint: Endpoint) -> bool:
        # A camera lends its servers: none of them may lead to programs of this very machine.
        address = ipaddress.ip_address(str(endpoint.sockaddr[0]).partition("%")[0])
        if address.is_loopback:
            return self._allow_loopback
        return not (address.is_multicast or address.is_unspecified or address.is_link_local)

    # STUN

    async def _ask_stun(self, target: Target, endpoints: list[Endpoint]) -> Outcome:  # noqa: ARG002
        questions = [
            self._ask_from(socket, address)
            for socket in self._checks.sockets
            for address in _per_family(endpoints)
            if _can_reach(socket.local_candidate.host, address[0])
        ]
        if not questions:
            return Outcome.UNREACHABLE
        outcomes = await asyncio.gather(*(_settled(each) for each in questions))
        return Outcome.FOUND if Outcome.FOUND in outcomes else outcomes[0]

    async def _ask_from(self, socket: StunProtocol, server: tuple[str, int]) -> Outcome:
        request = Message(message_method=Method.BINDING, message_class=Class.REQUEST)
        response, source = await ask(socket, request, server)
        mapped = response.attributes.get("XOR-MAPPED-ADDRESS")
        if mapped is None or source != server:
            raise _LiedError
        base = socket.local_candidate
        candidate = Candidate(
            foundation=candidate_foundation("srflx", "udp", base.host),
            component=base.component,
            transport="udp",
            priority=candidate_priority(base.component, "srflx"),
            host=mapped[0],
            port=mapped[1],
            type="srflx",
            related_address=base.host,
            related_port=base.port,
        )
        text = self._judged(candidate)
        if not self._is_known(candidate):
            self._checks.add_mapped(candidate)
            self._on_found(text)
        return Outcome.FOUND

    # TURN

    async def _ask_turn(self, target: Target, endpoints: list[Endpoint]) -> Outcome:
        if not endpoints:
            return Outcome.UNREACHABLE
        context = None
        if target.url.is_secured:
            # Reading the system's certificates takes longer than others of this loop may wait.
            context = await asyncio.to_thread(_trusting, self._ca_pem)
        relay = await self._first_relay(target, endpoints[:ENDPOINT_LIMIT], context)
        outcome = Outcome.LIED
        try:
            outcome = self._take(relay)
        finally:
            if outcome is not Outcome.FOUND:
                relay.close()
        return outcome

    async def _allocate(
        self, target: Target, endpoint: Endpoint, context: ssl.SSLContext | None
    ) -> Relay:
        relay = await allocate(target, endpoint, self._checks.new_protocol(), context=context)
        self._spare.add(relay)  # whatever happens to those who wait for it, close() finds it
        return relay

    def _take(self, relay: Relay) -> Outcome:
        if self._is_settled:
            return Outcome.UNUSED
        host, port = relay.address
        related = relay.mapped_address
        if self._is_relay_only:
            related = (HIDDEN[ipaddress.ip_address(host).version], DISCARD_PORT)
        candidate = Candidate(
            foundation=candidate_foundation("relay", "udp", host),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "relay"),
            host=host,
            port=port,
            type="relay",
            related_address=related[0],
            related_port=related[1],
        )
        text = self._judged(candidate)
        if self._is_known(candidate):
            return Outcome.UNUSED
        self._spare.discard(relay)
        self._checks.add_relay(relay, candidate)
        self._on_found(text)
        return Outcome.FOUND

    async def _first_relay(
        self, target: Target, endpoints: list[Endpoint], context: ssl.SSLContext | None
    ) -> Relay:
        """Try a server's addresses one beside the other; the first that works is taken."""
        tries: list[asyncio.Task[Relay]] = []
        chosen: Relay | None = None
        try:
            for endpoint in endpoints:
                work = self._allocate(target, endpoint, context)
                tries.append(asyncio.create_task(work, name=f"mqcam-allocate {target.url}"))
                await asyncio.wait(tries, timeout=STAGGER_S, return_when=asyncio.FIRST_COMPLETED)
                if (chosen := _winner(tries)) is not None:
                    return chosen
            for each in asyncio.as_completed(tries):
                with contextlib.suppress(OSError, TransactionError, ValueError):
                    chosen = await each
                    return chosen
            return tries[0].result()  # raises: the reason of the address that is preferred
        finally:
            for task in tries:
                task.cancel()
            for result in await asyncio.gather(*tries, return_exceptions=True):
                if not isinstance(result, BaseException) and result is not chosen:
                    result.close()

    # what is found

    def _judged(self, candidate: Candidate) -> str:
        """Return the text of a candidate that may be true; raises _LiedError otherwise."""
        text = format_candidate(candidate_from_aioice(candidate))
        if isinstance(parse_candidate(text, allow_loopback=self._allow_loopback), Refusal):
            raise _LiedError
        return text

    def _is_known(self, candidate: Candidate) -> bool:
        """Tell whether it is redundant (RFC 8445 section 5.1.3)."""
        return any(
            (each.host, each.port) == (candidate.host, candidate.port)
            for each in self._checks.local_candidates
        )


def _trusting(ca_pem: str | None) -> ssl.SSLContext:
    """Return a context for whom the system trusts, and this authority."""
    context = ssl.create_default_context()
    if ca_pem is not None:
        context.load_verify_locations(cadata=ca_pem)
    return context


def _outcome_of(error: Exception) -> Outcome:
    if isinstance(error, TransactionFailed):
        code = error.response.error_code
        if code in UNAUTHORIZED:
            return Outcome.REFUSED
        return Outcome.FULL if code in FULL else Outcome.LIED
    if isinstance(error, TransactionError):
        return Outcome.ASKED
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome.UNTRUSTED
    if isinstance(error, OSError):
        return Outcome.NO_NAME if isinstance(error, gaierror) else Outcome.UNREACHABLE
    return Outcome.NO_NAME if isinstance(error, UnicodeError) else Outcome.LIED


async def _settled(question: Awaitable[Outcome]) -> Outcome:
    try:
        return await question
    except Exception as error:  # noqa: BLE001 - as in _inquire
        return _outcome_of(error)


def _winner(tries: Iterable[asyncio.Task[Relay]]) -> Relay | None:
    for task in tries:
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
    return None


def _per_family(endpoints: Iterable[Endpoint]) -> list[tuple[str, int]]:
    """Return the first address of each family."""
    first: dict[int, tuple[str, int]] = {}
    for each in endpoints:
        first.setdefault(each.family, (str(each.sockaddr[0]), int(each.sockaddr[1])))
    return list(first.values())


def _can_reach(local: str, remote: str) -> bool:
    one, other = ipaddress.ip_address(local), ipaddress.ip_address(remote)
    return one.version == other.version and (not one.is_loopback or other.is_loopback)
