"""One viewer's way out: units in, encrypted packets out, repeats on request.

It must not know the hub or other viewers. ``send`` never blocks and nothing piles up: a viewer
who cannot take a picture gets none before the next keyframe.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Final

from mqcam.feedback import read_feedback
from mqcam.log import fields

from mqcam_device.sending.layout import RUN_PACKETS
from mqcam_device.sending.pacing import RUN_PACKETS as PACED_PACKETS
from mqcam_device.sending.pacing import Pacer
from mqcam_device.sending.packetiser import PACKET_BYTES
from mqcam_device.sending.repeats import Repeats
from mqcam_device.sending.reports import Reports
from mqcam_device.sending.stream import Piece, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.connection import Connection
    from mqcam.srtp import Scratch

    from mqcam_device.media import AccessUnit
    from mqcam_device.sending.parcels import Parcels

logger = logging.getLogger(__name__)

ROUND_TRIP_S: Final = 0.05
"""What is assumed before the first report."""

RATE_BPS: Final = 1_500_000.0


class MediaEgress:
    """Send units to one viewer; ``parcels`` and ``scratch`` are shared by all viewers."""

    def __init__(
        self,
        connection: Connection,
        *,
        parcels: Parcels,
        scratch: Scratch,
        on_keyframe_wanted: Callable[[], None],
    ) -> None:
        """Prepare; the connection must stand."""
        video = connection.video
        self._media = connection.media
        self._ssrc = video.local_ssrc
        self._parcels = parcels
        self._on_keyframe_wanted = on_keyframe_wanted
        self._way = connection.open_way(self._runs_refused)
        self._stream = Stream(
            video,
            sealer=connection.media.make_sealer(scratch),
            parcels=parcels,
            random_number=secrets.randbits,
            on_run=self._note_run,
        )
        self._ledger = self._stream.ledger
        self._repeats = Repeats(time.monotonic())
        self._pacer: Pacer[Piece] = Pacer()
        self._timer: asyncio.TimerHandle | None = None
        self._reports = Reports(
            connection.media,
            ssrc=video.local_ssrc,
            cname=video.cname,
            clock=parcels.clock,
            counts=lambda: (self._ledger.packets, self._ledger.octets),
        )
        self._is_stopped = False
        self._needs_keyframe = True
        self.dropped = 0

    @property
    def round_trip_s(self) -> float:
        """The round trip to the viewer, 50 ms before the first report."""
        return self._reports.round_trip_s or ROUND_TRIP_S

    async def start(self) -> None:
        """Tell the viewer the time, and listen to it."""
        self._media.add_rtcp_listener(self._see_rtcp)
        await self._reports.start()

    def send(self, unit: AccessUnit) -> bool:
        """Send a unit, False if the viewer cannot take it: then nothing before the next IDR."""
        if self._is_stopped or (self._needs_keyframe and not unit.keyframe):
            self.dropped += 1
            return False
        route = self._way.route()
        if route is None:
            return self._give_up()
        self._stream.use(route)
        self._needs_keyframe = False
        now_ns = time.monotonic_ns()
        now = now_ns / 1e9
        self._reports.note_sent(now)
        parcel = self._parcels.parcel(unit)
        if self._pacer or (unit.keyframe and len(parcel.payloads) > PACED_PACKETS):
            for piece in self._stream.pieces(parcel, now_ns, PACED_PACKETS):
                self._pacer.add(piece, now)
            return self._pace()
        for piece in self._stream.pieces(parcel, now_ns, RUN_PACKETS):
            if not self._stream.send(piece):
                return self._give_up()
        return True

    async def stop(self) -> None:
        """End sending; may be repeated."""
        self._is_stopped = True
        self._forget_waiting()
        await self._reports.stop()
        self._way.close()

    def _pace(self) -> bool:
        """Send what is due and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_ns = time.monotonic_ns()
        for piece in self._pacer.take(now_ns / 1e9):
            if not self._stream.send(piece, restamp_ns=now_ns):
                return self._give_up()
        if self._pacer:
            self._timer = asyncio.get_running_loop().call_at(self._pacer.due_at, self._pace)
        return True

    def _give_up(self) -> bool:
        """Let go of the picture: the way is full, and what waits would only grow old."""
        self._forget_waiting()
        self.dropped += 1
        if not self._needs_keyframe:
            self._needs_keyframe = True
            self._on_keyframe_wanted()
        return False

    def _forget_waiting(self) -> None:
        self._pacer.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _see_rtcp(self, packet: bytes, _arrived_at: float) -> None:
        if self._is_stopped:
            return
        feedback = read_feedback(packet, ssrc=self._ssrc)
        self._reports.take(packet, feedback.blocks)
        if feedback.lost:
            self._repeat(feedback.lost)
        if feedback.is_keyframe_wanted:
            self._on_keyframe_wanted()

    def _repeat(self, lost: list[int]) -> None:
        """Send again what is worth it; a burst of losses gets a keyframe instead."""
        found = {}
        for sequence in lost:
            number = self._ledger.extend(sequence)
            if not self._ledger.is_before_keyframe(number):
                sent = self._ledger.find(number)
                if sent is not None:
                    found[number] = sent
        choice = self._repeats.choose(
            found,
            now=time.monotonic(),
            round_trip_s=self.round_trip_s,
            bitrate_bps=RATE_BPS,
            packet_bytes=PACKET_BYTES,
        )
        if choice.is_keyframe_wanted:
            self._on_keyframe_wanted()
        now_ns = time.monotonic_ns()
        for number in choice.numbers:
            self._stream.send_again(found[number], now_ns)

    def _note_run(self, first: int, count: int, size_bytes: int) -> None:
        del first, count, size_bytes

    def _runs_refused(self, error: OSError) -> None:
        logger.warning(
            "this network takes no runs of packets: sending them one by one",
            extra=fields(error=error.strerror, path="direct or relayed"),
        )
