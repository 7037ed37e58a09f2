"""Sessions of ours at a broker of a test: started, watched and stopped.

It must not know the protocol of cameras and viewers.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.broker import BrokerAddress, BrokerSettings, BrokerState, MqttTimings, Subscription
from mqcam.mqtt import MqttSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from mqcam.transport import Incoming, Outgoing

PATIENCE_S = 15.0


@dataclass(slots=True)
class Watched:
    """A running session, all that it received, and all its states."""

    session: MqttSession = field(init=False)
    received: list[Incoming] = field(default_factory=list)
    states: list[BrokerState] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, message: Incoming) -> None:
        """Keep a message."""
        self.received.append(message)
        self._changed.set()

    def on_state(self, state: BrokerState) -> None:
        """Keep a state."""
        self.states.append(state)
        self._changed.set()

    @property
    def payloads(self) -> list[bytes]:
        """Return what was received, in order."""
        return [message.payload for message in self.received]

    async def until(self, condition: Callable[[Watched], bool]) -> None:
        """Wait until messages or states fulfil a condition."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_received(self, count: int) -> None:
        """Wait until so many messages have come."""
        await self.until(lambda watched: len(watched.received) >= count)

    async def until_error(self, kind: type[Exception]) -> BrokerState:
        """Wait for a state with an error of this kind; return it."""
        await self.until(
            lambda watched: any(isinstance(state.error, kind) for state in watched.states)
        )
        return next(state for state in self.states if isinstance(state.error, kind))


def settings(
    *urls: str,
    username: str | None = None,
    password: str | None = None,
    ca_pem: str | None = None,
    server_name: str = "mqcam-broker",
) -> BrokerSettings:
    """Return settings for the brokers of a test."""
    return BrokerSettings(
        addresses=tuple(BrokerAddress.parse(url) for url in urls),
        username=username,
        password=password,
        ca_pem=ca_pem,
        server_name=server_name,
    )


@contextlib.asynccontextmanager
async def watched(
    where: BrokerSettings,
    client_id: str = "tester",
    *,
    topics: Sequence[str] = (),
    birth: Callable[[], Sequence[Outgoing]] | None = None,
    will: Outgoing | None = None,
    clean_start: bool = True,
    session_expiry_s: int = 0,
    timings: MqttTimings | None = None,
    is_clock_believed: Callable[[], bool] = lambda: True,
    connected: bool = True,
) -> AsyncIterator[Watched]:
    """Run a session; ``connected`` waits until it is."""
    found = Watched()
    found.session = MqttSession(
        where,
        client_id=client_id,
        receive=found.receive,
        clean_start=clean_start,
        session_expiry_s=session_expiry_s,
        subscriptions=[Subscription(topic=topic) for topic in topics],
        birth=birth,
        will=will,
        on_state=found.on_state,
        timings=timings,
        is_clock_believed=is_clock_believed,
    )
    running = asyncio.create_task(found.session.run(), name=f"session {client_id}")
    try:
        if connected:
            await found.session.wait_connected(PATIENCE_S)
        yield found
    finally:
        await found.session.stop()
        await running
