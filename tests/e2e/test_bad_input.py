"""Whatever somebody with an account writes to a camera: it is refused, and others go on."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.errors import PublishRefused
from mqcam.trust.keys import SigningKey
from support.agent import SMALL, RunningAgent
from support.stranger import Stranger, good_offer
from support.watching import EVERY, Recorder, gaps, viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.broker import ShippedBroker

OFFERS_IN_A_SECOND = 1000
GROWTH_LIMIT_KIB = 8 * 1024


@pytest.fixture
async def undisturbed(broker: ShippedBroker, camera: RunningAgent) -> AsyncIterator[None]:
    """Watch meanwhile: not a picture may be missing, no task may die, the log stays short."""
    log_before = len(camera.log)
    began_at = time.monotonic()
    async with viewer(broker) as client, client.watch(camera.name, max_waiting=EVERY) as stream:
        recorder = Recorder(stream)
        await recorder.more(10)
        yield
        await recorder.more(10)
        await recorder.stop()
        report = await stream.report()
    log = camera.log[log_before:]
    assert gaps(recorder.numbers) == []
    assert report.reconnects == 0
    assert "Traceback" not in log
    assert log.count("messages refused") <= time.monotonic() - began_at + 1


@pytest.fixture
async def stranger(
    broker: ShippedBroker, camera: RunningAgent, undisturbed: None
) -> AsyncIterator[Stranger]:
    """Come with a viewer's account."""
    async with Stranger(broker, camera=camera.name) as one:
        yield one


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"[1,2,3]",
        b"\xff\xfe\x00",
        b'{"v":1}',
        b'{"v":"1","t":"offer"}',
        b'{"v":1,"t":"dance","n":0}',
        b'{"v":1,"t":"offer","n":"0","nonce":[],"sdp":{}}',
        b'{"v":1,"t":"offer","n":-1,"nonce":"","sdp":"v=0"}',
        b'{"v":1,"t":"answer","n":0,"re":"","sdp":"v=0"}',
        b'{"v":1,"t":"cand","n":1,"ufrag":1,"candidates":"x","end":"no"}',
        b'{"v":1e999,"t":"offer"}',
        b"[" * 5000,
        b"x" * 60_000,
    ],
)
async def test_what_is_no_message_is_dropped(stranger: Stranger, payload: bytes) -> None:
    """As it is, and signed and sealed by somebody who may watch."""
    session = stranger.new_session()
    stranger.publish_raw(session, payload)
    stranger.publish(session, payload)
    await stranger.settle()


async def test_a_body_that_cannot_be_read_is_answered_to_who_may_watch_and_once(
    broker: ShippedBroker, camera: RunningAgent, undisturbed: None
) -> None:
    """Whoever is not authentic hears nothing."""
    async with Stranger(broker, camera=camera.name, name="clumsy") as clumsy:
        silent, told, told_before = (clumsy.new_session() for _ in range(3))
        clumsy.publish_raw(silent, b'{"v":1,"t":"offer"}')
        clumsy.publish(told, b'{"v":1,"t":"offer"}')
        error = await clumsy.reply(told, "error")
        clumsy.publish(told_before, b'{"v":1,"t":"offer"}')
        await clumsy.settle()

        assert error["code"] == "malformed"
        assert clumsy.replies(silent) == clumsy.replies(told_before) == 0


async def test_a_payload_of_a_megabyte_never_reaches_the_camera(
    stranger: Stranger, camera: RunningAgent
) -> None:
    """The sender's own session refuses it: the broker would hang up."""
    with pytest.raises(PublishRefused, match="bytes"):
        await stranger.publish(stranger.new_session(), b"x" * 1_000_000)
    await stranger.settle()


async def test_a_stolen_account_and_grant_are_nothing_without_the_key(
    broker: ShippedBroker, camera: RunningAgent, undisturbed: None
) -> None:
    """The thief hears why, and no more than that."""
    identity = SigningKey.generate()
    async with Stranger(broker, camera=camera.name, name="robbed", identity=identity) as thief:
        session = thief.new_session()
        async with good_offer() as sdp:
            thief.publish(session, thief.offer(sdp))
            error = await thief.reply(session, "error")

        assert error["code"] == "unauthorized"
        assert "key" in error["text"]
        assert thief.replies(session) == 0


async def test_what_was_signed_and_sealed_for_one_session_is_nothing_in_another(
    stranger: Stranger,
) -> None:
    async with good_offer() as sdp:
        meant, moved = stranger.new_session(), stranger.new_session()
        payload = stranger.sealed(meant, stranger.offer(sdp))
        stranger.publish_raw(moved, payload)
        stranger.publish_raw(meant, payload)
        await stranger.reply(meant, "answer")
        stranger.publish(meant, {"v": 1, "t": "bye", "n": 1, "reason": "closed"})
        await stranger.settle()

    assert stranger.replies(moved) == 0


def without(pattern: str) -> Callable[[str], str]:
    """Return a change of an offer that removes all lines which match."""
    return lambda sdp: "".join(
        line for line in sdp.splitlines(keepends=True) if not re.search(pattern, line)
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda _: "garbage", "malformed-sdp"),
        (lambda sdp: sdp.replace("H264", "VP8"), "no-h264"),
        (
            lambda sdp: sdp.replace("packetization-mode=1", "packetization-mode=0"),
            "packetization-mode",
        ),
        (without("rtcp-mux"), "no-rtcp-mux"),
        (without("fingerprint"), "no-fingerprint"),
        (without("ice-ufrag"), "no-ice"),
    ],
)
async def test_an_offer_that_cannot_be_answered_is_explained(
    stranger: Stranger, change: Callable[[str], str], code: str
) -> None:
    async with good_offer() as sdp:
        session = stranger.new_session()
        stranger.publish(session, stranger.offer(change(sdp)))
        error = await stranger.reply(session, "error")

    assert error["code"] == code
    assert len(error["text"]) > 20


async def test_a_retained_offer_is_delivered_once_and_never_again(broker: ShippedBroker) -> None:
    """The stored copy waits for a camera that comes back, which must not take it."""
    with RunningAgent(broker, name="retained", settings=SMALL) as camera:
        async with Stranger(broker, camera=camera.name, name="keeper") as stranger:
            session = stranger.new_session()
            async with good_offer() as sdp:
                stranger.publish(session, stranger.offer(sdp), retain=True)
                await stranger.reply(session, "answer")
            camera.stop()
            camera.start()
            await stranger.meet()
            await stranger.settle()

            assert camera.ask("status")["viewers"] == 0
            assert "Traceback" not in camera.log


async def test_the_same_offer_twice_gets_the_same_answer(stranger: Stranger) -> None:
    async with good_offer() as sdp:
        session = stranger.new_session()
        offer = stranger.offer(sdp)
        stranger.publish(session, offer)
        first = await stranger.reply(session, "answer")
        stranger.publish(session, offer)
        second = await stranger.reply(session, "answer")

    assert (first["sdp"], first["re"]) == (second["sdp"], second["re"])


async def test_candidates_that_come_at_the_wrong_time_or_are_garbage_do_no_harm(
    stranger: Stranger,
) -> None:
    """Before their offer, after the close, malformed, unresolvable: counted and dropped."""
    candidates = [
        "candidate:1 1 udp 1 nowhere.local 9 typ host",
        "garbage",
        "candidate:" + "x" * 99,
    ]
    session = stranger.new_session()
    message = {"v": 1, "t": "cand", "n": 1, "ufrag": "", "candidates": candidates, "end": True}
    stranger.publish(session, message)
    async with good_offer() as sdp:
        stranger.publish(session, stranger.offer(sdp))
        await stranger.reply(session, "answer")
    stranger.publish(session, {**message, "n": 2})
    stranger.publish(session, {"v": 1, "t": "bye", "n": 3, "reason": "closed"})
    stranger.publish(session, {**message, "n": 4})
    await stranger.settle()


async def test_a_flood_of_offers_is_throttled_and_leaves_nothing_behind(
    stranger: Stranger, camera: RunningAgent
) -> None:
    before_kib = resident_kib(camera.pid)
    began_at = time.monotonic()
    async with good_offer() as sdp, asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(flood(stranger, sdp, OFFERS_IN_A_SECOND // 4))
    print(f"{OFFERS_IN_A_SECOND} offers in {time.monotonic() - began_at:.2f} s")  # noqa: T201
    await camera.until(lambda status: status["viewers"] <= 8)

    assert resident_kib(camera.pid) - before_kib < GROWTH_LIMIT_KIB


async def flood(stranger: Stranger, sdp: str, count: int) -> None:
    """Publish offers, each of a session of its own, as fast as they are taken."""
    for _ in range(count):
        await stranger.publish(stranger.new_session(), stranger.offer(sdp))


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    found: Any = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1])
