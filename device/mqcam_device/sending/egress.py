"""One viewer's way out: units in, encrypted packets out, repeats on request.

It must not know the hub or other viewers. ``send`` never blocks and nothing piles up: a viewer
who cannot take a picture gets none before the next keyframe.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Final, Protocol

from mqcam.errors import LocalProtocolError
from mqcam.feedback import read_feedback
from mqcam.log import fields

from mqcam_device.sending.layout import RUN_PACKETS
from mqcam_device.sending.pacing import PACED_PACKETS, Pacer
from mqcam_device.sending.packetiser import PACKET_BYTES
from mqcam_device.sending.repeats import Repeats
from mqcam_device.sending.reports import Reports
from mqcam_device.sending.stream import Piece, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.arrivals import Arrivals
    from mqcam.connection import Connection
    from mqcam.feedback import Feedback, ReportBlock
    from mqcam.srtp import Scratch
    from mqcam.steadyclock import SteadyClock

    from mqcam_device.media import AccessUnit
    from mqcam_device.sending.parcels import Parcels
    from mqcam_device.sending.pulse import Pulse

logger = logging.getLogger(__name__)

ROUND_TRIP_S: Final = 0.05
"""What is assumed before the first report."""

UNHEARD_PACKETS: Final = 2**14
"""Whoever misses 2**15 packets in a row takes the next one for an old one (RFC 3711 section 3.3.1),
for ever: nothing is sent beyond half of that to a viewer from whom nothing is heard."""

LOSSY: Final = 0.005
LOSSY_S: Final = 30.0
LOSSY_PLAYOUT_MS: Final = 400
"""A viewer whose path lost so much within so long may hold pictures back, for repeats to come in
time; any other shows each at once (docs/decisions/sending.md)."""


class PathJudge(Protocol):
    """Who judges the way to the viewer from what was sent and what is said of it."""

    @property
    def loss(self) -> float:
        """The part of its packets that were lost lately."""
        ...

    def sent_run(self, first_sequence: int, count: int, size_bytes_each: int, now: float) -> None:
        """Take packets that leave together, by their transport-wide numbers."""
        ...

    def take_arrivals(self, arrivals: Arrivals, now: float) -> None:
        """Take a transport-wide feedback."""
        ...

    def take_block(self, block: ReportBlock, round_trip_s: float | None, now: float) -> None:
        """Take a report block."""
        ...

    def take_remb(self, remb_bps: int, now: float) -> None:
        """Take a receiver's own estimate."""
        ...


class MediaEgress:
    """Send units to one viewer; all viewers share ``parcels``, ``scratch`` and both clocks.

    ``bitrate_bps`` tells what its pictures are encoded for, ``rotation`` how far a viewer turns
    them clockwise, in degrees; ``on_keyframe_wanted`` gets the round trip in seconds,
    ``on_runs_refused`` why the way takes single packets only.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        parcels: Parcels,
        scratch: Scratch,
        pulse: Pulse,
        report_clock: SteadyClock,
        path: PathJudge,
        bitrate_bps: Callable[[], int],
        rotation: Callable[[], int] = lambda: 0,
        on_keyframe_wanted: Callable[[float], None],
        on_runs_refused: Callable[[OSError], None] = lambda _error: None,
        on_stopped: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; the connection must stand."""
        video = connection.video
        self._media = connection.media
        self._ssrc = video.local_ssrc
        self._parcels = parcels
        self._path = path
        self._bitrate_bps = bitrate_bps
        self._rotation = rotation
        self._ask_for_keyframe = on_keyframe_wanted
        self._on_stopped = on_stopped
        self._lossy_until = 0.0
        self._way = connection.open_way(on_runs_refused)
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
            report_clock=report_clock,
            counts=lambda: (self._ledger.packets, self._ledger.octets),
            pulse=pulse,
        )
        self._is_stopped = False
        self._needs_keyframe = True
        self._heard_at_packets = 0
        self.dropped = 0

    @property
    def round_trip_s(self) -> float:
        """The round trip to the viewer, 50 ms before the first report."""
        return self._reports.round_trip_s or ROUND_TRIP_S

    @property
    def packets(self) -> tuple[int, int]:
        """The packets that were sent so far, and how many were sent again."""
        return self._ledger.packets, self._stream.repeated

    def start(self) -> None:
        """Tell the viewer the time, and listen to it."""
        self._media.add_rtcp_listener(self._see_rtcp)
        self._reports.start()

    def send(self, unit: AccessUnit) -> bool:
        """Send a unit, False if the viewer cannot take it: then nothing before the next IDR."""
        if self._is_stopped or (self._needs_keyframe and not unit.keyframe):
            self.dropped += 1
            return False
        if self._ledger.packets - self._heard_at_packets > UNHEARD_PACKETS:
            return self._give_up()
        route = self._way.route()
        if route is None:
            return self._give_up()
        self._stream.use(route)
        self._stream.turn(self._rotation())
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

    def stop(self) -> None:
        """End sending; may be repeated."""
        self._is_stopped = True
        self._forget_waiting()
        self._reports.stop()
        self._way.close()
        self._on_stopped()

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
            self._timer = asyncio.get_running_loop().call_at(self._pacer.due_at, self._go_on)
        return True

    def _go_on(self) -> None:
        """Send the rest, from a timer: whoever raises here tells nobody."""
        try:
            self._pace()
        except LocalProtocolError as error:
            logger.warning("a picture was broken off", extra=fields(error=str(error)))
            self._give_up()

    def _give_up(self) -> bool:
        """Let go of the picture: the way is full, and what waits would only grow old."""
        self._forget_waiting()
        self.dropped += 1
        self._needs_keyframe = True
        return False

    def _forget_waiting(self) -> None:
        self._pacer.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _see_rtcp(self, packet: bytes, _arrived_at: float) -> None:
        if self._is_stopped:
            return
        self._heard_at_packets = self._ledger.packets
        feedback = read_feedback(packet, ssrc=self._ssrc)
        self._reports.take(packet, feedback.blocks)
        self._judge_path(feedback)
        if feedback.lost:
            self._repeat(feedback.lost)
        if feedback.is_keyframe_wanted:
            self._ask_for_keyframe(self.round_trip_s)

    def _repeat(self, lost: list[int]) -> None:
        """Send again what is worth it; a burst of losses gets a keyframe instead."""
        found = {}
        for sequence in dict.fromkeys(lost):
            number = self._ledger.extend(sequence)
            if not self._ledger.is_before_keyframe(number):
                sent = self._ledger.find(number)
                if sent is not None:
                    found[number] = sent
        choice = self._repeats.choose(
            found,
            now=time.monotonic(),
            round_trip_s=self.round_trip_s,
            bitrate_bps=self._bitrate_bps(),
            packet_bytes=PACKET_BYTES,
        )
        if choice.is_keyframe_wanted:
            self._ask_for_keyframe(self.round_trip_s)
        now_ns = time.monotonic_ns()
        for number in choice.numbers:
            self._stream.send_again(found[number], now_ns)

    def _judge_path(self, feedback: Feedback) -> None:
        now = time.monotonic()
        for arrivals in feedback.arrivals:
            self._path.take_arrivals(arrivals, now)
        for block in feedback.blocks:
            self._path.take_block(block, self._reports.round_trip_s, now)
        if feedback.remb_bps is not None:
            self._path.take_remb(feedback.remb_bps, now)
        if self._path.loss > LOSSY:
            self._lossy_until = now + LOSSY_S
        self._stream.hold_back((0, LOSSY_PLAYOUT_MS if now < self._lossy_until else 0))

    def _note_run(self, first: int, count: int, size_bytes: int) -> None:
        self._path.sent_run(first, count, size_bytes, time.monotonic())
