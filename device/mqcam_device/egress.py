"""One viewer's way out over the stock RTCRtpSender: encoded units in, RTP out.

It must not know the hub or other viewers. The media engine will replace it behind ``send``.
"""

from __future__ import annotations

import asyncio
import contextlib
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from mqcam.stock import make_sender, send_parameters

from mqcam_device.reports import Reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.connection import Connection

    from mqcam_device.media import AccessUnit

MAX_UNITS: Final = 64
"""Units that may wait while the sender is held up; past it all are dropped up to the next IDR."""

STOP_LIMIT_S: Final = 1.0
"""The stock sender waits for tasks of its own, which may have died."""

CAPTURE_CLOCK: Final = Fraction(1, 1_000_000)


class UnitTrack(MediaStreamTrack):
    """What the stock sender reads: units as packets, with their capture time as timestamp."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._units: asyncio.Queue[AccessUnit | None] = asyncio.Queue()
        self.latest: AccessUnit | None = None

    def put(self, unit: AccessUnit) -> bool:
        """Queue a unit; False when ``MAX_UNITS`` wait already."""
        if self._units.qsize() >= MAX_UNITS:
            return False
        self._units.put_nowait(unit)
        return True

    def clear(self) -> int:
        """Forget what waits; returns how many units that was."""
        count = self._units.qsize()
        while not self._units.empty():
            self._units.get_nowait()
        return count

    def end(self) -> None:
        """Let the reader end."""
        self.clear()
        self._units.put_nowait(None)

    async def recv(self) -> av.Packet[Any]:
        """Return the next unit, however long that takes; raises MediaStreamError after the end."""
        unit = await self._units.get()
        if unit is None:
            raise MediaStreamError
        self.latest = unit
        packet: av.Packet[Any] = av.Packet(unit.data)
        packet.pts = unit.captured_ns // 1000
        packet.time_base = CAPTURE_CLOCK
        return packet


class StockEgress:
    """Send units to one viewer; never blocks, never queues more than ``MAX_UNITS``."""

    def __init__(self, connection: Connection, *, on_keyframe_wanted: Callable[[], None]) -> None:
        self._connection = connection
        self._on_keyframe_wanted = on_keyframe_wanted
        self._track = UnitTrack()
        self._sender = make_sender(
            self._track, connection.media, connection.video, on_keyframe_wanted
        )
        self._reports = Reports(
            connection.media,
            ssrc=connection.video.local_ssrc,
            captured_ns=lambda: self._track.latest.captured_ns if self._track.latest else None,
        )
        self._needs_keyframe = False
        self.dropped = 0

    async def start(self) -> None:
        """Begin to send what ``send`` gets."""
        self._reports.start()
        await self._sender.send(send_parameters(self._connection.video))

    def send(self, unit: AccessUnit) -> bool:
        """Queue a unit, always; after an overflow nothing is sent before the next IDR."""
        if self._needs_keyframe and not unit.keyframe:
            self.dropped += 1
        elif self._track.put(unit):
            self._needs_keyframe = False
        else:
            self.dropped += self._track.clear() + 1
            self._needs_keyframe = True
            self._on_keyframe_wanted()
        return True

    async def stop(self) -> None:
        """End sending; may be repeated."""
        self._track.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._sender.stop()
        await self._reports.stop()
