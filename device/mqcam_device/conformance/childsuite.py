"""The tests of a source in its capture child, seen from the agent. Needs pytest.

It must not know any kind of source, nor how the child is supervised beyond `CaptureProcess`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import pytest

from mqcam_device.capture.process import CaptureProcess
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.conformance import judgement
from mqcam_device.conformance.rig import Fault, Rig
from mqcam_device.conformance.scene import UNIT_S, opened
from mqcam_device.conformance.suite import require, require_none
from mqcam_device.media import MAIN, SourceState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from mqcam_device.media import AccessUnit, StreamInfo

TIMINGS = CaptureTimings(
    stop_s=0.5,
    stall_s=0.25,
    first_unit_s=0.5,
    answer_s=0.3,
    respawn_s=(0.05, 0.1),
    source_retry_s=(0.2,),
)
"""Those of the agent, in less time."""

NOTICED_S = 1.5
"""How long a fault may do its work before it heals, if nobody says that it was noticed."""

FEW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """A name for what is done to the child or to what it takes its pictures from."""

    name: str
    signal: signal.Signals | None = None
    fault: Fault | None = None
    is_slow: bool = False

    def strike(self, rig: Rig, pid: int) -> None:
        """Do it."""
        if self.signal is not None:
            os.kill(pid, self.signal)
        if self.fault is not None:
            rig.strike(self.fault)


OF_ANY_CHILD = (
    Blow(name="child killed", signal=signal.SIGKILL),
    Blow(name="child frozen", signal=signal.SIGSTOP, is_slow=True),
)


class CaptureConformance:
    """What every source does in its child. Set ``rig_type`` in a subclass ``Test...``."""

    rig_type: ClassVar[type[Rig]] = Rig

    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        """Open a rig for one test."""
        with opened(self.rig_type) as rig:
            yield rig

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Strike in every way that there is for any child and for this source."""
        if "blow" in metafunc.fixturenames:
            of_rig = (Blow(name=fault.value, fault=fault) for fault in self.rig_type.faults)
            blows = (*OF_ANY_CHILD, *of_rig)
            marked = [
                pytest.param(blow, id=blow.name, marks=[pytest.mark.long] if blow.is_slow else [])
                for blow in blows
            ]
            metafunc.parametrize("blow", marked)

    def test_it_recovers_and_goes_on_with_a_keyframe(self, rig: Rig, blow: Blow) -> None:
        asyncio.run(_recover(rig, blow))


async def _recover(rig: Rig, blow: Blow) -> None:
    async with _running(rig) as audience:
        await audience.until(lambda: len(audience.units) >= FEW, UNIT_S, "no picture came")
        info = audience.info
        blow.strike(rig, audience.pid)
        await audience.noticed(NOTICED_S)
        rig.heal()
        healed = len(audience.units)
        audience.process.request_keyframe()
        await audience.until(
            lambda: audience.has_recovered(healed), rig.recovery_s, f"no recovery: {blow.name}"
        )
        units = audience.units
        require_none(judgement.wrong_labels(units))
        require_none(judgement.wrong_start(units))
        require_none(_wrong_growth(units))
        if audience.process.respawns:  # a stall may end by itself: that is no new beginning
            require_none(judgement.wrong_start(units[audience.trouble_at :]))
        require(audience.info == info, "the stream is described differently after the recovery")


def _wrong_growth(units: list[AccessUnit]) -> list[str]:
    """Judge numbers: they grow, and where some are missing a viewer asks for a keyframe."""
    return [
        f"unit {other.seq} follows unit {one.seq}"
        for one, other in pairwise(units)
        if other.seq <= one.seq
    ]


class _Audience:
    """What the agent sees."""

    def __init__(self, rig: Rig) -> None:
        self.units: list[AccessUnit] = []
        self.states: list[tuple[SourceState, str]] = []
        self.info: StreamInfo | None = None
        self.process = CaptureProcess(
            rig.settings, on_unit=self._take, on_state=self._hear, timings=TIMINGS
        )
        self.trouble_at = 0
        """How many units had come when trouble was told last."""
        self._changed = asyncio.Event()

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        pid = self.process.pid
        if pid is None:
            raise RuntimeError("there is no child")
        return pid

    async def until(self, is_so: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
        """Wait until something holds; fail with a sentence when it does not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            said = "; ".join(f"{state.value} {text}".strip() for state, text in self.states)
            pytest.fail(f"{otherwise} within {timeout_s:g} s; the states: {said}", pytrace=False)

    async def noticed(self, timeout_s: float) -> None:
        """Wait until trouble is told, or a while: some faults a source hides."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.trouble_at:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def has_recovered(self, since: int) -> bool:
        """Tell whether it runs, and has delivered a keyframe and more since so many units."""
        new = self.units[since:]
        places = [place for place, unit in enumerate(new) if unit.keyframe]
        is_running = self.states[-1][0] is SourceState.RUNNING
        return is_running and bool(places) and len(new) >= places[0] + FEW

    def _take(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._changed.set()

    def _hear(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        self.states.append((state, text))
        if state is SourceState.RUNNING:
            self.info = info or self.info
        elif state in {SourceState.STALLED, SourceState.FAILED}:
            self.trouble_at = len(self.units)
        self._changed.set()


@asynccontextmanager
async def _running(rig: Rig) -> AsyncIterator[_Audience]:
    audience = _Audience(rig)
    task = asyncio.create_task(audience.process.run(), name="capture")
    audience.process.set_active(MAIN, True)
    try:
        yield audience
    finally:
        async with asyncio.timeout(10):
            await audience.process.stop()
            await task
