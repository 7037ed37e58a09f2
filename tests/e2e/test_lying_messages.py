"""A broker that lies about what camera and viewer say to each other, now or earlier.

Each test is one lie; it ends at the viewer in an error that says what is wrong, or it is harmless.
The camera answers nobody whom its owner did not let in.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.errors import SessionError
from mqcam.trust.envelope import signed
from mqcam.trust.keys import SigningKey
from mqcam.trust.signing import Purpose
from support.agent import SMALL, RunningAgent
from support.deceived import (
    OFFER_S,
    SLACK_S,
    STATUS_S,
    answered,
    last_status,
    offers,
    quick,
    refusal_of,
    refused,
    sees,
)
from support.liar import Liar
from support.lies import (
    drop,
    flipped,
    identity_of,
    instead,
    sealed_to,
    status_of,
    statuses,
    to_cameras,
    to_viewers,
)
from support.stranger import good_offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from support.door import Packet
    from support.liar import Lie

MALLORY = SigningKey(b"m" * 32)
NO_ANSWER = "no-answer"
AGAIN = 20


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    with Liar() as running:
        yield running


@pytest.fixture(scope="module")
def broker(liar: Liar) -> Liar:
    """Return the broker of the one camera that all tests of this file share."""
    return liar


@pytest.fixture(autouse=True)
async def _guests_leave(liar: Liar) -> AsyncIterator[None]:
    async with liar.guests_leave():
        yield


# what viewers say


def forged_offer(liar: Liar, camera: RunningAgent, sdp: str) -> Callable[[Packet], bytes]:
    """Write an offer in the viewer's name, sealed as anybody can, with a key of the broker's."""

    def forge(packet: Packet) -> bytes:
        status = last_status(liar, camera)
        nonce = status_of(status)["nonce"]
        offer = {"v": 1, "t": "offer", "n": 0, "nonce": nonce, "sdp": sdp}
        return sealed_to(status, packet.topic, offer, MALLORY)

    return forge


async def test_a_forged_offer_is_not_answered(liar: Liar, camera: RunningAgent) -> None:
    before = answered(liar, camera)
    async with good_offer() as sdp:
        lie = to_cameras(instead(payload=forged_offer(liar, camera, sdp)))
        refusal = await refusal_of(liar, camera, lie, within_s=OFFER_S)
    assert refusal.code == NO_ANSWER
    assert "did not answer" in refusal.text
    assert len(answered(liar, camera) - before) == 1, "more than the true one at the end"


def signed_by_the_viewer(liar: Liar) -> Callable[[Packet], bytes]:
    """Lay an offer open that the viewer itself would have signed."""
    credentials = load_credentials(liar.credentials("viewer", "laptop"))
    key = SigningKey.parse(credentials.identity or "")
    body = b'{"v":1,"t":"offer","n":0,"nonce":"","sdp":"v=0"}'
    return lambda packet: signed(key, Purpose.MESSAGE, packet.topic, body)


@pytest.mark.parametrize("change", ["one bit", "plain", "signed instead of sealed", "nothing"])
async def test_a_changed_offer_is_not_answered(
    liar: Liar, camera: RunningAgent, change: str
) -> None:
    payload = {
        "one bit": flipped,
        "plain": lambda _: b'{"v":1,"t":"offer","n":0,"nonce":"","sdp":"v=0"}',
        "signed instead of sealed": signed_by_the_viewer(liar),
        "nothing": lambda _: b"",
    }[change]
    before = answered(liar, camera)
    lie = to_cameras(instead(payload=payload))
    refusal = await refusal_of(liar, camera, lie, within_s=OFFER_S)
    assert refusal.code == NO_ANSWER
    assert len(answered(liar, camera) - before) == 1


async def test_an_offer_that_never_arrives_ends_in_time(liar: Liar, camera: RunningAgent) -> None:
    refusal = await refusal_of(liar, camera, to_cameras(drop), within_s=OFFER_S)
    assert refusal.code == NO_ANSWER


MOVES = {
    "to another session": "mqcam/v1/d/{camera}/in/laptop/AAAAAAAAAAAAAAAAAAAAAA",
    "to another viewer": "mqcam/v1/d/{camera}/in/phone/{session}",
    "to another camera": "mqcam/v1/d/shed/in/laptop/{session}",
    "to another namespace": "other/v1/d/{camera}/in/laptop/{session}",
    "to a status": "mqcam/v1/d/{camera}/status",
    "back to the viewer": "mqcam/v1/v/laptop/in/{camera}/{session}",
}


@pytest.mark.parametrize("topic", MOVES.values(), ids=MOVES)
async def test_an_offer_that_was_moved_is_not_answered(
    liar: Liar, camera: RunningAgent, topic: str
) -> None:
    def move(packet: Packet) -> Iterable[Packet]:
        session = packet.topic.rpartition("/")[2]
        moved = topic.format(camera=camera.name, session=session)
        return (dataclasses.replace(packet, topic=moved),)

    before = answered(liar, camera)
    refusal = await refusal_of(liar, camera, to_cameras(move), within_s=OFFER_S)
    assert refusal.code == NO_ANSWER
    assert len(answered(liar, camera) - before) == 1


# what the camera says


@pytest.mark.parametrize("change", ["one bit", "plain", "signed instead of sealed", "nothing"])
async def test_a_changed_answer_is_not_believed(
    liar: Liar, camera: RunningAgent, change: str
) -> None:
    body = b'{"v":1,"t":"answer","n":0,"re":"' + b"A" * 43 + b'","sdp":"v=0"}'
    key = identity_of(liar, camera.name)
    payload: Callable[[Packet], bytes] = {
        "one bit": flipped,
        "plain": lambda _: body,
        "signed instead of sealed": lambda packet: signed(key, Purpose.MESSAGE, packet.topic, body),
        "nothing": lambda _: b"",
    }[change]
    lie = to_viewers(instead(payload=payload))
    refusal = await refusal_of(liar, camera, lie, within_s=OFFER_S)
    assert refusal.code == NO_ANSWER


async def test_an_answer_that_never_arrives_ends_in_time(liar: Liar, camera: RunningAgent) -> None:
    refusal = await refusal_of(liar, camera, to_viewers(drop), within_s=OFFER_S)
    assert refusal.code == NO_ANSWER


async def test_answers_that_changed_places_are_not_believed(
    liar: Liar, camera: RunningAgent
) -> None:
    """Two sessions of one viewer: what one is told, the other hears."""
    sessions: list[str] = []

    def exchange(packet: Packet) -> Iterable[Packet]:
        place, _, session = packet.topic.rpartition("/")
        if session not in sessions:
            sessions.append(session)
        other = [each for each in sessions if each != session]
        return [dataclasses.replace(packet, topic=f"{place}/{each}") for each in other]

    async with quick(liar) as client:
        lie = to_viewers(exchange)
        refusals = await asyncio.gather(
            *(refused(client, liar, camera, lie, within_s=OFFER_S) for _ in range(2))
        )
    assert [each.code for each in refusals] == [NO_ANSWER, NO_ANSWER]
    assert len(sessions) == 2


# what is harmless


class Reordering:
    """Holds each message back until the next one came, and hands all over twice."""

    def __init__(self) -> None:
        self._held: list[Packet] = []

    def __call__(self, packet: Packet) -> list[Packet]:
        self._held.append(packet)
        if len(self._held) < 2:
            return []
        held, self._held = self._held, []
        return [*reversed(held), *held]


@pytest.mark.parametrize("way", [to_cameras, to_viewers])
async def test_disorder_does_not_keep_anybody_from_watching(
    liar: Liar, camera: RunningAgent, way: Callable[[Lie], Lie]
) -> None:
    with liar.lying(way(Reordering())):
        async with quick(liar) as client:
            await sees(client, camera)


async def test_copies_in_wrong_places_do_not_keep_anybody_from_watching(
    liar: Liar, camera: RunningAgent
) -> None:
    def scatter(packet: Packet) -> list[Packet]:
        wrong = ("/laptop/", "/phone/"), ("mqcam/", "other/"), ("/d/", "/v/"), ("/in/", "/out/")
        copies = [dataclasses.replace(packet, topic=packet.topic.replace(*two)) for two in wrong]
        return [*copies, packet, *copies, dataclasses.replace(packet, retained=True)]

    with liar.lying(scatter):
        async with quick(liar) as client:
            await sees(client, camera)


# what was said earlier


async def test_an_offer_is_good_once(liar: Liar, camera: RunningAgent) -> None:
    """Said again after its session, it makes no new one."""
    liar.delivered.clear()
    async with quick(liar) as client:
        await sees(client, camera)
    old, before = offers(liar, camera), answered(liar, camera)
    liar.written.clear()
    for packet in old * AGAIN:
        liar.deliver(packet)
    async with quick(liar) as client:
        await sees(client, camera)
    assert len(answered(liar, camera)) == 1
    assert not answered(liar, camera) & before


async def test_what_was_said_before_a_start_is_worth_nothing_after_it(liar: Liar) -> None:
    """Old offers to a camera, and its old status to a viewer."""
    with RunningAgent(liar, name="garage", settings=SMALL) as camera:
        async with quick(liar) as client:
            await sees(client, camera)
            old_offers, old_status = offers(liar, camera), last_status(liar, camera)
            camera.stop()
            camera.start()
            last_status(liar, camera, after=old_status)
            liar.written.clear()
            for packet in old_offers:
                liar.deliver(packet)

            def from_before(packet: Packet) -> list[Packet]:
                return [dataclasses.replace(packet, payload=old_status.payload)]

            lie = statuses(from_before, but=camera.name)
            refusal = await refused(client, liar, camera, lie, within_s=OFFER_S)
            assert answered(liar, camera) == set()
            await sees(client, camera)
    assert refusal.code == NO_ANSWER


async def test_an_old_status_before_the_true_one_is_harmless(liar: Liar) -> None:
    with restarted(liar) as (camera, old):

        def both(packet: Packet) -> list[Packet]:
            return [dataclasses.replace(packet, payload=old.payload), packet]

        with liar.lying(statuses(both, but=camera.name)):
            async with quick(liar) as client:
                await sees(client, camera)


async def test_an_old_status_instead_of_the_true_one_does_not_fool_a_viewer_for_long(
    liar: Liar,
) -> None:
    """Nobody answers for it; the next try is for the one that was there before the lie."""
    with restarted(liar) as (camera, old):
        lie = statuses(instead(payload=lambda _: old.payload), but=camera.name)
        async with quick(liar) as client:
            await client.cameras()
            refusal = await refused(client, liar, camera, lie, within_s=OFFER_S)
            with liar.lying(lie):
                await sees(client, camera)
    assert refusal.code == NO_ANSWER


@contextlib.contextmanager
def restarted(liar: Liar) -> Iterator[tuple[RunningAgent, Packet]]:
    """Yield a camera that was started again, and its status from before."""
    with RunningAgent(liar, name="cellar", settings=SMALL) as camera:
        old = last_status(liar, camera)
        camera.stop()
        camera.start()
        last_status(liar, camera, after=old)
        yield camera, old


async def test_a_dead_camera_that_is_kept_online_does_not_answer(liar: Liar) -> None:
    with RunningAgent(liar, name="attic", settings=SMALL) as camera:
        status = last_status(liar, camera)
        camera.kill()

        def alive(packet: Packet) -> list[Packet]:
            return [dataclasses.replace(packet, payload=status.payload)]

        with liar.lying(statuses(alive, but=camera.name)):
            async with quick(liar) as client, asyncio.timeout(OFFER_S + SLACK_S):
                with pytest.raises(SessionError) as refusal:
                    async with client.watch(camera.name):
                        pass
        camera.start()
        async with quick(liar) as client:
            await sees(client, camera)
    assert refusal.value.code == NO_ANSWER
    assert "did not answer, though its last status says online" in refusal.value.text


async def test_silence_about_every_camera_ends_in_time(liar: Liar, camera: RunningAgent) -> None:
    lie = statuses(drop, but=camera.name)
    refusal = await refusal_of(liar, camera, lie, within_s=STATUS_S)
    assert refusal.code == "unknown-camera"
