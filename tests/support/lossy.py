"""A camera, a line that loses packets, and a receiver that asks again: all in simulated time.

It must not know sockets or clocks: everything is a heap of moments.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mqcam.depacketiser import Depacketiser
from support import rtp

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.depacketiser import VideoUnit

TICK_S = 0.001
REPEAT_REST_S = 0.02
BURST_PACKETS = 20
KEYFRAME_REST_S = 0.3


@dataclass(kw_only=True)
class Line:
    """One line, both ways; ``black`` are pairs of seconds between which nothing passes."""

    round_trip_s: float = 0.04
    loss: float = 0.0
    jitter_s: float = 0.0
    black: tuple[tuple[float, float], ...] = ()

    def passes(self, chance: random.Random, now: float) -> bool:
        """Tell whether a packet that leaves now arrives."""
        is_black = any(begin <= now < end for begin, end in self.black)
        return not is_black and chance.random() >= self.loss

    def way_s(self, chance: random.Random) -> float:
        """Return how long a packet is on its way; with jitter packets overtake each other."""
        return self.round_trip_s / 2 + self.jitter_s * chance.random()


@dataclass(kw_only=True)
class Outcome:
    """When pictures were whole, and what it cost."""

    shown: list[tuple[float, int]] = field(default_factory=list)
    """Moments in seconds, and the numbers of the pictures."""
    requests: int = 0
    repeats: int = 0
    keyframe_requests: int = 0
    sent: int = 0

    def freezes_s(self) -> list[float]:
        """Return the gaps between two pictures that follow each other."""
        return [after - before for (before, _), (after, _) in itertools.pairwise(self.shown)]


class Simulation:
    """Thirty pictures a second of ``packets`` packets each, over a line, into a depacketiser."""

    def __init__(
        self, line: Line, *, seed: int, seconds: float, packets: int = 9, fps: int = 30
    ) -> None:
        self.outcome = Outcome()
        self._line = line
        self._chance = random.Random(seed)  # noqa: S311 - a network, not a secret
        self._seconds = seconds
        self._packets = packets
        self._fps = fps
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._kept: dict[int, bytes] = {}
        self._repeated_at: dict[int, float] = {}
        self._tokens = float(BURST_PACKETS)
        self._filled_at = 0.0
        self._sequence = 65_000
        self._is_keyframe_due = True
        self._keyframe_at = float("-inf")
        self._asked_at = float("-inf")
        self._wake_at: float | None = None
        self._known: dict[int, int] = {}
        self.receiver = Depacketiser(
            payload_type=rtp.PAYLOAD_TYPE,
            rtx_payload_type=rtp.RTX_PAYLOAD_TYPE,
            ssrc=rtp.SSRC,
            rtx_ssrc=rtp.RTX_SSRC,
        )
        self.receiver.repair.round_trip_s = line.round_trip_s

    def run(self) -> Outcome:
        """Play it to its end."""
        for number in range(round(self._seconds * self._fps)):
            self._at(number / self._fps, partial(self._capture, number))
        while self._events:
            now, _, event = heapq.heappop(self._events)
            event(now)
        return self.outcome

    def _at(self, when: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    # the camera

    def _capture(self, number: int, now: float) -> None:
        size = 1100 * self._packets - 200
        is_keyframe, self._is_keyframe_due = self._is_keyframe_due, False
        if is_keyframe:
            self._keyframe_at = now
        content = number.to_bytes(4) + bytes(size * (3 if is_keyframe else 1))
        nals = rtp.idr(content) if is_keyframe else rtp.follower(content)
        timestamp = 2**32 - 90_000 + round(number * 90_000 / self._fps)
        for packet in rtp.packets([nals], sequence=self._sequence, timestamp=timestamp):
            self._kept[self._sequence & 0xFFFF] = packet
            self._sequence += 1
            self.outcome.sent += 1
            self._send(packet, now)

    def _send(self, packet: bytes, now: float) -> None:
        if self._line.passes(self._chance, now):
            self._at(now + self._line.way_s(self._chance), lambda at: self._receive(packet, at))

    def _repeat(self, numbers: list[int], now: float) -> None:
        """Answer a request as the product's camera does, with its budget of a fifth."""
        rate = self._packets * self._fps * 0.2
        self._tokens = min(BURST_PACKETS, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        rest_s = max(REPEAT_REST_S, self._line.round_trip_s)
        for number in numbers:
            if number not in self._kept or now - self._repeated_at.get(number, -9.0) < rest_s:
                continue
            if self._tokens < 1:
                self._make_keyframe(now)
                return
            self._tokens -= 1
            self._repeated_at[number] = now
            self.outcome.repeats += 1
            self._send(rtp.retransmission(self._kept[number]), now)

    def _make_keyframe(self, now: float) -> None:
        if now - self._keyframe_at >= KEYFRAME_REST_S:
            self._is_keyframe_due = True

    # the receiver

    def _receive(self, packet: bytes, now: float) -> None:
        self._show(self.receiver.receive(packet, now), now)
        self._look_after(now)

    def _wake(self, now: float) -> None:
        if self._wake_at is not None and now >= self._wake_at:
            self._wake_at = None
            self._show(self.receiver.tick(now), now)
            self._look_after(now)

    def _look_after(self, now: float) -> None:
        numbers = self.receiver.requests(now)
        if numbers:
            self._ask(numbers, now)
        if self.receiver.needs_keyframe and now - self._asked_at >= KEYFRAME_REST_S:
            self._asked_at = now
            self.outcome.keyframe_requests += 1
            if self._line.passes(self._chance, now):
                self._at(now + self._line.way_s(self._chance), self._make_keyframe)
        next_at = self.receiver.next_at(now)
        if next_at is not None and self._wake_at is None:
            self._wake_at = min(max(next_at, now + TICK_S), now + 8 * TICK_S)
            self._at(self._wake_at, self._wake)

    def _ask(self, numbers: list[int], now: float) -> None:
        """Ask in two datagrams, as the product's viewer does."""
        self.outcome.requests += len(numbers)
        for _ in range(2):
            if self._line.passes(self._chance, now):
                self._at(now + self._line.way_s(self._chance), lambda at: self._repeat(numbers, at))

    def _show(self, units: list[VideoUnit], now: float) -> None:
        for unit in units:
            begin = unit.data.index(b"\x88" if unit.keyframe else b"\x9a") + 1
            self.outcome.shown.append((now, int.from_bytes(unit.data[begin : begin + 4])))
