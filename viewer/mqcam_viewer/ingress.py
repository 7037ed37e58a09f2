"""A camera's pictures over the stock RTCRtpReceiver: RTP in, encoded units and frames out.

It must not know sessions or who shows the frames. The media engine will replace it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiortc.mediastreams import MediaStreamError
from mqcam.depacketiser import Counts, Depacketiser
from mqcam.remoteclock import RemoteClock
from mqcam.rtcp import (
    ReferenceTime,
    read_reference_delays,
    read_sender_report,
    round_trip_ns,
    write_picture_loss,
    write_reference_time,
)
from mqcam.steadyclock import SteadyClock
from mqcam.stock import make_receiver, receive_parameters

from mqcam_viewer.frames import Frame
from mqcam_viewer.units import KeyframeRequests

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.connection import Connection
    from mqcam.depacketiser import VideoUnit

STOP_LIMIT_S: Final = 1.0
"""The stock receiver waits for a task of its own, which may have died."""

INTERVAL_S: Final = 1.0
"""How often the camera's clock is compared with ours."""

FIRST_INTERVALS_S: Final = (0.02, 0.03, 0.05, 0.1, 0.2, 0.3)
"""The first comparisons follow each other quickly: the smallest round trip counts."""

TEND_S: Final = 0.1
"""How often packets that are overdue, and keyframes that are wanted, are looked after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitWish:
    """That somebody takes encoded units, and how many seconds may lie between two keyframes."""

    keyframe_interval_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What was received so far; ``bitrate_bps`` is that of the RTP since the first packet."""

    rtp_bytes: int
    bitrate_bps: int
    packets_lost: int
    rtt_ms: float | None


class StockIngress:
    """Receive one stream: units go to ``on_unit``, decoded frames to ``on_frame``, in the loop.

    ``on_end`` is called when no more can come although nobody stopped: the camera said so.
    The camera's clock is compared with ours each second, so that each frame knows its age.
    ``on_unit`` also gets the time of capture on the camera's clock. ``wish`` says what those who
    take units need, None when nobody does.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        on_frame: Callable[[Frame], None],
        on_unit: Callable[[VideoUnit, int | None], None] = lambda _unit, _captured_ns: None,
        wish: Callable[[], UnitWish | None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
        is_decoding: bool = True,
    ) -> None:
        self._connection = connection
        self._media = connection.media
        self._on_frame = on_frame
        self._on_end = on_end
        self._on_unit = on_unit
        self._wish = wish
        self.keyframes = KeyframeRequests(time.monotonic())
        video = connection.video
        self._receiver = make_receiver(connection.media, video, is_decoding=is_decoding)
        self._depacketiser = Depacketiser(
            payload_type=video.payload_type,
            rtx_payload_type=video.rtx_payload_type,
            ssrc=video.remote_ssrc,
            rtx_ssrc=video.remote_rtx_ssrc,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._first_rtp_at: float | None = None
        self._clock = RemoteClock()
        self._own_clock = SteadyClock()

    @property
    def counts(self) -> Counts:
        """Return what happened to packets and encoded pictures."""
        return self._depacketiser.counts

    async def start(self) -> None:
        """Begin to receive; may come before the connection stands."""
        self._media.add_rtp_listener(self._see_rtp)
        self._media.add_rtcp_listener(self._see_rtcp)
        await self._receiver.receive(receive_parameters(self._connection.video))
        self._tasks = [
            asyncio.create_task(self._read(), name="decoded frames"),
            asyncio.create_task(self._compare_clocks(), name="clock comparison"),
            asyncio.create_task(self._tend(), name="overdue packets and keyframes"),
        ]

    async def stop(self) -> None:
        """End receiving; may be repeated."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._receiver.stop()

    async def measure(self) -> Reception:
        """Return what was received so far."""
        elapsed_s = time.monotonic() - self._first_rtp_at if self._first_rtp_at else 0.0
        shortest_ns = self._clock.round_trip_ns
        rtp_bytes = self._media.received.rtp_bytes
        return Reception(
            rtp_bytes=rtp_bytes,
            bitrate_bps=round(rtp_bytes * 8 / elapsed_s) if elapsed_s > 0 else 0,
            packets_lost=self.counts.packets_lost,
            rtt_ms=None if shortest_ns is None else round(shortest_ns / 1e6, 2),
        )

    def _see_rtp(self, packet: bytes, arrived_at: float) -> None:
        if self._first_rtp_at is None:
            self._first_rtp_at = arrived_at
        self._hand_on(self._depacketiser.receive(packet, arrived_at))

    def _hand_on(self, units: list[VideoUnit]) -> None:
        for unit in units:
            if unit.keyframe:
                self.keyframes.came(unit.arrived_at)
            self._on_unit(unit, self._clock.camera_ns(unit.rtp_timestamp))

    def _see_rtcp(self, packet: bytes, _arrived_at: float) -> None:
        arrived_ns = time.monotonic_ns()
        report = read_sender_report(packet)
        if report is not None:
            self._clock.add_report(report, arrived_ns=arrived_ns)
        for delay in read_reference_delays(packet):
            round_trip = round_trip_ns(delay, now_ntp=self._own_clock.ntp_at(arrived_ns))
            if delay.ssrc == self._connection.video.local_ssrc and round_trip is not None:
                self._clock.add_round_trip(round_trip, now_ns=arrived_ns)

    async def _compare_clocks(self) -> None:
        """Ask the camera for its time, often at first, then each second, until cancelled."""
        intervals = itertools.chain(FIRST_INTERVALS_S, itertools.repeat(INTERVAL_S))
        for interval_s in intervals:
            await asyncio.sleep(interval_s)
            reference = ReferenceTime(
                ssrc=self._connection.video.local_ssrc,
                ntp=self._own_clock.ntp_at(time.monotonic_ns()),
            )
            # Before the connection stands this sends nothing, which costs nothing.
            await self._media.send(write_reference_time(reference))

    async def _tend(self) -> None:
        """Give up on packets that are overdue and ask for keyframes, until cancelled."""
        while True:
            await asyncio.sleep(TEND_S)
            now = time.monotonic()
            self._hand_on(self._depacketiser.tick(now))
            wish = self._wish()
            if wish is not None and self.keyframes.is_due(
                now,
                is_lost=self._depacketiser.needs_keyframe,
                interval_s=wish.keyframe_interval_s,
            ):
                video = self._connection.video
                await self._media.send(write_picture_loss(video.local_ssrc, video.remote_ssrc or 0))

    async def _read(self) -> None:
        """Move decoded frames on; ends with the track."""
        track: Any = self._receiver.track
        with contextlib.suppress(MediaStreamError):
            while True:
                picture = await track.recv()
                decoded_at = time.monotonic()
                captured_ns = self._clock.captured_ns(picture.pts)
                self._on_frame(
                    Frame(
                        picture=picture,
                        rtp_timestamp=picture.pts,
                        decoded_at=decoded_at,
                        captured_at=None if captured_ns is None else captured_ns / 1e9,
                    )
                )
        self._on_end()
