"""A broker that lies while a video runs: not a picture is missing, nobody connects anew."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.trust.documents import read_grant
from mqcam.trust.envelope import signed
from mqcam.trust.keys import SigningKey
from mqcam.trust.ownerstate import OwnerState
from mqcam.trust.signing import Purpose
from support.agent import SMALL, RunningAgent
from support.deceived import last_status
from support.door import Packet
from support.liar import Liar
from support.lies import TOPICS, forged, sealed_to
from support.watching import EVERY, Recorder, gaps, viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.alone

MALLORY = SigningKey(b"m" * 32)
VIEWER = "laptop"
FPS = 30
GONE = b'{"v":1,"t":"gone"}'
SILENCE_AFTER_GONE_S = 3
REPAIR_S = 5
FLOOD_S, FLOOD_PER_S = 3, 500


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    with Liar() as running:
        yield running


@pytest.fixture(scope="module")
def broker(liar: Liar) -> Liar:
    """Return the broker of the one camera that all tests of this file share."""
    return liar


@pytest.fixture
async def video(liar: Liar, camera: RunningAgent) -> AsyncIterator[Recorder]:
    """Watch all the time: every picture comes, over one session."""
    async with liar.guests_leave(), watched(liar, camera) as recorder:
        yield recorder


@contextlib.asynccontextmanager
async def watched(liar: Liar, camera: RunningAgent) -> AsyncIterator[Recorder]:
    log_before = len(camera.log)
    async with (
        viewer(liar, VIEWER) as client,
        client.watch(camera.name, max_waiting=EVERY) as stream,
    ):
        recorder = Recorder(stream)
        await recorder.more(FPS // 2)
        yield recorder
        await recorder.more(FPS)
        await recorder.stop()
        report = await stream.report()
    assert gaps(recorder.numbers) == []
    assert report.reconnects == 0
    assert "Traceback" not in camera.log[log_before:]


async def session_of(video: Recorder) -> str:
    return (await video.stream.report()).session


async def test_nobody_but_the_peers_ends_it(
    liar: Liar, camera: RunningAgent, video: Recorder
) -> None:
    """Neither by a last will, nor by a good-bye that somebody else wrote."""
    session, status = await session_of(video), last_status(liar, camera)
    there = TOPICS.to_device(camera.name, VIEWER, session)
    back = TOPICS.to_viewer(VIEWER, camera.name, session)
    bye = {"v": 1, "t": "bye", "n": 1000, "reason": "closed"}
    body = json.dumps(bye).encode()
    for who, topic in ((camera.name, there), (VIEWER, back)):
        for payload in (
            GONE,
            body,
            signed(MALLORY, Purpose.MESSAGE, topic, body),
            sealed_to(status, topic, bye, MALLORY),
        ):
            assert liar.deliver(Packet(who=who, topic=topic, payload=payload)) == 1
    offline = forged(MALLORY, state="offline")(status)
    for payload in (GONE, offline, b""):
        liar.deliver(dataclasses.replace(status, who=VIEWER, payload=payload))
    await video.more(FPS * (SILENCE_AFTER_GONE_S + 1))


async def test_an_old_good_bye_of_the_camera_does_not_end_it(liar: Liar) -> None:
    """What it truly signed when it was switched off earlier, said again now."""
    with RunningAgent(liar, name="garage", settings=SMALL) as camera:
        camera.stop()
        offline = last_status(liar, camera, state="offline")
        camera.start()
        last_status(liar, camera, after=offline)
        async with liar.guests_leave(), watched(liar, camera) as video:
            liar.deliver(dataclasses.replace(offline, who=VIEWER))
            await video.more(FPS)


async def test_a_flood_disturbs_nobody(liar: Liar, camera: RunningAgent, video: Recorder) -> None:
    """In the viewer's name and in others', to both ends, well formed but for the key."""
    status, session = last_status(liar, camera), await session_of(video)
    flood = [
        Packet(who=VIEWER, topic=TOPICS.to_viewer(VIEWER, camera.name, session), payload=GONE),
        *(dataclasses.replace(status, who=who) for who in (VIEWER, camera.name)),
    ]
    for number in range(40):
        name = VIEWER if number % 4 == 0 else f"viewer-{number}"
        topic = TOPICS.to_device(camera.name, name, f"session-{number}")
        offer = {"v": 1, "t": "offer", "n": 0, "nonce": "", "sdp": "v=0" * 1000}
        payload = sealed_to(status, topic, offer, MALLORY)
        flood.append(Packet(who=camera.name, topic=topic, payload=payload))
        topic = TOPICS.status(f"camera-{number}" if number % 4 else camera.name)
        payload = forged(MALLORY)(dataclasses.replace(status, topic=topic))
        flood.append(Packet(who=VIEWER, topic=topic, payload=payload))
    loop = asyncio.get_running_loop()
    began_at, sent = loop.time(), 0
    while (elapsed_s := loop.time() - began_at) < FLOOD_S:
        while sent < elapsed_s * FLOOD_PER_S:
            liar.deliver(flood[sent % len(flood)])
            sent += 1
        await asyncio.sleep(0.01)
    assert sent >= FLOOD_S * FLOOD_PER_S * 0.9


async def test_its_own_status_changed_before_its_eyes_costs_the_camera_little(
    liar: Liar, camera: RunningAgent, video: Recorder
) -> None:
    """It writes over what it did not say, and lets nobody hurry it."""
    forge, status = forged(MALLORY), last_status(liar, camera)

    def always_wrong(packet: Packet) -> list[Packet]:
        is_own = packet.who == camera.name and packet.topic == TOPICS.status(camera.name)
        return [dataclasses.replace(packet, payload=forge(packet)) if is_own else packet]

    with liar.lying(always_wrong):
        liar.written.clear()
        liar.deliver(dataclasses.replace(status, payload=forge(status)))
        await video.more(FPS * (REPAIR_S + 1))
    assert 1 <= len(liar.written) <= 3


async def test_the_owners_word_is_nobody_elses(
    liar: Liar, camera: RunningAgent, video: Recorder
) -> None:
    """A revocation that the broker made up, and an older word of the owner, are not obeyed."""
    credentials = load_credentials(liar.credentials("viewer", VIEWER))
    grant = read_grant(
        credentials.grant or "", owner=credentials.owner or "", namespace=TOPICS.name
    )
    topic = TOPICS.owner_state()
    made_up = OwnerState(number=1000, revoked=(grant.serial,)).issue(MALLORY, topic)
    old = await word_after_removing(liar, "carol")
    await word_after_removing(liar, "dave")
    for payload, said in ((made_up, "signed by somebody else"), (old, "came after")):
        for who in (camera.name, VIEWER):
            liar.deliver(Packet(who=who, topic=topic, payload=payload, retained=True))
        await camera.until(lambda _, said=said: said in camera.log)  # type: ignore[misc]
        await video.more(2 * FPS)  # what is refused is logged once a second


async def word_after_removing(liar: Liar, name: str) -> bytes:
    """Return what the owner says once a viewer is removed."""
    liar.credentials("viewer", name)
    liar.delivered.clear()
    liar.remove(name)

    def words() -> list[bytes]:
        topic = TOPICS.owner_state()
        return [packet.payload for packet in liar.delivered if packet.topic == topic]

    await liar.seen(lambda: len(words()) == 2)
    return words()[0]


async def test_a_broker_that_hangs_up_again_and_again_disturbs_nobody() -> None:
    with Liar() as liar, RunningAgent(liar, settings=SMALL) as camera:
        async with watched(liar, camera) as video:
            for _ in range(2):  # of the third it would think that its client id is used twice
                for who in (camera.name, VIEWER):
                    liar.cut(who)
                await liar.seen(lambda: len(liar.door.guests) == 2, timeout_s=10.0)
                await video.more(FPS)
