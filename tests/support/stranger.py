"""Somebody with a viewer's account who writes whatever he likes to a camera's mailbox.

It must not know what a camera should do with it: tests do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

from mqcam.connection import Connection
from mqcam.credentials import load_credentials
from mqcam.ice import IceSettings
from mqcam.mqtt import MqttSession, Subscription
from mqcam.protocol.topics import SESSION_BYTES, Namespace, new_session_id
from mqcam.transport import Incoming, Outgoing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from mqcam.transport import Delivery
    from support.broker import ShippedBroker

REPLY_TIMEOUT_S = 5.0


class Stranger:
    """A raw MQTT client on a viewer's account."""

    def __init__(self, broker: ShippedBroker, *, camera: str, name: str = "stranger") -> None:
        credentials = load_credentials(broker.credentials("viewer", name))
        self._topics = Namespace(credentials.namespace)
        self._name = name
        self._camera = camera
        self._replies: defaultdict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._status: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._session = MqttSession(
            credentials.broker_settings(),
            client_id=f"{name}-{secrets.token_urlsafe(16)}",
            receive=self._receive,
            clean_start=True,
            session_expiry_s=0,
            subscriptions=(
                Subscription(topic=self._topics.viewer_filter(name)),
                Subscription(topic=self._topics.status(camera)),
            ),
        )
        self._running: asyncio.Task[None] | None = None
        self.nonce = ""

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._session.run(), name="stranger")
        await self._session.wait_connected(REPLY_TIMEOUT_S)
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            self.nonce = (await self._status.get())["nonce"]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.stop()
        if self._running is not None:
            await self._running

    @staticmethod
    def new_session() -> str:
        """Return a session id that was never used."""
        return new_session_id(secrets.token_bytes(SESSION_BYTES))

    def publish(
        self, session: str, payload: bytes | dict[str, Any], *, retain: bool = False
    ) -> asyncio.Future[Delivery]:
        """Write anything into the camera's mailbox."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        topic = self._topics.to_device(self._camera, self._name, session)
        return self._session.send(Outgoing(topic=topic, payload=body, retain=retain))

    def offer(self, sdp: str, **fields: object) -> dict[str, object]:
        """Return the body of an offer; ``fields`` replace what is usual."""
        usual = {"v": 1, "t": "offer", "n": 0, "nonce": self.nonce, "sdp": sdp, "replaces": ""}
        return {**usual, **fields}

    async def reply(self, session: str, kind: str) -> dict[str, Any]:
        """Return the next message of a kind that the camera sends to a session."""
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            while True:
                message = await self._replies[session].get()
                if message["t"] == kind:
                    return message

    def replies(self, session: str) -> int:
        """Return how many messages of a session have come and were not read."""
        return self._replies[session].qsize()

    async def settle(self) -> None:
        """Wait until the camera has read what was published before: it answers in order."""
        session = self.new_session()
        self.publish(session, self.offer("not SDP"))
        await self.reply(session, "error")

    def _receive(self, message: Incoming) -> None:
        topic = self._topics.parse(message.topic)
        body = json.loads(message.payload)
        if topic is not None and topic.session:
            self._replies[topic.session].put_nowait(body)
        elif body["t"] == "status":
            self._status.put_nowait(body)


@contextlib.asynccontextmanager
async def good_offer() -> AsyncIterator[str]:
    """Yield the SDP of an offer that a camera would answer."""
    connection = Connection(
        role="viewer",
        ice=IceSettings(loopback=True),
        on_candidates=lambda *_: None,
        on_closed=lambda _: None,
    )
    try:
        yield await connection.create_offer()
    finally:
        await connection.close()
