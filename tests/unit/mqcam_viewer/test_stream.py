from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from mqcam.errors import SessionError
from mqcam_viewer.stream import Running

if TYPE_CHECKING:
    from mqcam_viewer.session import Session


class Slow:
    """A session whose clean-up takes some turns of the loop."""

    def __init__(self) -> None:
        self.is_ending = False
        self.is_released = False
        self.over = asyncio.Event()

    async def run(self) -> SessionError:
        """Wait for the end, then release what is held."""
        try:
            await self.over.wait()
            return SessionError("replaced", "a newer session took this one over")
        finally:
            self.is_ending = True
            for _ in range(5):
                await asyncio.sleep(0)
            self.is_released = True


def start(session: Slow) -> Running:
    """Run a session as a stream does."""
    return Running(cast("Session", session), asyncio.create_task(session.run(), name="session"))


async def test_a_session_that_is_ending_is_not_interrupted_again() -> None:
    """What it has not released by then would stay open for ever."""
    session = Slow()
    running = start(session)
    session.over.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert session.is_ending
    await running.stop()

    assert session.is_released


async def test_a_session_is_stopped_once_however_often_it_is_asked() -> None:
    session = Slow()
    running = start(session)
    await asyncio.sleep(0)
    first = asyncio.create_task(running.stop())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await running.stop()
    await first

    assert session.is_released
