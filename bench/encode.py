"""What the software encoder takes, and how soon it does as it is told.

It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import time
from secrets import SystemRandom
from typing import TYPE_CHECKING

from mqcam_device.sources.pattern import Pattern
from mqcam_device.x264 import X264

from bench.capturing import capturing
from bench.figures import Figure, quantile
from bench.picture import ENCODED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage

FPS = 30
PICTURES = 300
SKIPPED_PICTURES = 10
CALL_MS = 3.0
IDR_MS = 40.0
REQUESTS_PER_RUN = 10
NINETY_FIVE = 0.95
FIRST_BPS, THEN_BPS, LAST_BPS = 2_000_000, 500_000, 3_000_000
STEP_PICTURES = 6 * FPS
WINDOW_PICTURES = FPS // 2
TOLERANCE = 0.2
SETTLED_S = 2.0
NS = 1_000_000_000


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Encode as fast as it goes, ask a child for keyframes, and change the rate, each time anew."""
    medians_ms: list[float] = []
    slow_ms: list[float] = []
    held: list[float] = []
    idr_ms: list[float] = []
    down_s: list[float] = []
    up_s: list[float] = []
    for _ in range(runs):
        calls_ms, late = await asyncio.to_thread(_encode)
        medians_ms.append(quantile(calls_ms, 0.5))
        slow_ms.append(quantile(calls_ms, NINETY_FIVE))
        held.append(late)
        idr_ms += await _force_keyframes()
        fall_s, rise_s = await asyncio.to_thread(_change_rate)
        down_s.append(fall_s)
        up_s.append(rise_s)
    name = "x264 720p30 2 Mbit/s, one call"
    step = f"x264 720p30, {FIRST_BPS / 1e6:g} -> {THEN_BPS / 1e6:g} -> {LAST_BPS / 1e6:g} Mbit/s"
    return [
        Figure(name=f"{name}, p50", unit="ms", ours=tuple(medians_ms), limit=CALL_MS),
        Figure(name=f"{name}, p95", unit="ms", ours=tuple(slow_ms)),
        Figure(name="  pictures held back", unit="", ours=tuple(held), limit=0.0),
        Figure(name="forced IDR, request -> hub", unit="ms", ours=tuple(idr_ms), limit=IDR_MS),
        Figure(name=f"{step}: down within 20 %", unit="s", ours=tuple(down_s), limit=SETTLED_S),
        Figure(name="  up within 20 %", unit="s", ours=tuple(up_s), limit=SETTLED_S),
    ]


class _Encoding:
    """An encoder and its pictures, in a time of their own: 30 pictures are a second."""

    def __init__(self) -> None:
        width, height = ENCODED.width or 0, ENCODED.height or 0
        self._pattern = Pattern(width=width, height=height, fps=FPS, label="bench")
        self.encoder = X264(
            width=width,
            height=height,
            fps=FPS,
            bitrate_bps=FIRST_BPS,
            max_bitrate_bps=ENCODED.max_bitrate_bps,
        )
        self._count = 0

    def next(self) -> tuple[bytes, float]:
        """Encode a picture; return the unit and how many milliseconds the call took."""
        captured_ns = self._count * NS // FPS
        self._count += 1
        picture = self._pattern.read(captured_ns)
        begun_ns = time.perf_counter_ns()
        unit = self.encoder.encode(picture, captured_ns)
        return unit, (time.perf_counter_ns() - begun_ns) / 1e6


def _encode() -> tuple[tuple[float, ...], float]:
    """Return what the calls took, and how many pictures did not come out of their own call."""
    encoding = _Encoding()
    encoded = [encoding.next() for _ in range(SKIPPED_PICTURES + PICTURES)]
    calls_ms = tuple(took_ms for _, took_ms in encoded[SKIPPED_PICTURES:])
    return calls_ms, float(sum(not unit for unit, _ in encoded))


async def _force_keyframes() -> list[float]:
    """Return how long each keyframe took from its request to the hub, the wait included.

    Requests come at random moments, so half a frame interval is waiting for the next picture.
    """
    random = SystemRandom()
    took_ms = []
    async with capturing(ENCODED) as captured:
        for _ in range(REQUESTS_PER_RUN):
            await captured.more(3)
            await asyncio.sleep(random.uniform(0, 1 / FPS))
            before = len(captured.units)
            asked_ns = time.monotonic_ns()
            captured.process.request_keyframe()
            await captured.until(lambda: any(u.keyframe for u, _ in captured.units[before:]))  # noqa: B023
            at_ns = next(at for unit, at in captured.units[before:] if unit.keyframe)
            took_ms.append((at_ns - asked_ns) / 1e6)
    return took_ms


def _change_rate() -> tuple[float, float]:
    """Return how long the rate took to stay near what was asked, downwards and upwards."""
    encoding = _Encoding()
    for _ in range(STEP_PICTURES):
        encoding.next()
    settled = []
    for bitrate_bps in (THEN_BPS, LAST_BPS):
        encoding.encoder.set_bitrate(bitrate_bps)
        sizes = [len(encoding.next()[0]) for _ in range(STEP_PICTURES)]
        settled.append(settling_s(sizes, bitrate_bps))
    return settled[0], settled[1]


def settling_s(sizes: Sequence[int], bitrate_bps: int) -> float:
    """Return when the rate of half a second came within 20 % of what was asked and stayed there."""
    last = 0
    for end in range(WINDOW_PICTURES, len(sizes) + 1):
        bits = 8 * sum(sizes[end - WINDOW_PICTURES : end])
        found_bps = bits * FPS / WINDOW_PICTURES
        if abs(found_bps - bitrate_bps) > TOLERANCE * bitrate_bps:
            last = end + 1
    return last / FPS
