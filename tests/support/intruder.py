"""A viewer with a good account that is connected as usual and then sends what it likes.

It must not know what a camera should do with it: tests do.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING

from mqcam.connection import Connection
from mqcam.ice import IceSettings
from mqcam.rtcp import ReferenceTime, write_reference_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.stranger import Stranger

CONNECT_TIMEOUT_S = 10.0
RTCP_GENERIC_FEEDBACK, RTCP_PICTURE_FEEDBACK = 205, 206
NACK, PLI = 1, 1


@contextlib.asynccontextmanager
async def intruder(stranger: Stranger) -> AsyncIterator[Connection]:
    """Join the stranger's camera and yield the connection, which nobody reads."""
    connection = Connection(
        role="viewer",
        ice=IceSettings(loopback=True),
        on_candidates=lambda *_: None,
        on_closed=lambda _: None,
    )
    session = stranger.new_session()
    try:
        stranger.publish(session, stranger.offer(await connection.create_offer()))
        answer = await stranger.reply(session, "answer")
        await connection.accept_answer(answer["sdp"])
        await connection.connect(CONNECT_TIMEOUT_S)
        yield connection
    finally:
        stranger.publish(session, {"v": 1, "t": "bye", "n": 9, "reason": "closed"})
        await connection.close()


def picture_loss(connection: Connection) -> bytes:
    """Return a request for a key frame (RFC 4585 section 6.3.1)."""
    return _feedback(connection, RTCP_PICTURE_FEEDBACK, PLI, b"")


def negative_acknowledgement(connection: Connection, packet: int, times: int) -> bytes:
    """Return one packet that misses ``packet`` and its 16 successors ``times`` over."""
    entry = struct.pack("!HH", packet & 0xFFFF, 0xFFFF)
    return _feedback(connection, RTCP_GENERIC_FEEDBACK, NACK, entry * times)


def _feedback(connection: Connection, kind: int, form: int, content: bytes) -> bytes:
    """Return a feedback message about the camera's stream (RFC 4585 section 6.1)."""
    video = connection.video
    length = 2 + len(content) // 4
    head = struct.pack(
        "!BBHII", 0x80 | form, kind, length, video.local_ssrc, video.remote_ssrc or 0
    )
    return head + content


async def flood(connection: Connection, packet: bytes, *, per_s: int, seconds: float) -> int:
    """Send a packet so often for so long; return how many were sent."""
    loop = asyncio.get_running_loop()
    began_at, sent = loop.time(), 0
    while (elapsed_s := loop.time() - began_at) < seconds:
        while sent < elapsed_s * per_s:
            await connection.media.send(packet)
            sent += 1
        await asyncio.sleep(0.001)
    return sent


def sign_of_life(connection: Connection) -> bytes:
    """Return a small report that any viewer may send."""
    return write_reference_time(ReferenceTime(ssrc=connection.video.local_ssrc, ntp=1))
