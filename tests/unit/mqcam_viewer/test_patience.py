from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Self, cast

import pytest
from mqcam_viewer.patience import reached

if TYPE_CHECKING:
    from mqcam_viewer.client import Client


class Screen(io.StringIO):
    """A terminal, or a file, that tells when something was written."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        super().__init__()
        self.is_terminal = is_terminal
        self.flushed = asyncio.Event()

    def isatty(self) -> bool:
        return self.is_terminal

    def flush(self) -> None:
        self.flushed.set()


class Slow:
    """A client that reaches its broker after something happened."""

    brokers = ("mqtts://nas.local:8883",)

    def __init__(self, after: asyncio.Event | None = None) -> None:
        self.after = after

    async def __aenter__(self) -> Self:
        if self.after is not None:
            async with asyncio.timeout(5):
                await self.after.wait()
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass


async def test_a_broker_that_does_not_answer_is_said_to_be_tried() -> None:
    screen = Screen()
    slow = cast("Client", Slow(after=screen.flushed))
    async with reached(slow, to=screen, still_s=0.01):
        pass

    assert "still trying to reach the broker at mqtts://nas.local:8883" in screen.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
async def test_nothing_is_said_once_the_broker_is_reached(is_terminal: bool) -> None:
    screen = Screen(is_terminal=is_terminal)
    async with reached(cast("Client", Slow()), to=screen, still_s=0.0):
        await asyncio.sleep(0.01)

    assert screen.getvalue() == ""
