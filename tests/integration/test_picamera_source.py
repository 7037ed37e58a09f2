"""The picamera source with the real picamera2, on the fake camera of other processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.scene import PI_4, Scene
from mqcam_device.capture.process import CaptureProcess
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.media import MAIN, AccessUnit, SourceSettings, SourceState, StreamInfo
from support.picamera import PICAMERA2, FakeCamera

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

TRIALS = ("codec", "frozen_codec", "owners_wishes", "rest", "hanging", "refusals")
OF_PI_4 = ("codec", "frozen_codec")
SIDE_BY_SIDE = 3
DEADLINE_S = 40.0
GROWTH_LIMIT_KIB = 16 * 1024


class Done:
    """A trial that is over: what it told, and what its camera was asked."""

    def __init__(self, name: str, folder: Path) -> None:
        self.camera = FakeCamera(folder / name, Scene(devices=PI_4 if name in OF_PI_4 else {}))
        run = subprocess.run(
            [sys.executable, "-P", "-m", "support.picamera_source_trials", name],
            env={**os.environ, **self.camera.environ},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        self.complaint = run.stderr
        self.told: dict[str, Any] = json.loads(run.stdout) if run.stdout else {}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Done]:
    """Run all trials: most of their time they wait for picamera2's threads to end."""
    if not PICAMERA2.is_dir():
        pytest.skip("needs picamera2: make test installs it")
    folder = tmp_path_factory.mktemp("trials")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        done = pool.map(lambda name: Done(name, folder), TRIALS)
        return dict(zip(TRIALS, done, strict=True))


@pytest.mark.parametrize("name", TRIALS)
def test_nothing_is_complained_of(trials: Mapping[str, Done], name: str) -> None:
    assert trials[name].complaint == ""


def test_the_codec_is_told_rates_in_steps_and_above_the_floor(trials: Mapping[str, Done]) -> None:
    done = trials["codec"]
    assert done.told["asked"] == [1_225_000, 700_000]
    assert done.told["range"] == [700_000, 4_000_000]
    set_controls = [
        (each["control"].removeprefix("MPEG_VIDEO_"), each["value"])
        for each in done.camera.recorded("encoder control")
    ]
    assert set_controls[:4] == [
        ("BITRATE", 1_500_000),
        ("H264_PROFILE", 1),  # constrained baseline
        ("H264_I_PERIOD", 60 * 3600),
        ("REPEAT_SEQ_HEADER", 1),
    ]
    assert ("BITRATE", 1_225_000) in set_controls
    assert ("BITRATE", 700_000) in set_controls


def test_a_layers_encoder_runs_only_while_it_has_viewers(trials: Mapping[str, Done]) -> None:
    done = trials["codec"]
    sizes = [each["size"] for each in done.camera.recorded("encoder start")]
    assert sizes[:3] == [[640, 480], [640, 480], [480, 360]]  # the first one told its profile
    assert done.told["still flows"]


def test_an_old_picamera2_is_asked_for_keyframes_by_the_codecs_own_control(
    trials: Mapping[str, Done],
) -> None:
    done = trials["codec"]
    assert done.told["old keyframe"]
    forced = [
        each
        for each in done.camera.recorded("encoder control")
        if each["control"] == "MPEG_VIDEO_FORCE_KEY_FRAME"
    ]
    assert len(forced) == 1


def test_a_codec_that_freezes_is_stopped_in_time(trials: Mapping[str, Done]) -> None:
    told = trials["frozen_codec"].told
    assert told["stopped"]


def test_the_night_is_slow_in_both_layers_and_no_fault(trials: Mapping[str, Done]) -> None:
    told = trials["frozen_codec"].told
    assert all(5 < fps < 11 for fps in told["night fps"].values())  # every picture of ten in both
    assert told["one time"]  # of each picture that both show
    assert told["failure"] == ""


def test_the_sensor_mirrors_and_a_quarter_turn_is_left(trials: Mapping[str, Done]) -> None:
    done = trials["owners_wishes"]
    assert done.told["left"] == 270
    [configured] = done.camera.recorded("configure")
    assert configured["orientation"] == "Rotate180Mirror"  # vflip: it is mirrored once upright


def test_a_camera_without_a_control_starts_and_says_so(trials: Mapping[str, Done]) -> None:
    done = trials["owners_wishes"]
    assert done.told["notes"] == ["sharpness: this camera cannot be told that"]
    at_start = done.told["at start"]
    assert (at_start["AfMode"], at_start["AnalogueGain"]) == (2, 4.0)
    assert at_start["FrameDurationLimits"] == [16_667, 200_000]
    events = [each["event"] for each in done.camera.recorded()]
    assert events.index("sensor hdr") < events.index("open")


def test_controls_change_at_run_time_all_or_none(trials: Mapping[str, Done]) -> None:
    told = trials["owners_wishes"].told
    assert told["refused"] == "sharpness: this camera cannot be told that"
    at_run_time = told["at run time"]
    assert "Brightness" not in at_run_time
    assert at_run_time["ScalerCrop"] == [2304, 1296, 2304, 1296]
    assert (at_run_time["AfMode"], at_run_time["LensPosition"]) == (0, 2.0)
    assert told["values"]["autofocus"] == "manual"
    assert "sharpness" not in told["values"]


def test_a_camera_that_nobody_looks_at_rests_and_comes_back_as_it_was(
    trials: Mapping[str, Done],
) -> None:
    told = trials["rest"].told
    assert told["starts before"] == 1
    assert told["snapshot"] == "ffd8"
    assert told["first is keyframe"]
    assert told["controls"]["AnalogueGain"] == 4.0
    assert told["again"]


def test_a_stalled_camera_refuses_a_snapshot_stops_and_is_replaced(
    trials: Mapping[str, Done],
) -> None:
    told = trials["rest"].told
    assert told["stalled"] == "snapshot: no picture came within 0.2 s"
    assert told["stopped"]
    assert told["new one"]


def test_a_stop_that_hangs_is_given_up_in_time(trials: Mapping[str, Done]) -> None:
    told = trials["hanging"].told
    assert not told["stopped"]
    assert told["stop_s"] < 1.0
    assert told["silent"]
    assert told["asked"] == "picamera: the camera is being stopped"


def test_each_reason_not_to_start_is_said(trials: Mapping[str, Done]) -> None:
    told = trials["refusals"].told
    assert "no camera found: check the ribbon cable" in told["none"]
    assert "'kind: usb' is for USB cameras" in told["usb"]
    assert "there is no camera /base/soc/i2c0mux/i2c@1/ov5647@36; there is /base/" in told["other"]
    assert "Failed to start camera: Input/output error" in told["broken"]
    assert "gave no picture within 0.3 s: check its cable" in told["silent"]
    assert "takes 1920x1080 at most, not 2304x1296" in told["large"]


class Audience:
    """What the agent sees of its capture child, until it has seen enough."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.states: list[SourceState] = []
        self._changed = asyncio.Event()

    def take(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._changed.set()

    def hear(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        self.states.append(state)
        self._changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def in_its_child(
    timings: CaptureTimings | None = None,
) -> AsyncIterator[tuple[CaptureProcess, Audience]]:
    """Run a capture child with a camera that somebody looks at."""
    settings = SourceSettings(kind="picamera", width=640, height=480, bitrate_bps=800_000)
    audience = Audience()
    process = CaptureProcess(
        settings, on_unit=audience.take, on_state=audience.hear, timings=timings
    )
    process.set_active(MAIN, True)
    task = asyncio.create_task(process.run(), name="capture")
    try:
        await audience.until(lambda: len(audience.units) > 5)
        yield process, audience
    finally:
        await process.stop()
        await task


async def test_in_its_child_a_camera_that_stalls_is_opened_anew(fake_camera: FakeCamera) -> None:
    async with in_its_child() as (process, audience):
        await stall(fake_camera, process, audience)
        assert process.respawns == 0
        assert SourceState.STALLED in audience.states
        assert not {"numpy", "picamera2", "libcamera"} & sys.modules.keys()


async def stall(camera: FakeCamera, process: CaptureProcess, audience: Audience) -> float:
    """Stall the camera and return for how long there was no picture."""
    camera.stall()
    reopens = process.reopens
    await audience.until(lambda: process.reopens > reopens)
    before = audience.units[-1]
    count = len(audience.units)
    await audience.until(lambda: len(audience.units) > count + 5)
    assert audience.units[count].keyframe
    return (audience.units[count].captured_ns - before.captured_ns) / 1e9


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("devices", [PI_4, {}], ids=["hardware", "software"])
async def test_fifty_stalls_in_one_child_leave_nothing_behind(
    fake_camera: FakeCamera, devices: dict[str, str]
) -> None:
    fake_camera.scene = Scene(devices=devices)
    sizes: list[tuple[int, int]] = []
    timings = CaptureTimings(healthy_s=0.3, reopens=1000)
    async with in_its_child(timings) as (process, audience):
        for _ in range(50):
            assert await stall(fake_camera, process, audience) < 4.0
            sizes.append(size_of(process.pid or 0))
            count = len(audience.units)
            await audience.until(lambda: len(audience.units) > count + 15)  # noqa: B023
        assert process.respawns == 0
    (first_kib, _), (last_kib, _) = sizes[5], sizes[-1]
    assert last_kib - first_kib < GROWTH_LIMIT_KIB
    assert len({descriptors for _, descriptors in sizes[5:]}) <= 2


def size_of(pid: int) -> tuple[int, int]:
    """Return a process's resident memory in KiB, and how many descriptors it has."""
    [line] = (each for each in status_of(pid) if each.startswith("VmRSS:"))
    return int(line.split()[1]), len([*Path(f"/proc/{pid}/fd").iterdir()])


def status_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
