"""A viewer's side of pairing: ask a camera to be let in, and wait for the y of a person there.

It must not know files or where secrets are kept: an invitation, an account and a key come in.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.errors import (
    BrokerRefused,
    MalformedMessage,
    SessionError,
    Unauthentic,
    UnsupportedVersion,
    UsageError,
)
from mqcam.mqtt import MqttSession, Subscription
from mqcam.protocol.codec import body_hash, decode, encode
from mqcam.protocol.codes import Code
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.messages import OFFLINE, Error, Message, Pair, Paired, Status
from mqcam.protocol.topics import (
    CLIENT_ID_BYTES,
    SESSION_BYTES,
    Namespace,
    new_client_id,
    new_session_id,
)
from mqcam.transport import Outgoing
from mqcam.trust.envelope import ViewerEnvelope
from mqcam.trust.keys import fingerprint
from mqcam.trust.pairing import (
    WINDOW_S,
    Parties,
    device_proof,
    is_proof,
    viewer_proof,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.credentials import Credentials
    from mqcam.transport import Incoming
    from mqcam.trust.keys import SigningKey
    from mqcam.uri import Invitation

ARRIVALS_MAX = 64
"""Messages that wait to be looked at; later ones are dropped, and what counts is said again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingTimings:
    """How long is waited for whom, in seconds."""

    connect_s: float = 10.0
    status_s: float = 5.0
    repeats_s: tuple[float, ...] = (3.0, 7.0)
    """When the request is sent again to a camera that has said nothing."""
    first_word_s: float = 10.0
    ask_again_s: float = 20.0
    """How often it is sent again while a person thinks: the word may have been lost."""
    silence_s: float = 45.0
    window_s: float = WINDOW_S


class Pairing:
    """Ask one camera once; ``tell`` is called with lines for a person."""

    def __init__(
        self,
        invitation: Invitation,
        account: Credentials,
        identity: SigningKey,
        *,
        tell: Callable[[str], None],
        timings: PairingTimings | None = None,
    ) -> None:
        self._invitation = invitation
        self._account = account
        self._identity = identity
        self._tell = tell
        self._timings = timings or PairingTimings()
        self._topics = Namespace(account.namespace)
        self._envelope = ViewerEnvelope(identity, account.namespace)
        self._session_id = new_session_id(secrets.token_bytes(SESSION_BYTES))
        self._arrivals: asyncio.Queue[Incoming] = asyncio.Queue(ARRIVALS_MAX)
        self._strangers: set[str] = set()
        self._boot = ""

    async def run(self) -> Paired:
        """Return what the camera allows, once somebody there has said yes.

        Raises SessionError with a sentence when it does not come to that, and BrokerError.
        """
        broker = MqttSession(
            self._account.broker_settings(),
            client_id=new_client_id(self._account.name, secrets.token_bytes(CLIENT_ID_BYTES)),
            receive=self._note,
            clean_start=True,
            session_expiry_s=0,
            subscriptions=(
                Subscription(topic=self._topics.viewer_filter(self._account.name)),
                Subscription(topic=self._topics.status(self._invitation.camera)),
            ),
        )
        running = asyncio.create_task(broker.run(), name="broker session")
        try:
            await self._connect(broker)
            status = await self._status()
            return await self._ask(broker, status)
        finally:
            await broker.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    def _note(self, message: Incoming) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._arrivals.put_nowait(message)

    async def _connect(self, broker: MqttSession) -> None:
        try:
            await broker.wait_connected(self._timings.connect_s)
        except BrokerRefused as error:
            if self._account.username is not None:
                raise
            raise UsageError(
                f"the broker wants an account ({error.reason}), and the invitation holds none",
                "name a file that has one with --credentials, or have the camera invite with "
                "'mqcam-device pair --share-account'",
            ) from error

    async def _status(self) -> Status:
        """Return the camera's own word: what others sign in its place does not count."""
        camera, deadline = self._invitation.camera, time.monotonic() + self._timings.status_s
        while (message := await self._next(deadline)) is not None:
            if isinstance(message, Status):
                self._check(message)
                return message
        if self._strangers:
            keys = ", ".join(sorted(map(fingerprint, self._strangers)))
            text = f"{camera} signs with another key ({keys}) than the invitation names"
            ours = fingerprint(self._invitation.key)
            raise SessionError(
                Code.CHANGED_KEY.value,
                f"{text} ({ours}): somebody may pose as it, or it was set up anew; have it invite "
                "again",
            )
        raise SessionError(
            "unknown-camera",
            f"the broker knows no camera {camera}, or does not show it to this account: is it "
            "running?",
        )

    async def _ask(self, broker: MqttSession, status: Status) -> Paired:
        camera, timings = self._invitation.camera, self._timings
        body = encode(Pair(mac=viewer_proof(self._invitation.secret, self._parties)))
        topic = self._topics.to_device(camera, self._account.name, self._session_id)
        recipient = Recipient(key=self._invitation.key, seal_key=status.seal_key)
        request = Outgoing(topic=topic, payload=self._envelope.seal(topic, body, recipient))
        started = heard = time.monotonic()
        broker.send(request)
        later = [started + each for each in timings.repeats_s]
        self._tell(
            f"This is {self._account.name}, fingerprint {fingerprint(self._identity.public)}.\n"
            f"Compare it with what is shown at {camera}, and have somebody there say yes."
        )
        is_heard = False
        while True:
            patience_s = timings.silence_s if is_heard else timings.first_word_s
            gives_up = min(heard + patience_s, started + timings.window_s)
            message = await self._next(min([gives_up, *later[:1]]))
            now = time.monotonic()
            if isinstance(message, Paired) and self._is_ours(message, body_hash(body)):
                return message
            if isinstance(message, Error) and message.re == body_hash(body):
                if message.code not in {Code.PAIRING_WAITS, Code.BUSY}:
                    raise SessionError(message.code, message.text)
                if not is_heard:
                    self._tell(f"{camera}: {message.text}.")
                    later = []
                is_heard, heard = True, now
                later = later or [now + timings.ask_again_s]
            elif isinstance(message, Status):
                self._check(message)
            if now >= gives_up:
                raise self._silence(is_heard=is_heard)
            if later and now >= later[0]:
                del later[0]
                broker.send(request)

    async def _next(self, deadline: float) -> Message | None:
        """Return the camera's next word, None when there was none in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                while True:
                    message = self._opened(await self._arrivals.get())
                    if message is not None:
                        return message
        return None

    def _opened(self, arrived: Incoming) -> Message | None:
        """Return what the camera of the invitation said, nothing else."""
        try:
            opened = self._envelope.open(arrived.topic, arrived.payload)
            if opened.key == self._invitation.key:
                return decode(opened.body)
        except (Unauthentic, MalformedMessage, UnsupportedVersion):
            return None
        if len(self._strangers) < ARRIVALS_MAX:
            self._strangers.add(opened.key)
        return None

    def _check(self, status: Status) -> None:
        """Raise SessionError if the camera is not there, or not the one any more that was asked."""
        camera = self._invitation.camera
        if status.state == OFFLINE:
            raise SessionError("offline", f"{camera} is offline: check its power and its network")
        if self._boot not in {"", status.boot}:
            raise SessionError(
                "restarted",
                f"{camera} was restarted and has forgotten its invitation: have a new one made",
            )
        self._boot = status.boot

    def _is_ours(self, paired: Paired, re: str) -> bool:
        proof = device_proof(self._invitation.secret, self._parties, re=re, rights=paired.rights)
        return paired.re == re and is_proof(paired.mac, proof)

    def _silence(self, *, is_heard: bool) -> SessionError:
        camera = self._invitation.camera
        if is_heard:
            return SessionError(
                Code.NO_ANSWER.value, f"nobody at {camera} has said yes: begin anew there"
            )
        return SessionError(
            Code.NO_ANSWER.value,
            f"{camera} does not answer to this invitation: it was used, taken back, or is too old; "
            "have a new one made with 'mqcam-device pair'",
        )

    @property
    def _parties(self) -> Parties:
        return Parties(
            namespace=self._account.namespace,
            device=self._invitation.camera,
            device_key=self._invitation.key,
            viewer=self._account.name,
            viewer_key=self._identity.public,
            session=self._session_id,
        )
