"""A camera, lines and viewers in simulated time: rate control is tested on them.

Deterministic: randomness is seeded, time is a number. Packets are carried one by one; feedback
goes through its real bytes.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from mqcam.arrivals import write_arrivals
from mqcam.feedback import ReportBlock, read_feedback
from mqcam_device.rate.path import PathRate
from mqcam_device.rate.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Callable

STEP_S = 1 / 120
FRAME_STEPS = {"main": 4, "low": 8}
DECISION_STEPS = 6
REMB_STEPS = 26
BLOCK_STEPS = 120
PACKET_BYTES = 1200
HEADER_BYTES = 70
KEYFRAME_FACTOR = 5
STALL_PERIOD_S = 2.0
MEDIA = 1

Reporting = Literal["arrivals", "remb", "reports"]


class Line:
    """One direction of a link: a rate, a drop-tail queue, a delay, random loss and jitter.

    With ``stall_s`` nothing arrives for so long every two seconds, and then all at once.
    """

    def __init__(
        self,
        *,
        rate_bps: float,
        delay_s: float = 0.02,
        queue_limit_s: float = 1.0,
        loss: float = 0.0,
        jitter_s: float = 0.0,
        stall_s: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.rate_bps = rate_bps
        self.delay_s = delay_s
        self.carried_bytes = 0
        self._queue_limit_s = queue_limit_s
        self.loss = loss
        self._stall_s = stall_s
        self._jitter_s = jitter_s
        self._random = random.Random(seed)  # noqa: S311
        self._free_at = 0.0
        self._last_arrival = 0.0

    def queue_s(self, now: float) -> float:
        """Return how long what waits in front of the line will take."""
        return max(0.0, self._free_at - now)

    def carry(self, size_bytes: int, now: float) -> float | None:
        """Return when a packet arrives, None if it is lost."""
        if self.queue_s(now) > self._queue_limit_s:
            return None
        self._free_at = max(self._free_at, now) + size_bytes * 8 / self.rate_bps
        self.carried_bytes += size_bytes
        if self._random.random() < self.loss:
            return None
        jitter_s = self._random.uniform(0, self._jitter_s)
        arrival = self._free_at + self.delay_s + jitter_s
        phase_s = arrival % STALL_PERIOD_S
        if phase_s < self._stall_s:
            arrival += self._stall_s - phase_s
        self._last_arrival = max(self._last_arrival, arrival)
        return self._last_arrival


@dataclass(slots=True)
class Shown:
    """One frame at a viewer: when it was sent and was there whole, its layer and size."""

    sent_at: float
    whole_at: float
    layer: str
    size_bytes: int


@dataclass(slots=True)
class Viewer:
    """A receiver behind lines, and the sender's estimate of the way to it."""

    lines: list[Line]
    rate: PathRate
    reporting: Reporting = "arrivals"
    report_steps: int = 8
    report_loss: float = 0.0
    came_at: float = 0.0
    shown: list[Shown] = field(default_factory=list)
    layer: str = "main"
    is_keyframe_due: bool = True
    sequence: int = 65_000
    underway: deque[tuple[int, int, float | None, float]] = field(default_factory=deque)
    reports: int = 0
    received: int = 0
    lost: int = 0
    remb_bps: float | None = None
    least_delay_s: float = 9.0
    queue_s: float = 0.0
    before_queue_s: float = 0.0
    recent: deque[tuple[float, int]] = field(default_factory=deque)
    random: random.Random = field(default_factory=lambda: random.Random(3))  # noqa: S311
    replies: deque[tuple[float, Callable[[float], None]]] = field(default_factory=deque)

    @property
    def delay_s(self) -> float:
        """The one-way delay without queues."""
        return sum(line.delay_s for line in self.lines)

    def send(self, size_bytes: int, now: float) -> None:
        """Send one frame as packets; one that is lost comes a round trip and a bit later."""
        whole_at = now
        for _ in range(-(-size_bytes // (PACKET_BYTES - HEADER_BYTES))):
            size = min(PACKET_BYTES, size_bytes + HEADER_BYTES)
            size_bytes -= PACKET_BYTES - HEADER_BYTES
            self.rate.sent(self.sequence, size, now)
            at: float | None = now
            for line in self.lines:
                at = None if at is None else line.carry(size, at)
            self.underway.append((self.sequence, size, at, now))
            self.sequence = (self.sequence + 1) & 0xFFFF
            repaired_at = now + self.queue_now(now) + 3 * self.delay_s + 0.02
            whole_at = max(whole_at, repaired_at if at is None else at)
        self.shown.append(Shown(now, whole_at, self.layer, size_bytes))

    def queue_now(self, now: float) -> float:
        """Return what a packet would wait now."""
        return sum(line.queue_s(now) for line in self.lines)

    def step(self, index: int, now: float) -> None:
        """Receive, report, and let reports that have arrived be read."""
        if self.reporting == "arrivals":
            if index % self.report_steps == 0:
                self._report_arrivals(now)
        elif index % REMB_STEPS == 0:
            self._count(now)
            if self.reporting == "remb" and now > self.came_at + 5:
                self._report_remb(now)
        if self.reporting != "arrivals" and index % BLOCK_STEPS == 0:
            self._report_block(now)
        while self.replies and self.replies[0][0] <= now:
            self.replies.popleft()[1](now)

    def _take(self, now: float) -> list[tuple[int, int, float | None, float]]:
        """Return what arrived by now, and what was lost before it."""
        last = 0
        for count, (_, _, at, _) in enumerate(self.underway, 1):
            if at is not None and at > now:
                break
            if at is not None:
                last = count
        return [self.underway.popleft() for _ in range(last)]

    def _reply(self, reading: Callable[[float], None], now: float) -> None:
        self.replies.append((now + self.delay_s, reading))

    def _report_arrivals(self, now: float) -> None:
        taken = self._take(now)
        times = [(seq, None if at is None else int((at + 77) * 1e6)) for seq, _, at, _ in taken]
        for packet in write_arrivals(2, MEDIA, self.reports, times):
            self.reports += 1
            if self.random.random() < self.report_loss:
                continue
            for arrivals in read_feedback(packet, ssrc=MEDIA).arrivals:
                self._reply(partial(self.rate.take_arrivals, arrivals), now)

    def _count(self, now: float) -> None:
        delays = []
        for _, size, at, sent_at in self._take(now):
            if at is None:
                self.lost += 1
                continue
            self.received += 1
            self.recent.append((at, size))
            delays.append(at - sent_at)
        if delays:
            self.least_delay_s = min(self.least_delay_s, *delays)
            self.before_queue_s, self.queue_s = self.queue_s, min(delays) - self.least_delay_s
        while self.recent and self.recent[0][0] < now - 0.5:
            self.recent.popleft()

    def _report_remb(self, now: float) -> None:
        """Do as browsers do: 0.85 of what comes in on overuse, else 8 % more a second."""
        incoming_bps = sum(size for _, size in self.recent) * 8 / 0.5
        if self.remb_bps is None:
            self.remb_bps = incoming_bps
        if self.queue_s > 0.025 and self.queue_s > self.before_queue_s:
            self.remb_bps = min(self.remb_bps, 0.85 * incoming_bps)
        else:
            self.remb_bps = min(self.remb_bps * 1.08**0.22, 1.5 * incoming_bps + 10_000)
        remb_bps = int(self.remb_bps)
        self._reply(lambda at: self.rate.take_remb(remb_bps, at), now)

    def _report_block(self, now: float) -> None:
        total = self.received + self.lost
        block = ReportBlock(MEDIA, 0.0, self.lost, total, 0, 1, 0)
        round_trip_s = 2 * self.delay_s + self.queue_now(now)
        self._reply(lambda at: self.rate.take_block(block, round_trip_s, at), now)

    def longest_gap_s(self, begin: float, end: float) -> float:
        """Return the longest time without a new frame."""
        times = sorted(each.whole_at for each in self.shown if begin <= each.sent_at < end)
        return max((later - earlier for earlier, later in pairwise(times)), default=end - begin)

    def delays_s(self, begin: float, end: float) -> list[float]:
        """Return how long frames took that were sent in a span of time, sorted."""
        return sorted(
            each.whole_at - each.sent_at for each in self.shown if begin <= each.sent_at < end
        )


class World:
    """A camera with its encoders, and its viewers."""

    def __init__(
        self,
        *,
        ceiling_bps: int = 4_000_000,
        start_bps: int = 1_500_000,
        uplink_max_bps: int | None = None,
        seed: int = 7,
    ) -> None:
        self.now = 0.0
        self.viewers: dict[str, Viewer] = {}
        self.uplink: Uplink[str] = Uplink(
            uplink_max_bps=uplink_max_bps, start_bps=start_bps, ceiling_bps=ceiling_bps
        )
        self.ceiling_bps = ceiling_bps
        self.history: list[tuple[float, dict[str, int], dict[str, str]]] = []
        self._random = random.Random(seed)  # noqa: S311
        self._index = 0
        self._bitrates = {"main": start_bps}
        self._next_bitrates = dict(self._bitrates)

    def join(
        self, name: str, *lines: Line, reporting: Reporting = "arrivals", start_bps: int = 1_000_000
    ) -> Viewer:
        """Let a viewer come."""
        rate = PathRate(start_bps=start_bps, ceiling_bps=self.ceiling_bps, now=self.now)
        viewer = Viewer(list(lines), rate, reporting, came_at=self.now)
        self.viewers[name] = viewer
        return viewer

    def leave(self, name: str) -> None:
        """Let a viewer go."""
        del self.viewers[name]

    def run(self, seconds: float, watch: Callable[[float], None] | None = None) -> None:
        """Let time pass; ``watch`` sees each step."""
        end = self.now + seconds
        while self.now < end:
            self._index += 1
            self.now = self._index * STEP_S
            self._encode()
            for viewer in self.viewers.values():
                viewer.step(self._index, self.now)
            if self._index % DECISION_STEPS == 0:
                self._decide()
            if watch is not None:
                watch(self.now)

    def bitrates(self, begin: float, end: float, layer: str = "main") -> list[int]:
        """Return what an encoder was told in a span of time."""
        return [
            rates[layer] for at, rates, _ in self.history if begin <= at < end and layer in rates
        ]

    def _encode(self) -> None:
        for layer, steps in FRAME_STEPS.items():
            if self._index % steps or layer not in self._bitrates:
                continue
            noise = min(max(self._random.gauss(1, 0.12), 0.6), 1.5)
            size = self._bitrates[layer] / 8 * steps * STEP_S * noise
            for viewer in self.viewers.values():
                if viewer.layer == layer:
                    factor = KEYFRAME_FACTOR if viewer.is_keyframe_due else 1
                    viewer.is_keyframe_due = False
                    viewer.send(int(size * factor), self.now)
        if self._index % FRAME_STEPS["main"] == 0:  # one frame behind what was decided
            self._bitrates = self._next_bitrates

    def _decide(self) -> None:
        for viewer in self.viewers.values():
            viewer.rate.tick(self.now)
        rates = {name: viewer.rate for name, viewer in self.viewers.items()}
        decision = self.uplink.decide(rates, self.now)
        self._next_bitrates = decision.bitrates
        self.history.append((self.now, decision.bitrates, decision.layers))
        for name, viewer in self.viewers.items():
            if viewer.layer != decision.layers[name]:
                viewer.layer = decision.layers[name]
                viewer.is_keyframe_due = True
