"""A camera's pictures from its packets: RTP in, encoded units and frames out.

It must not know sessions or who shows the frames.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.depacketiser import Depacketiser
from mqcam.ordering import PATIENCE_S
from mqcam.payload import read_packet, read_rotation
from mqcam.rtcp import RTP_MASK
from mqcam.sdp import ORIENTATION_URI, RTP_CLOCK_HZ

from mqcam_viewer.decoder import Decoder, DecoderCounts
from mqcam_viewer.frames import Frame
from mqcam_viewer.playout import Playout
from mqcam_viewer.reporting import Reporting
from mqcam_viewer.units import KeyframeRequests

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.connection import Connection
    from mqcam.depacketiser import VideoUnit
    from mqcam.ordering import Counts

    from mqcam_viewer.decoder import Decoded

KEEPING_PATIENCE_S: Final = 0.5
"""Who only keeps encoded pictures has more time for a retransmission than who shows them."""

TEND_S: Final = 0.1
"""How often it is seen to whether somebody wants a keyframe."""

LONGEST_WAIT_S: Final = 0.008
"""While something is missing it is looked after this often: what came meanwhile may have changed
what is due."""

SHORTEST_WAIT_S: Final = 0.001
HELD_UP_S: Final = 0.004
"""A timer that is this late was held up, and the packets that it waits for may be, too."""

ANSWER_ROUND_TRIPS: Final = 3.0
ANSWER_FLOOR_S: Final = 0.35
"""A keyframe that did not come in so many round trips, and at least this time (a camera makes one
per 0.3 s), is asked for again."""

MAX_HELD: Final = 32
"""Frames that may wait for their time, where a delay is set; past it the oldest is shown early."""


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


class Ingress:
    """Receive one stream: units go to ``on_unit``, decoded frames to ``on_frame``, in the loop.

    ``on_end`` is called when no more can come although nobody stopped: the camera said so.
    The camera's clock is compared with ours each second, so that each frame knows its age.
    ``on_unit`` also gets the time of capture on the camera's clock, whatever is decoded or shown.
    ``wish`` says what those who take units need, None when nobody does.
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
        self._media = connection.media
        self._on_frame = on_frame
        self._on_unit = on_unit
        self._wish = wish
        self._loop = asyncio.get_running_loop()
        self.keyframes = KeyframeRequests(time.monotonic())
        self.playout = Playout(rate_hz=RTP_CLOCK_HZ)
        video = connection.video
        self._depacketiser = Depacketiser(
            payload_type=video.payload_type,
            rtx_payload_type=video.rtx_payload_type,
            ssrc=video.remote_ssrc,
            rtx_ssrc=video.remote_rtx_ssrc,
            patience_s=PATIENCE_S if is_decoding else KEEPING_PATIENCE_S,
        )
        self._orientation_id = video.extensions.get(ORIENTATION_URI)
        self._reporting = Reporting(
            connection.media, video, on_round_trip=self._set_round_trip, on_end=on_end
        )
        self._decoder: Decoder | None = None
        if is_decoding:
            self._decoder = Decoder(
                on_picture=self._show, on_keyframe_wanted=self._ask_for_keyframe
            )
        self._tending: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_put_off = False
        self._held: deque[tuple[float, Frame]] = deque()  # until when, by the loop's clock
        self._first_rtp_at: float | None = None
        self._is_stopped = False

    @property
    def counts(self) -> Counts:
        """Return what happened to packets and encoded pictures."""
        return self._depacketiser.counts

    @property
    def decoder_counts(self) -> DecoderCounts:
        """Return what happened to pictures on their way to be shown."""
        return DecoderCounts() if self._decoder is None else self._decoder.counts

    async def start(self) -> None:
        """Begin to receive; may come before the connection stands."""
        self._media.add_rtp_listener(self._see_rtp)
        self._reporting.start()
        if self._decoder is not None:
            self._decoder.start()
        self._tending = asyncio.create_task(self._tend(), name="keyframes")

    async def stop(self) -> None:
        """End receiving; may be repeated."""
        self._is_stopped = True
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await self._reporting.stop()
        if self._decoder is not None:
            await self._decoder.stop()

    async def measure(self) -> Reception:
        """Return what was received so far."""
        elapsed_s = time.monotonic() - self._first_rtp_at if self._first_rtp_at else 0.0
        shortest_ns = self._reporting.clock.round_trip_ns
        rtp_bytes = self._media.received.rtp_bytes
        return Reception(
            rtp_bytes=rtp_bytes,
            bitrate_bps=round(rtp_bytes * 8 / elapsed_s) if elapsed_s > 0 else 0,
            packets_lost=self.counts.packets_lost,
            rtt_ms=None if shortest_ns is None else round(shortest_ns / 1e6, 2),
        )

    # packets

    def _see_rtp(self, data: bytes, arrived_at: float) -> None:
        if self._is_stopped:
            return
        if self._first_rtp_at is None:
            self._first_rtp_at = arrived_at
        packet = read_packet(data, arrived_at)
        if packet is None:
            self.counts.malformed += 1
            return
        if packet.marker and self._orientation_id is not None:  # the last one says it for all
            packet.rotation = read_rotation(data, self._orientation_id)
        self._reporting.see_rtp(data, packet)
        self._hand_on(self._depacketiser.take(packet))
        self._look_after(arrived_at)

    def _hand_on(self, units: list[VideoUnit]) -> None:
        for unit in units:
            if unit.keyframe:
                self.keyframes.came(unit.arrived_at)
            if self._decoder is not None:
                self._decoder.put(unit)
            self._on_unit(unit, self._reporting.clock.camera_ns(unit.rtp_timestamp))

    def _look_after(self, now: float) -> None:
        """Ask for what is missing, and see to it again when more of it is due."""
        if self._depacketiser.needs_keyframe:
            self._ask_for_keyframe()
        if self._depacketiser.repair:
            self._ask_again(now)
        if self._timer is None and self._depacketiser.is_incomplete:
            self._wait(self._depacketiser.next_at(now), now)

    def _ask_again(self, now: float) -> None:
        numbers = self._depacketiser.requests(now)
        if numbers:
            self._reporting.ask_again(numbers)

    def _wait(self, until: float | None, now: float) -> None:
        if until is not None:
            delay_s = min(max(until - now, SHORTEST_WAIT_S), LONGEST_WAIT_S)
            self._timer_at = now + delay_s
            self._timer = self._loop.call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = time.monotonic()
        if now - self._timer_at > HELD_UP_S and not self._is_put_off:
            self._is_put_off = True
            self._wait(now, now)
            return
        self._is_put_off = False
        self._hand_on(self._depacketiser.tick(now))
        self._ask_again(now)
        self._look_after(now)

    def _set_round_trip(self, round_trip_s: float) -> None:
        self._depacketiser.repair.round_trip_s = round_trip_s

    # keyframes

    async def _tend(self) -> None:
        """Ask for the keyframes that somebody wants, until cancelled."""
        while True:
            await asyncio.sleep(TEND_S)
            self._ask_for_keyframe()

    def _ask_for_keyframe(self) -> None:
        """Ask for a keyframe if one is needed and it is time."""
        wish = self._wish()
        if wish is None and self._decoder is None:
            return
        is_lost = self._depacketiser.needs_keyframe
        if self._decoder is not None and self._depacketiser.counts.units:
            is_lost = is_lost or self._decoder.needs_keyframe
        round_trip_s = self._depacketiser.repair.round_trip_s
        if self.keyframes.is_due(
            time.monotonic(),
            is_lost=is_lost,
            interval_s=None if wish is None else wish.keyframe_interval_s,
            answer_s=max(ANSWER_FLOOR_S, ANSWER_ROUND_TRIPS * round_trip_s),
        ):
            self._reporting.ask_for_keyframe()

    # pictures

    def _show(self, decoded: Decoded) -> None:
        """Hand a picture on when its time has come."""
        show_at = self.playout.show_at(decoded.ticks, decoded.decoded_at)
        if show_at is None or self._is_stopped:
            return
        captured_ns = self._reporting.clock.captured_ns(decoded.ticks & RTP_MASK)
        frame = Frame(
            picture=decoded.picture,
            rotation=decoded.rotation,
            rtp_timestamp=decoded.ticks & RTP_MASK,
            decoded_at=decoded.decoded_at,
            captured_at=None if captured_ns is None else captured_ns / 1e9,
        )
        if show_at <= decoded.decoded_at:
            self._on_frame(frame)
        else:
            self._hold(frame, show_at - decoded.decoded_at)

    def _hold(self, frame: Frame, delay_s: float) -> None:
        if len(self._held) >= MAX_HELD:
            self._on_frame(self._held.popleft()[1])
        self._held.append((self._loop.time() + delay_s, frame))
        self._loop.call_later(delay_s, self._release)

    def _release(self) -> None:
        """Show what was held until now."""
        now = self._loop.time() + SHORTEST_WAIT_S
        while self._held and self._held[0][0] <= now:
            self._on_frame(self._held.popleft()[1])
