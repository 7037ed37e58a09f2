"""Open sockets to the addresses of a broker: names, TCP and TLS, raced as RFC 8305 says.

It must not know MQTT: it hands out sockets that are ready to speak, in the order in which they
became ready, and the errors of those that did not.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mqcam.errors import (
    NO_ANSWER,
    UNKNOWN_NAME,
    BrokerError,
    BrokerTimeout,
    BrokerTlsError,
    BrokerUnreachable,
)
from mqcam.mqtt.tls import encrypt
from mqcam.resolver import Resolver

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from mqcam.broker import BrokerAddress, BrokerSettings, MqttTimings
    from mqcam.resolver import Endpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A socket that is ready to speak MQTT, or to become a WebSocket."""

    sock: socket.socket
    address: BrokerAddress


Result = Opened | BrokerError


class Race:
    """One round over several addresses: a result for each, as soon as it is known.

    The next address starts after ``stagger_s`` or when one has failed. Leaving the context ends
    what still runs and closes the sockets that nobody took.
    """

    def __init__(
        self,
        addresses: Sequence[BrokerAddress],
        open_one: Callable[[BrokerAddress], Awaitable[Opened]],
        stagger_s: float,
    ) -> None:
        self._addresses = addresses
        self._open_one = open_one
        self._stagger_s = stagger_s
        self._results: deque[Result] = deque()
        self._owed = len(addresses)
        self._arrived = asyncio.Event()
        self._failed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run(), name="mqcam-dial")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        for result in self._results:
            if isinstance(result, Opened):
                result.sock.close()
        self._results.clear()

    async def next(self) -> Result | None:
        """Return the next result, None after the last."""
        if self._owed == 0:
            return None
        while not self._results:
            self._arrived.clear()
            await self._arrived.wait()
        self._owed -= 1
        return self._results.popleft()

    async def another(self) -> None:
        """Wait until one more socket is open; for ever if none will be."""
        while not any(isinstance(result, Opened) for result in self._results):
            self._arrived.clear()
            await self._arrived.wait()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number, address in enumerate(self._addresses):
                if number:
                    await _wait_for(self._failed, self._stagger_s)
                self._failed.clear()
                group.create_task(self._report(address), name=f"mqcam-dial {address}")

    async def _report(self, address: BrokerAddress) -> None:
        result: Result
        try:
            result = await self._open_one(address)
        except BrokerError as error:
            result = error
        except Exception as error:  # a result is owed for every address, or the round would hang
            logger.exception("connecting to the broker failed in an unforeseen way")
            reason = f"connecting failed in an unforeseen way ({type(error).__name__})"
            result = BrokerUnreachable(reason, address=str(address))
        if isinstance(result, BrokerError):
            self._failed.set()
        self._results.append(result)
        self._arrived.set()


class Dialer:
    """Open sockets to the addresses of one broker."""

    def __init__(
        self, settings: BrokerSettings, *, timings: MqttTimings, context: ssl.SSLContext | None
    ) -> None:
        self._settings = settings
        self._timings = timings
        self._context = context
        self._resolver = Resolver()

    def race(self, addresses: Sequence[BrokerAddress]) -> Race:
        """Return a race over ``addresses``, to be run by ``async with``."""
        return Race(addresses, self._open_one, self._timings.stagger_s)

    async def _open_one(self, address: BrokerAddress) -> Opened:
        endpoints = await self._resolve(address)
        try:
            async with asyncio.timeout(self._timings.open_s):
                sock = await self._first(endpoints)
        except TimeoutError as error:
            raise BrokerTimeout(NO_ANSWER, address=str(address)) from error
        except OSError as error:
            raise BrokerUnreachable.because(error, address=str(address)) from error
        if address.scheme.is_encrypted:
            sock = await self._encrypt(sock, address)
        return Opened(sock=sock, address=address)

    async def _resolve(self, address: BrokerAddress) -> tuple[Endpoint, ...]:
        limit_s = self._timings.resolve_s
        try:
            return await self._resolver.resolve(address.host, address.port, limit_s)
        except TimeoutError as error:
            reason = "looking up its name took too long: check the DNS server"
            raise BrokerTimeout(reason, address=str(address)) from error
        except (OSError, UnicodeError) as error:
            raise BrokerUnreachable(UNKNOWN_NAME, address=str(address)) from error

    async def _first(self, endpoints: Sequence[Endpoint]) -> socket.socket:
        """Connect to the machine behind a name that answers first, staggered like addresses."""
        waiting = list(endpoints)
        running: set[asyncio.Task[socket.socket]] = set()
        errors: list[BaseException] = []
        try:
            while waiting or running:
                if waiting:
                    endpoint = waiting.pop(0)
                    running.add(asyncio.create_task(self._connect(endpoint), name="mqcam-tcp"))
                patience_s = self._timings.stagger_s if waiting else None
                done, _ = await asyncio.wait(
                    running, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    running.discard(task)
                    error = task.exception()
                    if error is None:
                        return task.result()
                    errors.append(error)
            raise errors[0]
        finally:
            for task in running:
                task.cancel()
            for late in await asyncio.gather(*running, return_exceptions=True):
                if isinstance(late, socket.socket):
                    late.close()

    async def _connect(self, endpoint: Endpoint) -> socket.socket:
        sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            # Nagle's algorithm costs 40 ms per message, measured: docs/decisions/mqtt.md
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only
                limit_ms = int(self._timings.user_timeout_s * 1000)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
            await asyncio.get_running_loop().sock_connect(sock, endpoint.sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _encrypt(self, sock: socket.socket, address: BrokerAddress) -> ssl.SSLSocket:
        if self._context is None:
            sock.close()
            raise BrokerTlsError("no TLS context was made for it", address=str(address))
        return await encrypt(
            sock,
            self._context,
            name=self._settings.server_name or address.host,
            address=str(address),
            timeout_s=self._timings.open_s,
        )


async def _wait_for(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
