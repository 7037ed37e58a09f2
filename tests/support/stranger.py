"""Somebody with a viewer's account who writes whatever he likes to a camera's mailbox.

By default he signs and seals as the viewer that he is and shows the grant of his credentials; with
another ``identity`` or ``grant`` he is an impostor. It must not know what a camera should do with
what he writes: tests do.
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
from mqcam.errors import Unauthentic
from mqcam.ice import IceSettings
from mqcam.mqtt import MqttSession, Subscription
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.topics import SESSION_BYTES, Namespace, new_session_id
from mqcam.transport import Incoming, Outgoing
from mqcam.trust.envelope import ViewerEnvelope
from mqcam.trust.keys import SigningKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from mqcam.transport import Delivery
    from support.broker import ShippedBroker

REPLY_TIMEOUT_S = 5.0


class Stranger:
    """A raw MQTT client on a viewer's account."""

    def __init__(
        self,
        broker: ShippedBroker,
        *,
        camera: str,
        name: str = "stranger",
        identity: SigningKey | None = None,
        grant: str | None = None,
    ) -> None:
        credentials = load_credentials(broker.credentials("viewer", name))
        self.identity = identity or SigningKey.parse(credentials.identity or "")
        self.grant = (credentials.grant or "") if grant is None else grant
        self._topics = Namespace(credentials.namespace)
        self._envelope = ViewerEnvelope(self.identity, credentials.namespace)
        self._name = name
        self._camera = camera
        self._replies: defaultdict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._statuses: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._boot = ""
        self._recipient = Recipient(key="", seal_key="")
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
        await self.meet()
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

    async def meet(self) -> None:
        """Wait for the camera's status: the first one, or one after the camera was started again.

        What is sealed afterwards is for that camera.
        """
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            while True:
                key, status = await self._statuses.get()
                if status["t"] == "status" and status["boot"] != self._boot:
                    break
        self._boot, self.nonce = status["boot"], status["nonce"]
        self._recipient = Recipient(key=key, seal_key=status["seal_key"])

    def publish(
        self, session: str, body: bytes | dict[str, Any], *, retain: bool = False
    ) -> asyncio.Future[Delivery]:
        """Seal any body and put it into the camera's mailbox."""
        return self.publish_raw(session, self.sealed(session, body), retain=retain)

    def sealed(self, session: str, body: bytes | dict[str, Any]) -> bytes:
        """Return what `publish` would put into the camera's mailbox."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._envelope.seal(self._topic(session), content, self._recipient)

    def publish_raw(
        self, session: str, payload: bytes, *, retain: bool = False
    ) -> asyncio.Future[Delivery]:
        """Put anything into the camera's mailbox."""
        topic = self._topic(session)
        return self._session.send(Outgoing(topic=topic, payload=payload, retain=retain))

    def offer(self, sdp: str, **fields: object) -> dict[str, object]:
        """Return the body of an offer; ``fields`` replace what is usual."""
        usual = {"v": 1, "t": "offer", "n": 0, "nonce": self.nonce, "replaces": ""}
        return {**usual, "grant": self.grant, "sdp": sdp, **fields}

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
        self.publish(session, self.offer("", nonce=""))  # refused before there is a session
        await self.reply(session, "error")

    def _topic(self, session: str) -> str:
        return self._topics.to_device(self._camera, self._name, session)

    def _receive(self, message: Incoming) -> None:
        topic = self._topics.parse(message.topic)
        if topic is None or (not topic.session and message.payload.startswith(b"{")):
            return  # gone
        try:
            opened = self._envelope.open(message.topic, message.payload)
        except Unauthentic:
            return  # for somebody else on this account, or by somebody else than the camera
        body = json.loads(opened.body)
        if topic.session:
            self._replies[topic.session].put_nowait(body)
        else:
            self._statuses.put_nowait((opened.key, body))


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
