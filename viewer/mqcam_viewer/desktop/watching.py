"""One watched camera: from its stream to its slot, and how it goes, for as long as it is watched.

It must not know Qt, nor other cameras: the engine has one of these for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from statistics import median
from typing import TYPE_CHECKING

from mqcam.errors import BrokerError, SessionError, StreamEnded
from mqcam.protocol.codes import Code

from mqcam_viewer.desktop.converter import Converter
from mqcam_viewer.desktop.events import (
    Connecting,
    Event,
    Interrupted,
    Measured,
    PictureReady,
    Playing,
)
from mqcam_viewer.standing import ACCOUNT_REFUSED
from mqcam_viewer.stream import FINAL_CODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.ice import CandidatePairInfo

    from mqcam_viewer.client import Client
    from mqcam_viewer.desktop.slot import Slot
    from mqcam_viewer.frames import Frame
    from mqcam_viewer.stream import Stream

RETRY_S = (0.5, 1.0, 2.0, 5.0)
"""Waits between tries to reach a camera for the first time; the last one repeats."""

AWAY_CODES = frozenset(
    {"offline", "unknown-camera", Code.UNKNOWN_KEY, Code.CHANGED_KEY, Code.REVOKED_KEY}
)
"""Refusals after which the camera's next word is waited for."""

FIRST_MEASURE_S = 0.3
MEASURE_S = 1.0
WINDOW_S = 2.0
"""Figures are of so many last seconds."""

MAX_TIMES = 1000
"""Pictures that are remembered for the figures: more than any camera sends in that time."""


class Watching:
    """Watch one camera until cancelled: pictures go to ``slot``, the rest to ``tell``."""

    def __init__(
        self, camera: str, *, client: Client, slot: Slot, tell: Callable[[Event], None]
    ) -> None:
        self.last: Frame | None = None
        self._camera = camera
        self._client = client
        self._slot = slot
        self._tell = tell
        self._converter = Converter()
        self._is_playing = False
        self._times: deque[tuple[float, float | None]] = deque(maxlen=MAX_TIMES)

    async def run(self) -> None:
        """Reach the camera, show it, and begin again after each end; stops when refused."""
        self._tell(Connecting(camera=self._camera))
        failures = 0
        while True:
            try:
                stream = self._client.watch(self._camera, on_trouble=self._troubled)
                async with stream:
                    failures = 0
                    await self._show(stream)
            except (SessionError, StreamEnded, BrokerError) as failure:
                refusal = self._client.standing.refusal
                error = refusal if refusal and isinstance(failure, BrokerError) else failure
                code = error.code if isinstance(error, SessionError | StreamEnded) else "broker"
                is_final = code in FINAL_CODES
                self._interrupted(code, str(error), is_final=is_final)
                if code == ACCOUNT_REFUSED:
                    await self._client.standing.until_let_in()
                    self._tell(Connecting(camera=self._camera))
                elif is_final:
                    return
                await self._until_worth_a_try(code, failures)
                failures += 1

    async def _until_worth_a_try(self, code: str, failures: int) -> None:
        if code in AWAY_CODES:
            await self._client.until_present(self._camera)
        else:
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])

    async def _show(self, stream: Stream) -> None:
        measuring = asyncio.create_task(self._measure(stream), name=f"figures of {self._camera}")
        try:
            async for frame in stream:
                self._take(frame)
        finally:
            measuring.cancel()
            await asyncio.wait({measuring})

    def _take(self, frame: Frame) -> None:
        self.last = frame
        self._times.append((frame.decoded_at, frame.latency_ms))
        if not self._is_playing:
            self._is_playing = True
            self._tell(Playing(camera=self._camera))
        if self._slot.put(self._converter.convert(frame)):
            self._tell(PictureReady(camera=self._camera))

    def _troubled(self, why: SessionError | None) -> None:
        """Take what the stream says; that it goes on again is believed when a picture comes."""
        if why is not None:
            self._interrupted(why.code, why.text)

    def _interrupted(self, code: str, text: str, *, is_final: bool = False) -> None:
        self._is_playing = False
        self._tell(Interrupted(camera=self._camera, code=code, text=text, is_final=is_final))

    async def _measure(self, stream: Stream) -> None:
        """Tell the figures, soon at first, then each second, until cancelled."""
        counted: deque[tuple[float, int]] = deque(maxlen=int(WINDOW_S / MEASURE_S) + 1)
        for wait_s in itertools.chain([FIRST_MEASURE_S], itertools.repeat(MEASURE_S)):
            await asyncio.sleep(wait_s)
            reception = await stream.reception()
            if reception is not None:
                if counted and counted[-1][1] > reception.rtp_bytes:  # another session's count
                    counted.clear()
                counted.append((time.monotonic(), reception.rtp_bytes))
            with contextlib.suppress(IndexError):  # no picture yet
                self._tell(self._figures(time.monotonic(), counted, stream.path))

    def _figures(
        self, now: float, counted: deque[tuple[float, int]], path: CandidatePairInfo | None
    ) -> Measured:
        recent = [each for each in self._times if now - each[0] < WINDOW_S]
        last = self._times[-1][0]
        known = [latency for _, latency in recent if latency is not None]
        return Measured(
            camera=self._camera,
            fps=fps([at for at, _ in recent]),
            width=self.last.width if self.last else 0,
            height=self.last.height if self.last else 0,
            bitrate_bps=rate_bps(counted),
            latency_ms=median(known) if known else None,
            path=describe(path),
            idle_s=now - last,
        )


def fps(times: list[float]) -> float:
    """Return the pictures a second between the first and the last, 0 of fewer than two."""
    if len(times) < 2:  # noqa: PLR2004
        return 0.0
    return (len(times) - 1) / max(times[-1] - times[0], 0.001)


def rate_bps(counted: deque[tuple[float, int]]) -> int | None:
    """Return the bits per second between the first and last count, None of fewer than two."""
    if len(counted) < 2:  # noqa: PLR2004
        return None
    (began, before), (ended, after) = counted[0], counted[-1]
    return round((after - before) * 8 / max(ended - began, 0.001))


def describe(path: CandidatePairInfo | None) -> str:
    """Return in words how a camera is reached, empty where that is not known."""
    if path is None:
        return ""
    is_relayed = "relay" in {path.local_type, path.remote_type}
    return f"{'Relayed' if is_relayed else 'Direct'}, {path.protocol.upper()}"
