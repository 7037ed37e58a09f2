"""Somebody with one account who sends offers that look good and are signed by nobody's key.

Each is valid JSON in an offer of the usual size, sealed to the camera's real key, for a session of
its own; only the signer is a stranger without a grant. Started as ``python -m bench.forger
CREDENTIALS CAMERA COUNT PER_S one|many``: under the account's one name, or each under another, as
a broker that lies can say. ``ready`` on standard output when all are made; a line on standard input
begins; then the count that the broker took. It must not measure anything.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import TYPE_CHECKING

from mqcam.credentials import load_credentials
from mqcam.mqtt import MqttSession, Subscription
from mqcam.protocol.codec import decode, encode
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.messages import Status
from mqcam.protocol.topics import CLIENT_ID_BYTES, Namespace, new_client_id
from mqcam.transport import Delivery, Outgoing
from mqcam.trust.envelope import open_signed, sealed
from mqcam.trust.keys import SealingKey, SigningKey
from mqcam.trust.signing import Purpose

from bench.programs import READY, standard_input
from bench.sealing import new_session, offer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mqcam.transport import Incoming

CONNECT_S = 10.0
STEP_S = 0.002
UNDERWAY_MAX = 100
"""Less than an outbox holds: what is pushed out of it would not be sent."""


class Forger:
    """A viewer's account that knows what the camera announces, and writes to its mailbox."""

    def __init__(self, credentials_file: str, camera: str) -> None:
        credentials = load_credentials(credentials_file)
        self.name = credentials.name
        self.camera = camera
        self._topics = Namespace(credentials.namespace)
        self._status: asyncio.Future[tuple[Status, str]] = (
            asyncio.get_running_loop().create_future()
        )
        self.session = MqttSession(
            credentials.broker_settings(),
            client_id=new_client_id(self.name, secrets.token_bytes(CLIENT_ID_BYTES)),
            receive=self._receive,
            clean_start=True,
            session_expiry_s=0,
            subscriptions=(Subscription(topic=self._topics.status(camera)),),
        )

    async def forge(self, count: int, *, is_many: bool) -> list[Outgoing]:
        """Return offers to the camera under our name or, ``is_many``, each under another."""
        async with asyncio.timeout(CONNECT_S):
            status, key = await self._status
        recipient = Recipient(key=key, seal_key=status.seal_key)
        body = encode(offer_of(nonce=status.nonce))
        stranger, reply_key = SigningKey.generate(), SealingKey.generate()
        forged = []
        for number in range(count):
            name = f"{self.name}-{number}" if is_many else self.name
            topic = self._topics.to_device(self.camera, name, new_session())
            payload = sealed(stranger, topic, body, recipient, reply_key=reply_key)
            forged.append(Outgoing(topic=topic, payload=payload))
        return forged

    async def flood(self, messages: Iterable[Outgoing], per_s: float) -> int:
        """Send evenly, or as fast as the broker takes it; return how many it took."""
        loop = asyncio.get_running_loop()
        underway: set[asyncio.Future[Delivery]] = set()
        began_at, accepted = loop.time(), 0
        for sent, message in enumerate(messages):
            while sent >= (loop.time() - began_at) * per_s or len(underway) >= UNDERWAY_MAX:
                await asyncio.sleep(STEP_S)
                done = {receipt for receipt in underway if receipt.done()}
                accepted += sum(receipt.result() is Delivery.ACCEPTED for receipt in done)
                underway -= done
            underway.add(self.session.send(message))
        receipts = await asyncio.gather(*underway)
        return accepted + sum(receipt is Delivery.ACCEPTED for receipt in receipts)

    def _receive(self, message: Incoming) -> None:
        opened = open_signed(message.payload, message.topic, Purpose.STATUS)
        status = decode(opened.body)
        if isinstance(status, Status) and not self._status.done():
            self._status.set_result((status, opened.key))


async def run(credentials: str, camera: str, count: str, per_s: str, names: str) -> None:
    """Make them, wait for the word, send them."""
    lines = await standard_input()
    forger = Forger(credentials, camera)
    running = asyncio.create_task(forger.session.run(), name="broker session")
    try:
        await forger.session.wait_connected(CONNECT_S)
        forged = await forger.forge(int(count), is_many=names == "many")
        print(READY, flush=True)
        if await lines.readline():
            print(await forger.flood(forged, float(per_s)), flush=True)
    finally:
        await forger.session.stop()
        await running


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
