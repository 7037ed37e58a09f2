"""An agent that passes a network camera on: at once, through its restarts, without its password."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.agent import RunningAgent
from support.clips import encode
from support.polling import until
from support.rtsp_server import RtspServer, Stream, Wishes
from support.watching import next_frame, viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.broker import ShippedBroker

DEADLINE_S = 15.0
CANARY = "canary-4711-secret"


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    """Run a camera with a keyframe every four seconds, 2.8 Mbit/s, that wants an account."""
    wishes = Wishes(account=("jo", CANARY))
    running = RtspServer(Stream(encode(120, noise=True)), wishes)
    yield running
    running.stop()


@pytest.fixture
def agent(broker: ShippedBroker, server: RtspServer, tmp_path: Path) -> Iterator[RunningAgent]:
    password = tmp_path / "password"
    password.write_text(CANARY)
    password.chmod(0o600)
    source = f"kind: rtsp, url: '{server.url}', username: jo, password_file: '{password}'"
    with RunningAgent(broker, name="network", settings=f"source: {{{source}}}\n") as running:
        yield running


async def test_picture_is_there_at_once_and_soon_the_present(
    broker: ShippedBroker, agent: RunningAgent, server: RtspServer
) -> None:
    """Whoever comes in the middle between two keyframes waits for neither."""
    await agent.until(lambda status: status["source"] == "running")
    async with viewer(broker) as client:
        await asyncio.sleep(until_middle(server))
        before = time.monotonic()
        async with client.watch("network") as first:
            await next_frame(first)
            waited_s = [time.monotonic() - before]
            before = time.monotonic()
            async with client.watch("network") as second:
                await next_frame(second)
                waited_s.append(time.monotonic() - before)
                await asyncio.sleep(1.5)
                newest = await next_frame(second)
                present = await next_frame(first)

    assert "capture dropped" not in agent.log
    # Until the next keyframe it were 1.5 s and more.
    assert max(waited_s) < 1.0
    assert newest.captured_at is not None
    assert present.captured_at is not None
    assert abs(newest.captured_at - present.captured_at) < 0.3
    assert time.monotonic() - present.captured_at < 1.0


async def test_viewer_stays_through_the_cameras_restart(
    broker: ShippedBroker, agent: RunningAgent, server: RtspServer
) -> None:
    child = agent.capture_pid()
    async with viewer(broker) as client, client.watch("network") as stream:
        await next_frame(stream)
        server.hang_up()
        await agent.until(lambda status: status["source"] == "stalled")
        await agent.until(lambda status: status["source"] == "running")
        async with asyncio.timeout(DEADLINE_S):
            while (await next_frame(stream)).captured_at is None:
                pass
        assert agent.ask("status")["viewers"] == 1
    assert agent.capture_pid() == child


async def test_wrong_password_is_told_and_none_is_shown(
    agent: RunningAgent, server: RtspServer
) -> None:
    await agent.until(lambda status: status["source"] == "running")
    right = server.wishes.account
    server.wishes.account = ("jo", "another")
    try:
        server.hang_up()
        until(lambda: "it refuses the account" in agent.log, timeout_s=DEADLINE_S)
        shown = [agent.log, str(agent.ask("status"))]
        for pid in (agent.pid, agent.capture_pid()):
            process = Path(f"/proc/{pid}")
            shown += [
                (process / "cmdline").read_bytes().decode(),
                (process / "environ").read_bytes().decode(),
            ]
    finally:
        server.wishes.account = right

    assert CANARY not in "".join(shown)


def until_middle(server: RtspServer) -> float:
    """Return how long it is until the camera is between two keyframes."""
    period_s = len(server.stream.units) / server.stream.fps
    at_s = (time.monotonic() - server.began_at) % period_s
    return (period_s / 2 - at_s) % period_s
