"""Pairs of connections on 127.0.0.1, for tests."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from mqcam.connection import Connection
from mqcam.ice import IceSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

# Only loopback, so that a machine without any network can run the tests.
LOOPBACK_ONLY = IceSettings(loopback=True, exclude_interfaces=("*",))
CONNECT_TIMEOUT_S = 10.0
EVENT_TIMEOUT_S = 5.0


class Side:
    """One connection and what it reported."""

    def __init__(self, role: str, ice: IceSettings = LOOPBACK_ONLY) -> None:
        self.candidates: list[tuple[tuple[str, ...], bool]] = []
        self.closed: asyncio.Queue[str] = asyncio.Queue()
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.connection = Connection(
            role="camera" if role == "camera" else "viewer",
            ice=ice,
            on_candidates=self._trickled,
            on_closed=self.closed.put_nowait,
        )

    def _trickled(self, candidates: Sequence[str], end: bool) -> None:
        self.candidates.append((tuple(candidates), end))

    async def data_is_open(self) -> None:
        """Wait for the data channel and collect its messages."""
        link = self.connection.data
        assert link is not None
        opened = asyncio.Event()
        link.on_message = self.messages.put_nowait
        link.on_open = opened.set
        if link.is_open:
            opened.set()
        await asyncio.wait_for(opened.wait(), EVENT_TIMEOUT_S)

    async def next_message(self) -> bytes:
        """Return the next message of the data channel."""
        return await asyncio.wait_for(self.messages.get(), EVENT_TIMEOUT_S)

    async def next_close(self) -> str:
        """Return the reason for which the connection was closed."""
        return await asyncio.wait_for(self.closed.get(), EVENT_TIMEOUT_S)


async def negotiate(viewer: Connection, camera: Connection) -> None:
    """Exchange descriptions."""
    answer = await camera.create_answer(await viewer.create_offer())
    await viewer.accept_answer(answer)


async def connect_both(viewer: Connection, camera: Connection) -> None:
    """Connect two sides that have each other's description."""
    async with asyncio.TaskGroup() as group:
        group.create_task(viewer.connect(CONNECT_TIMEOUT_S))
        group.create_task(camera.connect(CONNECT_TIMEOUT_S))


@contextlib.asynccontextmanager
async def sides(
    viewer_ice: IceSettings = LOOPBACK_ONLY, camera_ice: IceSettings = LOOPBACK_ONLY
) -> AsyncIterator[tuple[Side, Side]]:
    """Make a viewer and a camera and close them at the end."""
    viewer, camera = Side("viewer", viewer_ice), Side("camera", camera_ice)
    try:
        yield viewer, camera
    finally:
        await viewer.connection.close()
        await camera.connection.close()


@contextlib.asynccontextmanager
async def connected_sides() -> AsyncIterator[tuple[Side, Side]]:
    """Make a connected viewer and camera and close them at the end."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        await connect_both(viewer.connection, camera.connection)
        yield viewer, camera


def without_lines(description: str, *starts: str) -> str:
    """Remove the lines of a description that start with one of ``starts``."""
    return "".join(
        f"{line}\r\n" for line in description.splitlines() if not line.startswith(starts)
    )


def lines_of(description: str, start: str) -> list[str]:
    """Return the lines of a description that start with ``start``."""
    return [line for line in description.splitlines() if line.startswith(start)]
