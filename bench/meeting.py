"""What trust adds between the offer and its answer: two endpoints in this process, a real broker.

Ours is the programs' own trust, judgements included; beside it the same endpoints with bodies that
pass through. It must not know how figures are shown. No media: the answer is there at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, TypeAlias

import mqcam_device.trust
import mqcam_viewer.trust
from mqcam.credentials import load_credentials
from mqcam.driver import Driver, outgoing
from mqcam.mqtt import MqttSession, Subscription
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.device import DeviceEndpoint
from mqcam.protocol.effects import Answered, Started, StatusChanged
from mqcam.protocol.topics import CLIENT_ID_BYTES, Namespace, new_client_id
from mqcam.protocol.viewer import ViewerEndpoint
from mqcam.testing import PlainEnvelope

from bench.sealing import offer_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from mqcam.credentials import Credentials
    from mqcam.protocol.effects import Effect
    from mqcam.protocol.messages import Offer, Status
    from mqcam.transport import Outgoing

    Ends: TypeAlias = tuple[DeviceEndpoint, ViewerEndpoint]

CONNECT_S = 10.0
ANSWER_S = 5.0
PAUSE_S = 0.06
"""Between two offers, so that no limit of messages per second is reached."""
MEETINGS_PER_RUN = 20
VIEWERS = 1000


async def meetings_ms(
    files: Sequence[tuple[Path, Path]], folder: Path, runs: int
) -> tuple[list[float], list[float]]:
    """Return what each offer waited for its answer, trusted and plain by turns.

    ``files`` are the credentials of a device and a viewer, one pair each; ``folder`` is for what
    the trusted device remembers.
    """
    (device, viewer), (plain_device, plain_viewer) = (
        tuple(map(load_credentials, pair)) for pair in files
    )
    trusted_ms, plain_ms = [], []
    async with (
        _meeting(device, viewer, trusted(device, viewer, folder)) as trusting,
        _meeting(plain_device, plain_viewer, plain(plain_device, plain_viewer)) as passing,
    ):
        for _ in range(runs * MEETINGS_PER_RUN + 1):
            trusted_ms.append(await trusting.once())
            plain_ms.append(await passing.once())
    return trusted_ms[1:], plain_ms[1:]


class Meeting:
    """Both ends and their connections to the broker."""

    def __init__(self, camera: str, ends: Ends) -> None:
        self.device, self.viewer = ends
        self._camera = camera
        self.is_there = asyncio.Event()
        self._answered: asyncio.Future[float] | None = None
        self.device_driver = Driver(self.device, handle=self._obey_device)
        self.viewer_driver = Driver(self.viewer, handle=self._obey_viewer)

    async def once(self) -> float:
        """Return the milliseconds from the decision to offer until the answer is believed."""
        await asyncio.sleep(PAUSE_S)
        answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._answered = answered
        began_at = time.monotonic()
        key, effects = self.viewer.offer(self._camera, sdp=offer_of().sdp, now=began_at)
        self.viewer_driver.apply(effects)
        async with asyncio.timeout(ANSWER_S):
            taken_ms = (await answered - began_at) * 1000
        self.viewer_driver.apply(self.viewer.ended(key, reason="closed", now=time.monotonic()))
        return taken_ms

    def birth(self) -> list[Outgoing]:
        """Return the camera's status."""
        return [outgoing(self.device.birth())]

    def _obey_device(self, effect: Effect) -> None:
        if isinstance(effect, Started):
            now = time.monotonic()
            self.device_driver.apply(self.device.answered(effect.key, sdp=offer_of().sdp, now=now))

    def _obey_viewer(self, effect: Effect) -> None:
        if isinstance(effect, StatusChanged) and effect.status is not None:
            self.is_there.set()
        if isinstance(effect, Answered) and self._answered is not None:
            self._answered.set_result(time.monotonic())


def trusted(device: Credentials, viewer: Credentials, folder: Path) -> Ends:
    """Return both ends as the programs build them."""
    camera = mqcam_device.trust.Trust(device, folder=folder, on_owner_state=_ignore)
    person = mqcam_viewer.trust.Trust(viewer, on_owner_state=_ignore)
    return (
        DeviceEndpoint(
            namespace=device.namespace,
            name=device.name,
            boot=secrets.token_urlsafe(16),
            envelope=camera.envelope,
            deadlines=Deadlines(),
            max_viewers=VIEWERS,
            random_bytes=secrets.token_bytes,
            authorize=camera.authorize,
            key=camera.identity.public,
            seal_key=camera.envelope.seal_key,
            certificate=camera.certificate,
        ),
        ViewerEndpoint(
            namespace=viewer.namespace,
            name=viewer.name,
            envelope=person.envelope,
            deadlines=Deadlines(),
            random_bytes=secrets.token_bytes,
            vouch=person.vouch,
            grant=person.grant,
            highest_version=person.highest_version,
        ),
    )


def plain(device: Credentials, viewer: Credentials) -> Ends:
    """Return both ends with bodies that pass through and nobody who judges."""

    def let_in(_viewer: str, _key: str, _offer: Offer) -> frozenset[str]:
        return frozenset({"view"})

    def believe(_device: str, _key: str, _status: Status) -> None:
        return None

    return (
        DeviceEndpoint(
            namespace=device.namespace,
            name=device.name,
            boot=secrets.token_urlsafe(16),
            envelope=PlainEnvelope(device.namespace),
            deadlines=Deadlines(),
            max_viewers=VIEWERS,
            random_bytes=secrets.token_bytes,
            authorize=let_in,
            key=device.name,
        ),
        ViewerEndpoint(
            namespace=viewer.namespace,
            name=viewer.name,
            envelope=PlainEnvelope(viewer.namespace),
            deadlines=Deadlines(),
            random_bytes=secrets.token_bytes,
            vouch=believe,
        ),
    )


@contextlib.asynccontextmanager
async def _meeting(device: Credentials, viewer: Credentials, ends: Ends) -> AsyncIterator[Meeting]:
    topics = Namespace(device.namespace)
    meeting = Meeting(device.name, ends)
    mailbox = topics.device_filter(device.name)
    letters = (topics.viewer_filter(viewer.name), topics.status(device.name))
    async with (
        _connected(device, meeting.device_driver, (mailbox,), meeting.birth),
        _connected(viewer, meeting.viewer_driver, letters, tuple),
    ):
        meeting.device_driver.apply(meeting.device.start(time.monotonic()))
        async with asyncio.timeout(CONNECT_S):
            await meeting.is_there.wait()
        yield meeting


@contextlib.asynccontextmanager
async def _connected(
    credentials: Credentials,
    driver: Driver,
    filters: Sequence[str],
    birth: Callable[[], Sequence[Outgoing]],
) -> AsyncIterator[None]:
    session = MqttSession(
        credentials.broker_settings(),
        client_id=new_client_id(credentials.name, secrets.token_bytes(CLIENT_ID_BYTES)),
        receive=driver.receive,
        clean_start=True,
        session_expiry_s=0,
        subscriptions=tuple(Subscription(topic=each) for each in filters),
        birth=birth,
    )
    driver.bind(session)
    running = asyncio.create_task(session.run(), name=f"broker session {credentials.name}")
    try:
        await session.wait_connected(CONNECT_S)
        yield
    finally:
        driver.close()
        await session.stop()
        await running


def _ignore(_state: object) -> None:
    """Take no notice of the owner: nobody is revoked here."""
