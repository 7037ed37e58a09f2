"""What all viewers of one camera share: packets, memory, clocks, rate control.

It makes each viewer's way out. It must not know connections beyond that, nor sessions or sources.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING

from mqcam.log import fields
from mqcam.protocol.messages import MediaClock
from mqcam.srtp import Scratch
from mqcam.steadyclock import SteadyClock

from mqcam_device.director import Director
from mqcam_device.media import LOW
from mqcam_device.sending.egress import MediaEgress
from mqcam_device.sending.parcels import Parcels
from mqcam_device.sending.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from mqcam.connection import Connection

    from mqcam_device.hub import Hub
    from mqcam_device.keyframes import CallLater
    from mqcam_device.media import StreamInfo
    from mqcam_device.rate.path import PathRate

logger = logging.getLogger(__name__)


class Distribution:
    """One camera's sending. ``set_bitrate(bps, layer)`` tells an encoder."""

    def __init__(
        self,
        hub: Hub,
        *,
        set_bitrate: Callable[[int, str], None],
        call_later: CallLater,
        start_bps: int,
        ceiling_bps: int,
        uplink_max_bps: int | None,
    ) -> None:
        self._hub = hub
        self._director = Director(
            hub,
            set_bitrate=set_bitrate,
            start_bps=start_bps,
            ceiling_bps=ceiling_bps,
            uplink_max_bps=uplink_max_bps,
        )
        self._parcels = Parcels(epoch=secrets.randbits(32))
        self._scratch = Scratch()
        self._report_clock = SteadyClock()
        self._pulse = Pulse(clock=time.monotonic, call_later=call_later)
        self._is_refusal_told = False
        self.rotation = 0
        """How far viewers turn the pictures clockwise, in degrees: what the source said last."""

    def make_egress(self, key: Hashable, connection: Connection) -> MediaEgress:
        """Make the way out to a viewer whom the hub expects, on a connection that stands."""
        now = time.monotonic()
        path = self._director.enter(key, now)
        if self._hub.layer_of(key) == LOW:  # it asked for that layer
            self._director.pin(key, now)
        self._pulse.join(self._director.decide)
        try:
            return self._make(key, connection, path)
        except BaseException:
            self._leave(key)
            raise

    def _make(self, key: Hashable, connection: Connection, path: PathRate) -> MediaEgress:
        return MediaEgress(
            connection,
            parcels=self._parcels,
            scratch=self._scratch,
            pulse=self._pulse,
            report_clock=self._report_clock,
            path=path,
            bitrate_bps=lambda: self._director.bitrate_bps(key),
            rotation=lambda: self.rotation,
            on_keyframe_wanted=lambda round_trip_s: self._hub.request_keyframe(
                key, round_trip_s=round_trip_s
            ),
            on_runs_refused=self._runs_refused,
            on_stopped=lambda: self._leave(key),
        )

    def media_clock(self) -> MediaClock:
        """Tell which capture time has which RTP timestamp, the same for every viewer."""
        now_ns = time.monotonic_ns()
        return MediaClock(
            rtp_timestamp=self._parcels.clock.rtp_at(now_ns),
            captured_us=self._report_clock.unix_ns_at(now_ns) // 1000,
        )

    @property
    def bitrate_bps(self) -> int:
        """What the main layer's encoder is to aim for, as its viewers' paths have it."""
        return self._director.main_bitrate_bps

    def note_source(self, info: StreamInfo) -> None:
        """Note which layers the source has, and what it leaves viewers to turn."""
        self.rotation = info.rotation
        self._director.note_layers([each.name for each in info.layers])

    def demote(self, key: Hashable) -> None:
        """Put a viewer who asks for too many keyframes on the low layer."""
        self._director.demote(key, time.monotonic())

    def _leave(self, key: Hashable) -> None:
        self._director.leave(key)
        if self._director.is_idle:
            self._pulse.leave(self._director.decide)

    def _runs_refused(self, error: OSError) -> None:
        """Say once that the network of this machine makes sending dearer; it concerns everybody."""
        if not self._is_refusal_told:
            self._is_refusal_told = True
            logger.warning(
                "this machine's network takes no runs of packets: they are sent one by one",
                extra=fields(error=error.strerror),
            )
