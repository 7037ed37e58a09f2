"""How much one viewer's path carries: an estimate from delivered rate, queue and losses.

It must not know encoders, other viewers, sockets or clocks: times are arguments, in seconds. Why
it decides so: docs/decisions/rate.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam_device.rate.losses import Losses
from mqcam_device.rate.passage import Passage, Sample
from mqcam_device.rate.reported import Reported

if TYPE_CHECKING:
    from mqcam.arrivals import Arrivals
    from mqcam.feedback import ReportBlock

MIN_ESTIMATE_BPS: Final = 50_000

OVERUSE_S: Final = 0.05
RELAXED_S: Final = 0.03
"""A queue of more than the first is too much until it is less than the second."""

CUT: Final = 0.92
"""What is sent of what was just delivered: the rest lets the queue go down."""

DRAIN_FREE_S: Final = 0.02
DRAIN_S: Final = 0.5
DRAIN_LIMIT: Final = 0.75
"""A queue beyond the first is to go within the second: so much less is sent, up to the third."""

QUEUE_STEP_S: Final = 0.015
STALLED_S: Final = 1.0
STALLED_CUT: Final = 0.85
OBEYED: Final = 1.1
IDLE: Final = 0.7
"""A queue that does not change although less is sent gets a cut, and then it is no queue: the path
has become longer."""

REMB_FALL: Final = 0.97
REMB_HEADROOM: Final = 1.2
REMB_CUT: Final = 0.9
"""A REMB that falls below what is sent is overuse; one that falls above it (a receiver allows at
most 1.5 times what comes in) only says that less was sent."""

NEAR_LOW: Final = 0.8
NEAR_HIGH: Final = 1.15
LIMIT_MEMORY_S: Final = 30.0
"""Around the rate at which the path was last too full, and so long, the estimate grows slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast an estimate grows, in doublings a second, and how soon after an overuse."""

    probing: float
    free: float
    near: float
    quiet_s: float
    silent_s: float


PROMPT: Final = Pace(probing=3.3, free=0.55, near=0.11, quiet_s=0.6, silent_s=1.2)
"""With the arrivals of every packet; on a calm path every 0.36 s, and one of these may be lost."""

SLOW: Final = Pace(probing=1.0, free=0.3, near=0.11, quiet_s=1.5, silent_s=3.0)
"""With a report a second."""

PROBING_HEADROOM: Final = 2.0
HEADROOM: Final = 1.5
"""An estimate says at most so much more than what was delivered: the rest was never tried."""


class PathRate:
    """The estimate for one path. Feed it; read ``target_bps`` after each feedback or tick.

    ``estimate_bps`` is what the path carries, ``target_bps`` what to send now: less while a queue
    has to go. A path on which nothing was too much yet is ``is_probing``; one that answers nothing
    while it is sent to is ``is_silent``.
    """

    def __init__(self, *, start_bps: int, ceiling_bps: int, now: float) -> None:
        """Begin with ``start_bps`` (at most 1 Mbit/s where nothing is known of the path)."""
        self.estimate_bps = float(min(start_bps, ceiling_bps))
        self.is_congested = False
        self.is_probing = True
        self.is_silent = False
        self.queue_s = 0.0
        self.delivered_bps = 0
        self._ceiling_bps = ceiling_bps
        self._passage = Passage()
        self._reported = Reported()
        self.sent = self._passage.sent
        self.sent_run = self._passage.sent_run
        self._pace = SLOW
        self._backlog_s = 0.0
        self._judged_at = now
        self._congested_at = now - SLOW.quiet_s
        self._mark_s = 0.0
        self._moved_at = now
        self._has_stalled = False
        self._limit_bps: float | None = None
        self._losses = Losses(now=now)
        self._remb_bps: int | None = None
        self._answered_bytes = 0
        self._unanswered_since: float | None = None

    @property
    def loss(self) -> float:
        """The share of packets that was lost in the last second, 0 to 1."""
        return self._losses.share

    @property
    def is_limited(self) -> bool:
        """Whether the path was too full in the last half minute: it carries no more."""
        return self._limit_bps is not None

    @property
    def burst_bps(self) -> float | None:
        """What its narrowest line seems to let through, None if unknown; often too much."""
        return self._passage.train_bps

    @property
    def target_bps(self) -> int:
        """What to send on this path now, packet headers included."""
        drain = max(0.0, self._backlog_s - DRAIN_FREE_S) / DRAIN_S
        return int(self.estimate_bps * (1 - min(drain, DRAIN_LIMIT)))

    def take_arrivals(self, arrivals: Arrivals, now: float) -> None:
        """Take a transport-wide feedback: from now on the path's other reports are not needed."""
        self._pace = PROMPT
        self._hear()
        sample = self._passage.take(arrivals, now)
        if sample is not None:
            self._judge(sample, now)

    def take_block(self, block: ReportBlock, round_trip_s: float | None, now: float) -> None:
        """Take a report block, and the round trip that goes with it where it is known."""
        if self._pace is PROMPT:
            return
        self._hear()
        sample = self._reported.take(
            block,
            round_trip_s,
            sent_bytes=self._passage.sent_bytes,
            sent_packets=self._passage.sent_packets,
            now=now,
        )
        if sample is not None:
            self._judge(sample, now)

    def take_remb(self, remb_bps: int, now: float) -> None:
        """Take a receiver's own estimate: only its fall below what is sent says something."""
        if self._pace is PROMPT:
            return
        self._hear()
        before_bps, self._remb_bps = self._remb_bps, remb_bps
        sent_bps = self._sent_bps(now)
        is_fall = before_bps is not None and remb_bps < REMB_FALL * before_bps
        if is_fall and remb_bps < REMB_HEADROOM * sent_bps:
            self._begin_episode(now)
            self._lower(REMB_CUT * remb_bps, limit_bps=remb_bps)

    def tick(self, now: float) -> None:
        """Let time pass: call about ten times a second."""
        self._reported.mark(self._passage.sent_bytes, now)
        if self._passage.sent_bytes == self._answered_bytes:
            self._unanswered_since = None
        elif self._unanswered_since is None:
            self._unanswered_since = now
        elif not self.is_silent and now - self._unanswered_since > self._pace.silent_s:
            self.is_silent = True
            self._fall_silent()

    def _hear(self) -> None:
        self._answered_bytes = self._passage.sent_bytes
        self._unanswered_since = None
        self.is_silent = False

    def _fall_silent(self) -> None:
        """Put less into a path that may be full or gone; it is tried anew when it answers."""
        self._lower(self.estimate_bps / 2, limit_bps=None)
        self.is_probing = True
        self.is_congested = False

    def _judge(self, sample: Sample, now: float) -> None:
        elapsed_s = min(max(0.0, now - self._judged_at), 1.0)
        self._judged_at = now
        self.queue_s = max(0.0, sample.queue_s)
        self._backlog_s = self.queue_s
        self.delivered_bps = int(sample.delivered_bps or 0)
        self._losses.take(sample)
        if self.queue_s > (RELAXED_S if self.is_congested else OVERUSE_S):
            self._relieve(sample, now)
        elif self._losses.is_excess(sample):
            self._answer_losses(sample, now)
        else:
            self.is_congested = False
            is_held = self._losses.is_holding(sample, now)
            if now - self._congested_at >= self._pace.quiet_s and not is_held:
                self._grow(sample, elapsed_s, now)

    def _relieve(self, sample: Sample, now: float) -> None:
        """Send less while there is a queue; what arrives meanwhile is what the path carries."""
        is_new = not self.is_congested
        if is_new:
            self._begin_episode(now)
        self._congested_at = now
        is_rising = self.queue_s > self._mark_s + QUEUE_STEP_S
        is_shrinking = self.queue_s < self._mark_s - QUEUE_STEP_S
        if is_rising or is_shrinking:
            self._mark_s, self._moved_at = self.queue_s, now
        if sample.capacity_bps is not None and (is_new or is_rising):
            # A queue that others made, or a keyframe, says little of a path that was hardly used.
            is_idle = is_new and not is_rising and self._sent_bps(now) < IDLE * self.estimate_bps
            share = HEADROOM if is_idle else CUT
            self._lower(share * sample.capacity_bps, limit_bps=sample.capacity_bps)
        elif now - self._moved_at > STALLED_S:
            self._answer_stall(now)
        # The delay that was seen is that of packets sent before the cut. What is under way says
        # how long the queue is now, once it is known how fast it goes.
        if sample.loop_s is not None and self._limit_bps:
            waiting_s = sample.under_way_bytes * 8 / self._limit_bps - sample.loop_s
            self._backlog_s = max(DRAIN_FREE_S, waiting_s)

    def _begin_episode(self, now: float) -> None:
        self.is_congested = True
        self.is_probing = False
        self._congested_at = self._moved_at = now
        self._mark_s = self.queue_s
        self._has_stalled = False

    def _answer_stall(self, now: float) -> None:
        self._moved_at = now
        if not self._is_obeyed(now):
            return
        if not self._has_stalled:
            self._has_stalled = True
            self._lower(self.estimate_bps * STALLED_CUT, limit_bps=self._limit_bps)
            return
        self._passage.forget_base()
        self._reported.forget_base()
        self.is_congested = False

    def _answer_losses(self, sample: Sample, now: float) -> None:
        if not self._losses.is_cut_due(now, is_obeyed=self._is_obeyed(now)):
            return
        self._begin_episode(now)
        if sample.delivered_bps is not None:
            self._lower(CUT * sample.delivered_bps, limit_bps=sample.delivered_bps)

    def _is_obeyed(self, now: float) -> bool:
        """Tell whether no more is sent than the estimate: one encoder serves many viewers."""
        return self._sent_bps(now) <= OBEYED * self.estimate_bps

    def _sent_bps(self, now: float) -> float:
        return self._reported.sent_bps(self._passage.sent_bytes, now)

    def _lower(self, rate_bps: float, *, limit_bps: float | None) -> None:
        self.estimate_bps = max(MIN_ESTIMATE_BPS, min(self.estimate_bps, rate_bps))
        self._limit_bps = limit_bps

    def _grow(self, sample: Sample, elapsed_s: float, now: float) -> None:
        if sample.delivered_bps is None:
            return
        if now - self._congested_at > LIMIT_MEMORY_S:
            self._limit_bps = None
        headroom = PROBING_HEADROOM if self.is_probing else HEADROOM
        grown_bps = self.estimate_bps * 2 ** (self._doublings() * elapsed_s)
        tried_bps = min(grown_bps, headroom * sample.delivered_bps)
        self.estimate_bps = max(
            self.estimate_bps, min(self._ceiling_bps, max(tried_bps, sample.delivered_bps))
        )
        if self.estimate_bps >= self._ceiling_bps:
            self.is_probing = False

    def _doublings(self) -> float:
        """Return how fast to grow, in doublings a second."""
        if self.is_probing:
            return self._pace.probing
        limit_bps = self._limit_bps
        if limit_bps and NEAR_LOW * limit_bps < self.estimate_bps < NEAR_HIGH * limit_bps:
            return self._pace.near
        return self._pace.free
