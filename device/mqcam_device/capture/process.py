"""Run the capture child and keep it running: spawn, watch, replace.

It must not know sources, encoders or viewers: it carries units one way and wishes the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.log import fields

from mqcam_device.capture import wire
from mqcam_device.capture.link import Link
from mqcam_device.media import MAIN, AccessUnit, SourceState, StreamInfo

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from mqcam_device.media import SourceSettings

logger = logging.getLogger(__name__)

OnUnit = Callable[[AccessUnit], None]
OnState = Callable[[SourceState, StreamInfo | None, str], None]

_FAILED_AFTER = 3
"""From so many failures in a row on, the state is FAILED instead of STALLED."""

_CHECKS_PER_STALL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureTimings:
    """Every deadline of the supervision, in seconds.

    A child is STALLED after ``stall_s`` or ``stall_frames`` of its slowest frame intervals
    without a unit, whichever is longer, and replaced after as long again.
    """

    hello_s: float = 10.0
    stop_s: float = 2.0
    stall_s: float = 1.0
    stall_frames: float = 10.0
    healthy_s: float = 30.0
    source_retry_s: float = 10.0
    respawn_s: tuple[float, ...] = (0.2, 1.0, 2.0, 5.0, 10.0, 60.0)


@dataclass(slots=True)
class _Wish:
    """What a layer should do, for this child and the next."""

    active: bool = False
    bitrate_bps: int | None = None


@dataclass(slots=True)
class _Life:
    """What is known of the running child."""

    spawned_at: float
    last_unit_at: float = 0.0
    info: StreamInfo | None = None
    source_error: str = ""
    is_stalled: bool = False


class CaptureProcess:
    """The agent's end of the capture child. All calls and callbacks happen in the event loop.

    ``on_unit`` gets units whose numbers go on growing when the child is replaced. ``on_state``
    gets each change: RUNNING with what is delivered, STALLED and FAILED with a sentence.
    """

    def __init__(
        self,
        settings: SourceSettings,
        *,
        on_unit: OnUnit,
        on_state: OnState,
        timings: CaptureTimings | None = None,
    ) -> None:
        self._settings = settings
        self._on_unit = on_unit
        self._on_state = on_state
        self._timings = timings or CaptureTimings()
        self._wishes: defaultdict[str, _Wish] = defaultdict(_Wish)
        self._fps: float | None = None
        self._seq_base: defaultdict[str, int] = defaultdict(int)
        self._seq_next: defaultdict[str, int] = defaultdict(int)
        self._link: Link | None = None
        self._process: Process | None = None
        self._life = _Life(spawned_at=0.0)
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_running = False
        self.respawns = 0

    @property
    def pid(self) -> int | None:
        """The running child's process id."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """Keep a child running until `stop` or cancellation."""
        self._is_running = True
        failures = 0
        try:
            while not self._stopping.is_set():
                reason = await self._live()
                if self._stopping.is_set():
                    break
                lived_s = self._now() - self._life.spawned_at
                failures = 1 if lived_s >= self._timings.healthy_s else failures + 1
                delay_s = self._tell_failure(reason, failures)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay_s)
                self.respawns += 1
        finally:
            self._ended.set()
        self._on_state(SourceState.STOPPED, None, "")

    def set_active(self, layer: str, active: bool) -> None:
        """Encode a layer or rest it; the first unit of an activated layer is a keyframe."""
        self._wishes[layer].active = active
        self._life.last_unit_at = self._now()
        self._send(wire.Activate(active=active, layer=layer))

    def request_keyframe(self, layer: str = MAIN) -> None:
        """Ask for a keyframe now."""
        self._send(wire.Keyframe(layer=layer))

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> None:
        """Aim for a bit rate; remembered for the next child."""
        self._wishes[layer].bitrate_bps = bitrate_bps
        self._send(wire.Bitrate(bitrate_bps=bitrate_bps, layer=layer))

    def set_framerate(self, fps: float) -> None:
        """Cap the frame rate of the source; remembered for the next child."""
        self._fps = fps
        self._send(wire.Framerate(fps=fps))

    async def stop(self) -> None:
        """End the child and `run`, within ``stop_s`` and a little."""
        self._stopping.set()
        self._woken.set()
        if self._is_running:
            await self._ended.wait()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _send(self, message: wire.Message) -> None:
        if self._link is not None:
            self._link.send(message)

    async def _live(self) -> str:
        """Run one child to its end; returns why it ended, for a person."""
        self._life = _Life(spawned_at=self._now())
        self._seq_base.update(self._seq_next)
        self._on_state(SourceState.STARTING, None, "")
        reason = ""
        try:
            await self._spawn()
            self._brief()
            reason = await self._watch()
        except OSError as error:
            reason = f"the capture child cannot be started: {error}"
        finally:
            code = await self._end_child()
        return reason or _explain_exit(code)

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.setblocking(False)
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # whatever lies in the working directory is no module of ours
                    "-m",
                    "mqcam_device.capture",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    # Heaps per thread would cost the child several MB and gain it nothing.
                    env={"MALLOC_ARENA_MAX": "1", **os.environ},
                )
                loop = asyncio.get_running_loop()
                _, self._link = await loop.create_unix_connection(
                    lambda: Link(self._take, self._woken.set), sock=ours
                )
            except BaseException:
                ours.close()
                raise

    def _brief(self) -> None:
        """Tell a new child all that the former one knew."""
        self._send(wire.Start(settings=self._settings))
        if self._fps is not None:
            self._send(wire.Framerate(fps=self._fps))
        for layer, wish in self._wishes.items():
            if wish.bitrate_bps is not None:
                self._send(wire.Bitrate(bitrate_bps=wish.bitrate_bps, layer=layer))
            if wish.active:
                self._send(wire.Activate(active=True, layer=layer))

    async def _watch(self) -> str:
        """Wait until the child ends or must be ended; returns why, empty for its exit code's."""
        link = self._link
        if link is None:
            return "the capture child has no socket"
        while not self._stopping.is_set() and not link.lost.is_set():
            period_s = self._timings.stall_s / _CHECKS_PER_STALL
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), period_s)
            self._woken.clear()
            if trouble := self._look_for_stall():
                return trouble
        return self._life.source_error or link.error

    def _look_for_stall(self) -> str:
        """Tell a stall to the listener; return a sentence when the child must be replaced."""
        life, now = self._life, self._now()
        if life.info is None:
            if now - life.spawned_at > self._timings.hello_s and not life.source_error:
                return f"the capture child did not start within {self._timings.hello_s:g} s"
            return ""
        paces = [layer.fps_min for layer in life.info.layers if self._wishes[layer.name].active]
        if not paces:
            return ""
        limit_s = max(self._timings.stall_s, self._timings.stall_frames / max(paces))
        silent_s = now - life.last_unit_at
        if silent_s > 2 * limit_s:
            return f"no picture for {silent_s:.1f} s"
        if silent_s > limit_s and not life.is_stalled:
            life.is_stalled = True
            self._on_state(SourceState.STALLED, life.info, f"no picture for {silent_s:.1f} s")
        return ""

    def _tell_failure(self, reason: str, failures: int) -> float:
        """Report the end of a child and return the pause before the next."""
        pauses = self._timings.respawn_s
        delay_s = pauses[min(failures, len(pauses)) - 1]
        state = SourceState.FAILED if failures >= _FAILED_AFTER else SourceState.STALLED
        if self._life.source_error:
            delay_s, state = self._timings.source_retry_s, SourceState.FAILED
        logger.warning(
            "capture stopped", extra=fields(reason=reason, retry_s=delay_s, failures=failures)
        )
        self._on_state(state, self._life.info, reason)
        return delay_s

    def _take(self, message: wire.Message) -> None:
        if isinstance(message, AccessUnit):
            self._take_unit(message)
        elif isinstance(message, wire.State):
            self._take_state(message)
        elif isinstance(message, wire.Dropped):
            logger.warning(
                "capture dropped", extra=fields(layer=message.layer, units=message.units)
            )

    def _take_unit(self, unit: AccessUnit) -> None:
        unit.seq += self._seq_base[unit.layer]
        self._seq_next[unit.layer] = unit.seq + 1
        self._life.last_unit_at = self._now()
        if self._life.is_stalled:
            self._life.is_stalled = False
            self._on_state(SourceState.RUNNING, self._life.info, "")
        self._on_unit(unit)

    def _take_state(self, message: wire.State) -> None:
        if message.state is SourceState.FAILED:
            self._life.source_error = message.text or "the source failed"
            if self._link is not None:
                self._link.close()
            return
        self._life.info = message.info or self._life.info
        self._life.last_unit_at = self._now()
        self._on_state(message.state, self._life.info, message.text)

    async def _end_child(self) -> int | None:
        """Ask the child to end, make it end, and collect its exit code."""
        link, process = self._link, self._process
        if link is not None:
            link.send(wire.Stop())
        if process is not None:
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), self._timings.stop_s)
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
            await process.wait()
        if link is not None:
            link.close()
            await link.lost.wait()
        self._link = self._process = None
        return process.returncode if process else None


def _explain_exit(code: int | None) -> str:
    if code is None:
        return "the capture child could not be started"
    if code < 0:
        return f"the capture child was killed by signal {-code}"
    return f"the capture child ended with exit code {code}"
