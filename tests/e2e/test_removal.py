"""Removed or replaced while somebody watches: the viewer learns it, or goes on."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.errors import AccountRefused
from mqcam_viewer.desktop.engine import Engine
from mqcam_viewer.desktop.events import IdentityChanged, Interrupted, Playing
from mqcam_viewer.standing import ACCOUNT_REFUSED, SHUT_OUT
from support.agent import SMALL, RunningAgent
from support.broker import SUCCESS, log_in
from support.watching import LOOPBACK, next_frame, viewer

if TYPE_CHECKING:
    from mqcam_viewer.desktop.events import Event
    from support.broker import ShippedBroker

TIMEOUT_S = 30.0
REVOCATION_S = 1.0
"""Of docs/protocol.md: so soon a device that knows of a revocation has ended the sessions."""
DAY_S = 86_400.0


async def test_a_stream_of_somebody_removed_ends_and_says_why(own_broker: ShippedBroker) -> None:
    with RunningAgent(own_broker, settings=SMALL) as camera:
        async with viewer(own_broker) as client, client.watch(camera.name) as stream:
            await next_frame(stream)
            await asyncio.to_thread(own_broker.command, "remove", "laptop")
            async with asyncio.timeout(TIMEOUT_S):
                end = await stream.ended()
        with pytest.raises(AccountRefused, match="ask its owner"):
            await viewer(own_broker).__aenter__()

    assert (end.code, end.text) == (ACCOUNT_REFUSED, SHUT_OUT)


async def test_a_camera_itself_ends_the_video_of_somebody_revoked_within_a_second(
    own_broker: ShippedBroker,
) -> None:
    """The broker kicks nobody here, the account stays: only the owner's word says it."""
    with RunningAgent(own_broker, settings=SMALL) as camera:
        async with viewer(own_broker) as client, client.watch(camera.name) as stream:
            await next_frame(stream)
            await camera.until(lambda status: status["viewers"] == 1)
            own_broker.declare_revoked("laptop")
            async with asyncio.timeout(TIMEOUT_S):
                end = await stream.ended()
            await camera.until(lambda status: status["viewers"] == 0)
        log = camera.log
    assert end.code == "revoked"
    assert log_in(load_credentials(own_broker.credentials("viewer", "laptop"))) == SUCCESS
    assert "viewer connected" in log
    after_s = (logged_at(log, "viewer gone") - logged_at(log, r"owner's state .*revoked=1")) % DAY_S
    assert after_s < REVOCATION_S


def logged_at(log: str, event: str) -> float:
    """Return the second of its day at which something was logged last."""
    line = re.findall(rf"(\d\d):(\d\d):(\d\d\.\d{{3}}) INFO +{event}", log)[-1]
    hours, minutes, seconds = map(float, line)
    return hours * 3600 + minutes * 60 + seconds


async def test_a_window_goes_on_after_a_camera_was_replaced(own_broker: ShippedBroker) -> None:
    """The owner's word comes first: the old identity counts no more, the new one is not there."""
    events: asyncio.Queue[Event] = asyncio.Queue()

    async def until(kind: type[Event], text: str = "") -> None:
        while not isinstance(event := await events.get(), kind) or text not in repr(event):
            assert not isinstance(event, Interrupted) or not event.is_final

    def tell(event: Event) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    loop = asyncio.get_running_loop()
    engine = Engine(
        load_credentials(own_broker.credentials("viewer", "laptop")),
        ice=LOOPBACK,
        tell=tell,
    )
    engine.start()
    try:
        async with asyncio.timeout(2 * TIMEOUT_S):
            with RunningAgent(own_broker, settings=SMALL) as camera:
                engine.watch(frozenset({camera.name}))
                await until(Playing)
                own_broker.replace(camera.name)
                await until(Interrupted, "revoked-key")
            with RunningAgent(own_broker, settings=SMALL) as camera:
                await until(IdentityChanged)
                await until(Playing)
                camera.stop()
                log = camera.log
    finally:
        assert await asyncio.to_thread(engine.stop, TIMEOUT_S)

    assert "messages refused" not in log


@pytest.mark.parametrize("verb", [("probe", "--seconds", "0", "--live"), ("record",)])
def test_a_command_of_somebody_removed_fails_with_a_sentence(
    own_broker: ShippedBroker, verb: tuple[str, ...]
) -> None:
    credentials = own_broker.credentials("viewer", "laptop")
    with RunningAgent(own_broker, settings=SMALL) as camera:
        command = [sys.executable, "-m", "mqcam_viewer.cli", verb[0], camera.name, *verb[1:]]
        process = subprocess.Popen(
            [*command, "--loopback", "--credentials", str(credentials)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=own_broker.root,
        )
        try:
            asyncio.run(camera.until(lambda status: status["viewers"] == 1))
            own_broker.command("remove", "laptop")
            _, errors = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
            process.wait()

    assert process.returncode == 1
    assert errors.splitlines()[-1] == f"mqcam-viewer: {SHUT_OUT}"
