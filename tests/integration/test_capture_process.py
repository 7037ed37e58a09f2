"""The agent's side of the capture child, with the real child."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam_device.capture.process import CaptureProcess
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.media import LOW, MAIN, AccessUnit, SourceSettings, SourceState, StreamInfo
from support.films import make_audio_only, make_film

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

SMALL = SourceSettings(width=320, height=240, bitrate_bps=300_000, label="test")
FAST = CaptureTimings(stall_s=0.5, respawn_s=(0.05, 0.1), source_retry_s=(0.2,))
DEADLINE_S = 15.0


class Listener:
    """Remembers what the process reports and lets a test wait for it."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.states: list[tuple[SourceState, StreamInfo | None, str]] = []
        self._changed = asyncio.Event()

    def on_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._changed.set()

    def on_state(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        self.states.append((state, info, text))
        self._changed.set()

    def texts(self, state: SourceState) -> list[str]:
        return [text for found, _, text in self.states if found is state]

    def count(self, state: SourceState) -> int:
        return len(self.texts(state))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def until_units(self, count: int) -> None:
        await self.until(lambda: len(self.units) >= count)


@asynccontextmanager
async def running(
    settings: SourceSettings = SMALL, timings: CaptureTimings = FAST
) -> AsyncIterator[tuple[CaptureProcess, Listener]]:
    listener = Listener()
    process = CaptureProcess(
        settings, on_unit=listener.on_unit, on_state=listener.on_state, timings=timings
    )
    task = asyncio.create_task(process.run(), name="capture")
    try:
        yield process, listener
    finally:
        async with asyncio.timeout(DEADLINE_S):
            await process.stop()
            await task


async def test_activated_at_once_the_first_unit_is_a_keyframe() -> None:
    async with running() as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(3)
    assert [unit.keyframe for unit in listener.units[:3]] == [True, False, False]
    states = [state for state, _, _ in listener.states]
    assert states == [SourceState.STARTING, SourceState.RUNNING, SourceState.STOPPED]


async def test_the_stream_is_described_before_anybody_looks() -> None:
    async with running() as (_, listener):
        await listener.until(lambda: listener.count(SourceState.RUNNING) == 1)
    info = listener.states[1][1]
    assert info is not None
    assert (info.width, info.height, info.profile_level_id[:4]) == (320, 240, "42c0")
    assert listener.units == []


async def test_units_are_fresh() -> None:
    """From drawing to the agent in a fraction of a frame interval."""
    ages_ns: list[int] = []
    async with running() as (process, listener):
        process.set_active(MAIN, True)
        while len(ages_ns) < 20:
            await listener.until_units(len(ages_ns) + 1)
            ages_ns.append(time.monotonic_ns() - listener.units[-1].captured_ns)
    assert sorted(ages_ns)[10] < 20_000_000


async def test_a_keyframe_comes_soon_after_its_request() -> None:
    async with running() as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(3)
        asked_ns = time.monotonic_ns()
        process.request_keyframe()
        await listener.until(lambda: listener.units[-1].keyframe)
        later = [unit for unit in listener.units if unit.captured_ns > asked_ns]
        assert len(later) <= 2


async def test_a_killed_child_is_replaced_and_does_as_the_former() -> None:
    """Numbers go on, the first unit is a keyframe, activation and rates are kept."""
    async with running() as (process, listener):
        process.set_active(MAIN, True)
        process.set_framerate(10)
        await listener.until(lambda: [s[1].fps_max for s in listener.states if s[1]][-1:] == [10])
        await listener.until_units(3)
        former = process.pid
        assert former is not None
        os.kill(former, signal.SIGKILL)
        await listener.until(lambda: listener.count(SourceState.STALLED) == 1)
        before = len(listener.units)
        await listener.until_units(before + 3)
        assert process.pid not in (None, former)
        assert process.respawns == 1
        why = "camera restarting: the capture child was killed by signal 9"
        assert listener.texts(SourceState.STALLED) == [why]
        assert listener.units[before].keyframe
        assert listener.units[before].seq == listener.units[before - 1].seq + 1
        assert listener.states[-1][1] is not None
        gap_ns = listener.units[-1].captured_ns - listener.units[-2].captured_ns
        assert gap_ns == pytest.approx(100_000_000, rel=0.4)


async def test_a_killed_child_comes_back_with_both_layers_as_wished() -> None:
    async with running(replace(SMALL, width=1280, height=720)) as (process, listener):
        process.set_active(MAIN, True)
        process.set_bitrate(150_000, LOW)
        process.set_active(LOW, True)
        await listener.until(lambda: {unit.layer for unit in listener.units} == {MAIN, LOW})
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await listener.until(lambda: listener.count(SourceState.STALLED) == 1)
        before = len(listener.units)
        await listener.until(lambda: len(listener.units) >= before + 90)
    for layer in (MAIN, LOW):
        units = [unit for unit in listener.units if unit.layer == layer]
        assert [unit.seq for unit in units] == list(range(len(units)))
        since = [unit for unit in listener.units[before:] if unit.layer == layer]
        assert [unit.keyframe for unit in since] == [True] + [False] * (len(since) - 1)
    rate_bps = sum(len(unit.data) for unit in since) * 8 / (len(since) / 15)
    assert rate_bps <= 200_000


async def test_a_film_has_a_low_layer(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", width=800, height=600, at_ms=range(0, 1000, 40))
    async with running(SourceSettings(kind="film", path=str(path))) as (process, listener):
        process.set_active(MAIN, True)
        process.set_active(LOW, True)
        await listener.until_units(60)
    info = next(info for _, info, _ in listener.states if info is not None)
    low = info.layers[1]
    assert (low.width, low.height, low.fps_max) == (480, 360, 12.5)
    taken = [unit for unit in listener.units if unit.layer == LOW]
    moments = {unit.captured_ns for unit in listener.units if unit.layer == MAIN}
    assert len(taken) == pytest.approx(20, abs=4)
    assert {unit.captured_ns for unit in taken} <= moments


async def test_a_child_that_keeps_dying_is_reported_as_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    async with running() as (_, listener):
        await listener.until(lambda: listener.count(SourceState.FAILED) == 2)
    assert listener.count(SourceState.STALLED) == 2
    assert listener.texts(SourceState.FAILED)[0] == "the capture child ended with exit code 9"


async def test_a_python_that_is_missing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with running() as (process, listener):
        await listener.until(lambda: listener.count(SourceState.STALLED) == 1)
        assert process.pid is None
    assert "cannot be started" in listener.texts(SourceState.STALLED)[0]


async def test_a_child_that_says_nothing_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    timings = replace(FAST, hello_s=0.3, stop_s=0.1)
    async with running(timings=timings) as (_, listener):
        await listener.until(lambda: listener.count(SourceState.STALLED) == 1)
    assert "did not start within" in listener.texts(SourceState.STALLED)[0]


async def test_a_frozen_child_is_told_then_replaced() -> None:
    async with running(timings=replace(FAST, stop_s=0.1)) as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(2)
        former = process.pid
        assert former is not None
        os.kill(former, signal.SIGSTOP)
        await listener.until(lambda: listener.count(SourceState.STALLED) == 1)
        assert process.pid == former
        before = len(listener.units)
        await listener.until_units(before + 2)
        assert process.pid != former
        first, last = listener.texts(SourceState.STALLED)
        assert "no picture for" in first
        assert "has not answered" in last
        assert listener.units[before].keyframe


async def test_a_child_that_thaws_in_time_is_kept() -> None:
    async with running() as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(2)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        await listener.until(lambda: listener.count(SourceState.STALLED) == 1)
        os.kill(process.pid, signal.SIGCONT)
        await listener.until(lambda: listener.count(SourceState.RUNNING) == 2)
        assert process.respawns == 0


async def test_an_idle_child_is_not_taken_for_stalled() -> None:
    async with running(timings=replace(FAST, stall_s=0.05, stall_frames=1)) as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(3)
        process.set_active(MAIN, False)
        await listener.until(lambda: listener.count(SourceState.RUNNING) >= 1)
        count = len(listener.states)
        await asyncio.sleep(0.4)  # eight times the limit
        assert listener.states[count:] == []


async def test_a_missing_film_is_retried_until_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    settings = SourceSettings(kind="film", path=str(path))
    async with running(settings) as (process, listener):
        process.set_active(MAIN, True)
        await listener.until(lambda: listener.count(SourceState.FAILED) == 1)
        make_film(tmp_path / "new.mp4").rename(path)
        await listener.until_units(3)
    assert listener.texts(SourceState.FAILED)[0] == f"{path}: there is no such file"
    assert listener.units[0].keyframe


async def test_a_file_without_video_is_told(tmp_path: Path) -> None:
    path = make_audio_only(tmp_path / "sound.wav")
    async with running(SourceSettings(kind="film", path=str(path))) as (_, listener):
        await listener.until(lambda: listener.count(SourceState.FAILED) == 1)
    assert listener.texts(SourceState.FAILED)[0] == f"{path}: there is no video in this file"


async def test_a_film_plays_round_after_round(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", at_ms=range(0, 200, 40), b_frames=2)
    async with running(SourceSettings(kind="film", path=str(path))) as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(16)
    units = listener.units[:16]
    assert [unit.keyframe for unit in units] == [True] + [False] * 15
    span_s = (units[-1].captured_ns - units[0].captured_ns) / 1e9
    assert span_s == pytest.approx(0.6, abs=0.1)


async def test_a_film_that_vanishes_while_it_plays_is_told(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", at_ms=range(0, 200, 40))
    async with running(SourceSettings(kind="film", path=str(path))) as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(1)
        path.unlink()
        await listener.until(lambda: listener.count(SourceState.FAILED) == 1)
    assert "no such file" in listener.texts(SourceState.FAILED)[0]


@pytest.mark.parametrize("active", [False, True])
async def test_stopping_is_quick(*, active: bool) -> None:
    async with running() as (process, listener):
        process.set_active(MAIN, active)
        await listener.until(lambda: listener.count(SourceState.RUNNING) == 1)
        begun = time.monotonic()
        await process.stop()
        assert time.monotonic() - begun < 1.5
        assert process.pid is None


async def test_stopping_a_frozen_child_is_bounded() -> None:
    async with running(timings=replace(FAST, stop_s=0.2)) as (process, listener):
        await listener.until(lambda: listener.count(SourceState.RUNNING) == 1)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        begun = time.monotonic()
        await process.stop()
        assert time.monotonic() - begun < 1.5


async def test_stopping_before_running_returns_at_once() -> None:
    listener = Listener()
    process = CaptureProcess(SMALL, on_unit=listener.on_unit, on_state=listener.on_state)
    await process.stop()
    await process.run()
    assert [state for state, _, _ in listener.states] == [SourceState.STOPPED]


async def test_cancelling_leaves_no_child() -> None:
    """The leak fixture looks for the process; here it is enough to end."""
    listener = Listener()
    process = CaptureProcess(SMALL, on_unit=listener.on_unit, on_state=listener.on_state)
    task = asyncio.create_task(process.run(), name="capture")
    process.set_active(MAIN, True)
    await listener.until_units(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process.pid is None


async def test_a_listener_that_raises_does_not_stop_the_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener = Listener()

    def on_unit(unit: AccessUnit) -> None:
        listener.on_unit(unit)
        raise RuntimeError("a mistake of ours")

    process = CaptureProcess(SMALL, on_unit=on_unit, on_state=listener.on_state)
    task = asyncio.create_task(process.run(), name="capture")
    process.set_active(MAIN, True)
    await listener.until_units(5)
    await process.stop()
    await task
    assert sum("could not be handled" in record.message for record in caplog.records) == 1


@pytest.mark.long
@pytest.mark.parametrize(("first_bps", "then_bps"), [(2_000_000, 600_000), (600_000, 2_000_000)])
async def test_a_changed_bit_rate_is_reached_within_three_seconds(
    first_bps: int, then_bps: int
) -> None:
    settings = SourceSettings(width=1280, height=720, bitrate_bps=first_bps)
    async with running(settings, CaptureTimings()) as (process, listener):
        process.set_active(MAIN, True)
        await listener.until_units(90)
        process.set_bitrate(then_bps)
        await listener.until_units(240)
    settled = listener.units[180:240]
    assert not any(unit.keyframe for unit in settled)
    rate_bps = sum(len(unit.data) for unit in settled) * 8 / 2
    assert rate_bps == pytest.approx(then_bps, rel=0.25)
