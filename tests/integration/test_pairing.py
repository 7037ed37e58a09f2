"""A viewer's side of pairing at a real broker, with cameras that are not what they seem."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials
from mqcam.driver import Driver, outgoing
from mqcam.errors import BrokerUnreachable, SessionError, UsageError
from mqcam.mqtt import MqttSession, Subscription
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.device import DeviceEndpoint
from mqcam.protocol.effects import Effect, PairRequested
from mqcam.protocol.messages import Paired
from mqcam.protocol.topics import Namespace
from mqcam.trust.envelope import DeviceEnvelope
from mqcam.trust.keys import SigningKey, fingerprint
from mqcam.trust.pairing import PairingDesk, Reply
from mqcam.uri import Invitation
from mqcam_viewer.pairing import Pairing, PairingTimings
from support.mosquitto import mosquitto, running_mosquitto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from support.mosquitto import Mosquitto

SECRET = bytes(range(16))
DEADLINE_S = 10.0
HASTY = PairingTimings(
    connect_s=5.0,
    status_s=0.5,
    repeats_s=(0.1, 0.3),
    first_word_s=0.6,
    ask_again_s=0.2,
    silence_s=0.6,
)


class Camera:
    """A device's endpoint and desk at a broker; a person there does as ``decide`` says."""

    def __init__(
        self,
        broker: Mosquitto,
        *,
        identity: SigningKey | None = None,
        decide: Callable[[Camera], None] = lambda camera: camera.say_yes(),
    ) -> None:
        self.identity = identity or SigningKey.generate()
        self.url = broker.url
        self.desk = PairingDesk(namespace="mqcam", device="front", key=self.identity.public)
        self.requests = 0
        self.last: PairRequested | None = None
        self.deaf_for = 0
        """Requests whose replies get lost."""
        self._decide = decide
        envelope = DeviceEnvelope(self.identity, "mqcam")
        self.endpoint = DeviceEndpoint(
            namespace="mqcam",
            name="front",
            boot=secrets.token_urlsafe(16),
            envelope=envelope,
            deadlines=Deadlines(),
            max_viewers=1,
            random_bytes=secrets.token_bytes,
            authorize=lambda *_: frozenset(),
            key=self.identity.public,
            seal_key=envelope.seal_key,
        )
        self.driver = Driver(self.endpoint, handle=self._handle)

    def open(self) -> Camera:
        """Open the window."""
        self.desk.open(SECRET, ("view",), time.monotonic())
        return self

    def invitation(self, **changed: object) -> Invitation:
        way = Credentials(kind="viewer", name="front", broker=(self.url,))
        whole = Invitation(key=self.identity.public, secret=SECRET, way=way)
        return replace(whole, **changed)  # type: ignore[arg-type]

    def say_yes(self) -> None:
        now = time.monotonic()
        for each in self.desk.waiting(now):
            self.send(self.desk.accept(each.number, now))

    def say_no(self) -> None:
        now = time.monotonic()
        for each in self.desk.waiting(now):
            self.send(self.desk.decline(each.number, now))

    def send(self, replies: Sequence[Reply]) -> None:
        if self.requests <= self.deaf_for:
            return
        for each in replies:
            self.driver.apply(self.endpoint.reply_to_pair(each.key, each.seal_key, each.message))

    def _handle(self, effect: Effect) -> None:
        assert isinstance(effect, PairRequested)
        self.requests += 1
        self.last = effect
        reply = self.desk.request(effect, time.monotonic())
        self.send([] if reply is None else [reply])
        self._decide(self)

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[Camera]:
        topics = Namespace("mqcam")
        account = self.invitation().way
        session = MqttSession(
            account.broker_settings(),
            client_id=f"front-{secrets.token_hex(8)}",
            receive=self.driver.receive,
            clean_start=True,
            session_expiry_s=0,
            subscriptions=(Subscription(topic=topics.device_filter("front")),),
            birth=lambda: [outgoing(self.endpoint.birth())],
        )
        self.driver.bind(session)
        running = asyncio.create_task(session.run(), name="camera")
        try:
            await session.wait_connected(DEADLINE_S)
            yield self
        finally:
            self.driver.close()
            await session.stop()
            await running


def visitor(
    invitation: Invitation, *, told: list[str] | None = None, timings: PairingTimings = HASTY
) -> Pairing:
    identity = SigningKey.generate()
    account = replace(invitation.way, name="laptop", identity=identity.secret_text())
    return Pairing(
        invitation,
        account,
        identity,
        tell=(told if told is not None else []).append,
        timings=timings,
    )


async def refusal(pairing: Pairing) -> SessionError:
    """Return why it did not come to a pairing."""
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(SessionError) as caught:
            await pairing.run()
    return caught.value


async def test_a_yes_is_believed_and_the_fingerprint_was_told() -> None:
    told: list[str] = []
    async with running_mosquitto() as broker, Camera(broker).open().online() as camera:
        paired = await visitor(camera.invitation(), told=told).run()
    assert isinstance(paired, Paired)
    assert paired.rights == ("view",)
    assert "Compare it" in told[0]
    assert "must say yes" in told[1]


async def test_lost_replies_are_asked_for_again() -> None:
    async with running_mosquitto() as broker, Camera(broker).open().online() as camera:
        camera.deaf_for = 2
        paired = await visitor(camera.invitation()).run()
    assert paired.rights == ("view",)


async def test_a_person_may_think_for_longer_than_the_first_words_deadline() -> None:
    """The viewer asks again meanwhile, and its place stays its own."""

    def decide(camera: Camera) -> None:
        if camera.requests >= 6:
            camera.say_yes()

    async with (
        running_mosquitto() as broker,
        Camera(broker, decide=decide).open().online() as camera,
    ):
        paired = await visitor(camera.invitation()).run()
    assert paired.rights == ("view",)


async def test_a_no_is_told() -> None:
    async with (
        running_mosquitto() as broker,
        Camera(broker, decide=Camera.say_no).open().online() as camera,
    ):
        error = await refusal(visitor(camera.invitation()))
    assert (error.code, error.text) == ("pairing-declined", "somebody at the camera said no")


async def test_a_wrong_secret_and_a_closed_window_look_the_same() -> None:
    async with running_mosquitto() as broker, Camera(broker).open().online() as camera:
        wrong = await refusal(visitor(camera.invitation(secret=bytes(16))))
        camera.desk.close()
        closed = await refusal(visitor(camera.invitation()))
    assert wrong.code == closed.code == "no-answer"
    assert wrong.text == closed.text
    assert "have a new one made" in wrong.text


async def test_somebody_else_under_the_cameras_name_is_not_asked() -> None:
    """It may know the secret, even: the invitation names the key."""
    genuine = SigningKey.generate()
    async with running_mosquitto() as broker, Camera(broker).open().online() as impostor:
        error = await refusal(visitor(impostor.invitation(key=genuine.public)))
        assert impostor.requests == 0
    assert error.code == "changed-key"
    assert fingerprint(genuine.public) in error.text
    assert fingerprint(impostor.identity.public) in error.text


async def test_a_yes_without_a_proof_is_not_believed() -> None:
    """The camera has the right key, and has lost the secret; or the rights were changed."""

    def decide(camera: Camera) -> None:
        asked = camera.last
        assert asked is not None
        forged = Paired(re=asked.re, mac=asked.pair.mac, rights=("view", "control"))
        camera.send([Reply(key=asked.key, seal_key=asked.seal_key, message=forged)])

    async with (
        running_mosquitto() as broker,
        Camera(broker, decide=decide).open().online() as camera,
    ):
        error = await refusal(visitor(camera.invitation(), timings=replace(HASTY, window_s=1.0)))
    assert error.code == "no-answer"


async def test_a_camera_that_is_not_there_is_said() -> None:
    async with running_mosquitto() as broker:
        error = await refusal(visitor(Camera(broker).invitation()))
    assert error.code == "unknown-camera"
    assert "is it running?" in error.text


async def test_a_camera_that_said_good_bye_is_said() -> None:
    async with running_mosquitto() as broker:
        camera = Camera(broker)
        camera.endpoint.stop(time.monotonic())
        async with camera.online():
            error = await refusal(visitor(camera.invitation()))
    assert error.code == "offline"


async def test_a_camera_that_restarts_meanwhile_has_forgotten_the_invitation() -> None:
    identity = SigningKey.generate()
    waits = asyncio.Event()
    async with running_mosquitto() as broker:
        before = Camera(broker, identity=identity, decide=lambda _: waits.set())
        asking = asyncio.create_task(
            refusal(visitor(before.invitation(), timings=replace(HASTY, silence_s=5.0)))
        )
        async with before.open().online(), asyncio.timeout(DEADLINE_S):
            await waits.wait()
        async with Camera(broker, identity=identity).online():
            error = await asking
    assert error.code == "restarted"


async def test_a_camera_that_falls_silent_is_given_up() -> None:
    waits = asyncio.Event()
    async with running_mosquitto() as broker:
        camera = Camera(broker, decide=lambda _: waits.set())
        asking = asyncio.create_task(refusal(visitor(camera.invitation())))
        async with camera.open().online(), asyncio.timeout(DEADLINE_S):
            await waits.wait()
        error = await asking
    assert error.code == "no-answer"
    assert "begin anew" in error.text


async def test_a_broker_that_wants_an_account_is_said_with_the_way_to_one() -> None:
    async with mosquitto("password_file {folder}/users", anonymous=False) as broker:
        broker.file("users", "")
        await broker.start()
        with pytest.raises(UsageError, match="--share-account"):
            await visitor(Camera(broker).invitation()).run()


async def test_a_broker_that_is_not_there_is_said() -> None:
    async with mosquitto() as broker:
        with pytest.raises(BrokerUnreachable):
            await visitor(Camera(broker).invitation(), timings=replace(HASTY, connect_s=0.3)).run()
