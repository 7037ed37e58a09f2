"""Run the capture child and keep it running: spawn, brief, obey its watchdog, replace.

It must not know sources, encoders or viewers: it carries units one way and wishes the other. What
is tried when, and why, is in docs/decisions/supervision.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import SourceError
from mqcam.log import fields

from mqcam_device.capture import spawning, wire
from mqcam_device.capture.ladder import Ladder
from mqcam_device.capture.questions import Questions
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.capture.watchdog import Step, Verdict, Watchdog
from mqcam_device.media import MAIN, AccessUnit, SourceState, StreamInfo
from mqcam_device.seldom import Seldom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mqcam_device.capture.spawning import Spawned
    from mqcam_device.media import ControlValue, SourceSettings

logger = logging.getLogger(__name__)

OnUnit = Callable[[AccessUnit], None]
OnState = Callable[[SourceState, StreamInfo | None, str], None]

RESTARTING = "camera restarting: "
"""How a sentence begins that viewers read while the picture is about to come back."""

MOST_UNDEAD: Final = 3
"""With so many children that a driver keeps from dying no other is started: each has its memory."""

_AT_WORK: Final = frozenset({"rtsp"})
"""Kinds of sources that reconnect by themselves, which takes longer than a camera's restart."""

_PING_NUMBER = 0
_DROPS_TOLD_EVERY_S = 10.0


@dataclass(slots=True)
class _Wish:
    """What a layer should do, for this child and the next."""

    active: bool = False
    bitrate_bps: int | None = None


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
        program: Sequence[str] = spawning.PROGRAM,
    ) -> None:
        self._settings = settings
        self._on_unit = on_unit
        self._on_state = on_state
        self._timings = timings or CaptureTimings()
        self._program = program
        self._wishes: defaultdict[str, _Wish] = defaultdict(_Wish)
        self._fps: float | None = None
        self._seq_base: defaultdict[str, int] = defaultdict(int)
        self._seq_next: defaultdict[str, int] = defaultdict(int)
        self._questions = Questions(self._send)
        self._ladder = Ladder(self._timings)
        self._watchdog = Watchdog(timings=self._timings, began_at=0.0)
        self._child: Spawned | None = None
        self._undead: list[Spawned] = []
        self._info: StreamInfo | None = None
        self._state: SourceState | None = None
        self._source_error = ""
        self._source_note = self._source_trouble = ""
        self._trouble = ""
        self._seldom = Seldom(logger)
        self._dropped = 0
        self._drops_told_at = float("-inf")
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_running = False
        self._is_wanted = False
        self.respawns = 0
        self.reopens = 0

    @property
    def pid(self) -> int | None:
        """The running child's process id."""
        return self._child.pid if self._child else None

    @property
    def restarts(self) -> int:
        """How often the camera had to be opened anew, in the same child or another."""
        return self.reopens + self.respawns

    async def run(self) -> None:
        """Keep a child running until `stop` or cancellation."""
        self._is_running = True
        try:
            if not self._stopping.is_set():
                self._tell(SourceState.STARTING, "")
            while not self._stopping.is_set():
                reason = await self._live()
                if self._stopping.is_set():
                    break
                await self._pause(self._tell_end(reason))
                self.respawns += 1
        finally:
            self._ended.set()
        self._info = None
        self._tell(SourceState.STOPPED, "")

    def set_active(self, layer: str, active: bool) -> None:
        """Encode a layer or rest it; the first unit of an activated layer is a keyframe."""
        self._wishes[layer].active = active
        self._is_wanted = self._is_wanted or active
        self._watchdog.set_active(layer, active, self._now())
        self._woken.set()
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

    async def ask(
        self, verb: str, args: Mapping[str, Any] | None = None, *, timeout_s: float = 5.0
    ) -> dict[str, Any]:
        """Ask the child a question, one of those that `wire` names, and return its answer.

        Raises SourceError with the child's sentence, after ``timeout_s``, and when there is no
        child to ask. Controls that were set are remembered for the next child.
        """
        if self._child is None or not self._watchdog.has_started:
            raise SourceError("camera", self._source_error or "is restarting; try again")
        result = await self._questions.ask(verb, args or {}, timeout_s)
        if verb == wire.SET_CONTROLS and args is not None:
            self._remember(args["values"])
        return result

    async def stop(self) -> None:
        """End the child and `run`, within ``stop_s`` and a little."""
        self._stopping.set()
        self._woken.set()
        if self._is_running:
            await self._ended.wait()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _send(self, message: wire.Message) -> None:
        if self._child is not None:
            self._child.link.send(message)

    def _remember(self, controls: Mapping[str, ControlValue]) -> None:
        self._settings = self._settings.with_controls(controls)

    async def _pause(self, pause_s: float) -> None:
        """Wait before the next child; who comes to look meanwhile need not wait for long."""
        begun_at, self._is_wanted = self._now(), False
        while not self._stopping.is_set():
            whole_s = min(pause_s, self._timings.eager_s) if self._is_wanted else pause_s
            rest_s = begun_at + whole_s - self._now()
            if rest_s <= 0:
                return
            self._woken.clear()
            await self._wake(rest_s)

    async def _wake(self, timeout_s: float) -> None:
        """Wait for news or the time-out; `asyncio.wait_for` of 3.11 may forget a cancellation."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()

    async def _live(self) -> str:
        """Run one child to its end; returns why it ended, for a person."""
        self._source_error = self._source_trouble = self._trouble = ""
        self._watchdog = Watchdog(timings=self._timings, began_at=self._now())
        self._watchdog.begin(name for name, wish in self._wishes.items() if wish.active)
        self._seq_base.update(self._seq_next)
        why = ""
        try:
            self._count_undead()
            self._child = await spawning.spawn(self._program, self._take, self._woken.set)
            self._brief()
            await self._watch(self._child)
            why = self._trouble or self._source_error or self._child.link.error
        except OSError as error:
            why = f"the capture child cannot be started: {error}"
        finally:
            explanation = await self._end_child()
            self._questions.fail("restarted before it could answer; try again")
        return why or explanation

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

    async def _watch(self, child: Spawned) -> None:
        """Wait until the child ends or must be ended."""
        while not (self._stopping.is_set() or child.link.lost.is_set() or self._trouble):
            rest_s = self._watchdog.due_at() - self._now()
            await self._wake(max(rest_s, 0.0))
            self._woken.clear()
            if not child.link.lost.is_set():
                self._act(self._watchdog.check(self._now()))
                if self._is_back_unseen():
                    self._tell_running()

    def _act(self, verdict: Verdict | None) -> None:
        if verdict is None:
            return
        if verdict.step is Step.PING:
            self._ping()
        elif verdict.step is Step.REOPEN and self._ladder.takes_reopening(self._now()):
            self._reopen(verdict)
        elif verdict.layer:
            self._seldom.log(logging.WARNING, "layer does not come", layer=verdict.layer)
            self._watchdog.give_up(verdict.layer)
        else:
            self._give_up(verdict.why)

    def _ping(self) -> None:
        self._watchdog.note_ping(self._now())
        within_s = self._timings.answer_s
        self._send(wire.Ask(number=_PING_NUMBER, verb=wire.PING, args={}, within_s=within_s))

    def _reopen(self, verdict: Verdict) -> None:
        """Let the child open its camera anew, and ask whether it hears: a frozen one does not."""
        self.reopens += 1
        why = self._source_trouble or verdict.why
        self._seldom.log(logging.WARNING, "camera reopened", reason=why, layer=verdict.layer)
        self._tell(SourceState.STALLED, RESTARTING + why)
        self._watchdog.note_reopen(self._now(), verdict.layer)
        self._send(wire.Reopen())
        self._ping()

    def _give_up(self, why: str) -> None:
        """Have the child killed: there is no use in asking it to end."""
        self._trouble = why
        self._woken.set()

    def _tell_end(self, reason: str) -> float:
        """Report the end of a child and return the pause before the next."""
        error = self._source_error
        pause_s = self._ladder.pause_s(self._now(), is_source_error=bool(error))
        self._seldom.log(logging.WARNING, "capture stopped", reason=reason, retry_s=pause_s)
        if error or self._ladder.is_failed:
            self._tell(SourceState.FAILED, reason)
        else:
            self._tell(SourceState.STALLED, RESTARTING + reason)
        return pause_s

    def _tell_running(self) -> None:
        self._source_trouble = ""
        self._tell(SourceState.RUNNING, self._source_note)

    def _tell(self, state: SourceState, text: str) -> None:
        self._state = state
        self._on_state(state, self._info, text)

    def _take(self, message: wire.Message) -> None:
        if isinstance(message, AccessUnit):
            self._take_unit(message)
        elif isinstance(message, wire.State):
            self._take_state(message)
        elif isinstance(message, wire.Reply):
            self._take_reply(message)
        elif isinstance(message, wire.Dropped):
            self._take_drop(message)

    def _take_unit(self, unit: AccessUnit) -> None:
        if self._trouble:
            return
        now = self._now()
        self._ladder.note_unit(now)
        if not self._watchdog.note_unit(unit.layer, now):
            self._give_up("the camera delivers far more pictures than it announced")
            return
        unit.seq += self._seq_base[unit.layer]
        self._seq_next[unit.layer] = unit.seq + 1
        if unit.keyframe:
            self._woken.set()  # the next picture of a layer is due sooner than its first was
        is_here = self._watchdog.has_started and not self._watchdog.is_away
        if self._state is not SourceState.RUNNING and is_here:
            self._tell_running()
        self._on_unit(unit)

    def _take_state(self, message: wire.State) -> None:
        self._info = message.info or self._info
        if message.state is SourceState.FAILED:
            self._source_error = message.text or "the source failed"
            if self._child is not None:
                self._child.link.close()
        elif message.state is SourceState.RUNNING:
            self._take_running(message.text)
        else:
            self._source_trouble = message.text
            if self._settings.kind in _AT_WORK:
                self._watchdog.note_excuse(self._now())
                self._woken.set()
            self._tell(message.state, message.text)

    def _take_running(self, note: str) -> None:
        """Believe a source that it runs; after trouble, where pictures are due, only with one."""
        self._source_note, self._source_trouble = note, ""
        was_troubled = self._state in {SourceState.STALLED, SourceState.FAILED}
        self._watchdog.note_running(self._info, self._now())
        self._woken.set()
        if not (was_troubled and self._watchdog.is_expecting):
            self._tell_running()

    def _is_back_unseen(self) -> bool:
        """Tell whether a source says that it runs, and no picture is due that would prove it."""
        if self._state not in {SourceState.STALLED, SourceState.FAILED} or self._child is None:
            return False
        has_trouble = self._trouble or self._source_error or self._source_trouble
        dog = self._watchdog
        return dog.has_started and not (has_trouble or dog.is_away or dog.is_expecting)

    def _take_reply(self, reply: wire.Reply) -> None:
        if reply.number != _PING_NUMBER:
            self._questions.take(reply)
            return
        self._act(self._watchdog.note_answer(float(reply.result["busy_s"]), self._now()))
        self._woken.set()  # the next question may be due before what was due so far

    def _take_drop(self, message: wire.Dropped) -> None:
        """Log what was dropped, not too often: who reads slowly is not helped by more work."""
        self._dropped += message.units
        now = self._now()
        if now - self._drops_told_at >= _DROPS_TOLD_EVERY_S:
            logger.warning(
                "capture dropped", extra=fields(layer=message.layer, units=self._dropped)
            )
            self._drops_told_at, self._dropped = now, 0

    def _count_undead(self) -> None:
        """Raise OSError while too many children have not died."""
        self._undead = [child for child in self._undead if child.process.returncode is None]
        if len(self._undead) >= MOST_UNDEAD:
            count = len(self._undead)
            raise OSError(f"{count} earlier ones hang in the camera's driver; restart the device")

    async def _end_child(self) -> str:
        """End the child: at once if it is beyond hope, else in good order; returns how it ended."""
        child = self._child
        if child is None:
            return "the capture child could not be started"
        is_hopeless = bool(self._trouble or child.link.error)
        try:
            return await child.end(
                grace_s=0.0 if is_hopeless else self._timings.stop_s, kill_s=self._timings.kill_s
            )
        finally:
            self._child = None
            if child.process.returncode is None:
                self._undead.append(child)
