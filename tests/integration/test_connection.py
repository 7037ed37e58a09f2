"""Two of our connections on real sockets of 127.0.0.1."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import ConnectFailed, StageTimeout
from support.connections import (
    CONNECT_TIMEOUT_S,
    connect_both,
    connected_sides,
    lines_of,
    negotiate,
    sides,
    without_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_two_sides_connect_and_exchange_data_messages() -> None:
    async with sides() as (viewer, camera):
        began_at = time.monotonic()
        await negotiate(viewer.connection, camera.connection)
        await connect_both(viewer.connection, camera.connection)
        print(f"connected in {(time.monotonic() - began_at) * 1e3:.1f} ms")
        await viewer.data_is_open()
        await camera.data_is_open()
        print(f"data open in {(time.monotonic() - began_at) * 1e3:.1f} ms")
        assert viewer.connection.data is not None
        assert camera.connection.data is not None
        assert viewer.connection.data.send(b"to the camera")
        assert camera.connection.data.send(b"to the viewer")
        assert await camera.next_message() == b"to the camera"
        assert await viewer.next_message() == b"to the viewer"
        pair = viewer.connection.selected_pair()
        assert pair is not None
        assert pair.local[0] == pair.remote[0] == "127.0.0.1"
