"""A selftest borrows the running agent's camera, or opens it, and leaves both as they were."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.errors import ControlError
from mqcam_device.cli import main
from mqcam_device.control import ask
from support.agent import SMALL, RunningAgent, has_pictures
from support.watching import EVERY, Recorder, gaps, viewer

if TYPE_CHECKING:
    from pathlib import Path

    from support.broker import ShippedBroker

    Captured = pytest.CaptureFixture[str]

SHORT = ["--seconds", "2"]
FULL_S = 9.0


def selftest(config: Path, capsys: Captured, *options: str) -> dict[str, Any]:
    """Run the command; a busy machine may spoil the video, and the code must say so."""
    code = main(["selftest", "--config", str(config), "--json", *options])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == {"good": 0, "bad": 1}[found["verdict"]]
    return found


async def test_a_running_agents_camera_is_borrowed_by_one_and_rests_again(
    camera: RunningAgent, capsys: Captured
) -> None:
    running = asyncio.create_task(asyncio.to_thread(selftest, camera.config, capsys, *SHORT))
    await camera.until(lambda status: status["layers"] == {"main": 1})
    with pytest.raises(ControlError, match="running already"):
        ask(camera.name, "selftest", camera.folder, {"seconds": 2})
    found = await running
    assert found["borrowed"]
    assert found["kind"] == "pattern"
    assert (found["stream"]["width"], found["stream"]["height"]) == (640, 360)
    figures = found["figures"]
    assert figures["profile_level_id"] == found["stream"]["profile_level_id"]
    assert figures["fps"] > 5
    assert figures["first_ms"] > 0
    assert 0 < figures["age_p50_ms"] <= figures["age_p95_ms"]
    assert len(figures["keyframes_ms"]) + figures["keyframes_missed"] == 1
    assert figures["agent_cores"] > 0
    assert figures["capture_cores"] > 0
    assert figures["capture_pss_bytes"] > 1_000_000
    await camera.until(lambda status: status["layers"] == {})


@pytest.mark.alone
async def test_a_viewer_misses_no_picture_while_the_camera_is_borrowed(
    broker: ShippedBroker, camera: RunningAgent, capsys: Captured
) -> None:
    async with viewer(broker) as client, client.watch(camera.name, max_waiting=EVERY) as stream:
        recorder = Recorder(stream)
        await recorder.more(5)
        found = await asyncio.to_thread(selftest, camera.config, capsys, *SHORT)
        await recorder.more(5)
        await recorder.stop()
    assert gaps(recorder.numbers) == []
    assert found["watchers"] == 1
    assert found["figures"]["steps_skipped"] == "1 is watching"


@pytest.mark.parametrize("seconds", [None, "2", 1, 61, float("inf")])
def test_the_agent_lends_its_camera_for_no_odd_time(camera: RunningAgent, seconds: object) -> None:
    with pytest.raises(ControlError, match="2 to 60 seconds"):
        ask(camera.name, "selftest", camera.folder, {"seconds": seconds})


def test_the_command_refuses_an_odd_time_as_usage(camera: RunningAgent, capsys: Captured) -> None:
    assert main(["selftest", "--config", str(camera.config), "--seconds", "1"]) == 2
    assert "--seconds with 2 to 60" in capsys.readouterr().err


@pytest.mark.long
async def test_the_bit_rate_is_tried_and_given_back(
    broker: ShippedBroker, capsys: Captured
) -> None:
    with RunningAgent(broker, name="rates", settings=SMALL) as camera:
        await camera.until(has_pictures)
        found = await asyncio.to_thread(selftest, camera.config, capsys, "--seconds", str(FULL_S))
    steps = found["figures"]["steps"]
    assert [step["asked_bps"] for step in steps] == [400_000, 800_000]
    for step in steps:
        assert step["reached_bps"] == pytest.approx(step["asked_bps"], rel=0.25)


@pytest.fixture
def config(broker: ShippedBroker, tmp_path: Path) -> Path:
    """Return the configuration of a camera whose agent does not run."""
    path = tmp_path / "device.yaml"
    credentials = broker.credentials("device", "resting")
    path.write_text(f"credentials: '{credentials}'\nruntime_dir: .\nstate_dir: .\n{SMALL}")
    return path


def test_without_an_agent_the_camera_is_opened(config: Path, capsys: Captured) -> None:
    code = main(["selftest", "--config", str(config), *SHORT])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "resting, opened for this; no agent runs"
    assert any("ms after camera and encoder were started" in line for line in lines)
    assert any("640x360, " in line and " per second of 30" in line for line in lines)
    assert lines[-1].startswith("good: ") == (code == 0)


def test_a_camera_without_credentials_can_be_tried_too(tmp_path: Path, capsys: Captured) -> None:
    config = tmp_path / "device.yaml"
    config.write_text(f"credentials: none-yet.yaml\nruntime_dir: .\nstate_dir: .\n{SMALL}")
    assert selftest(config, capsys, *SHORT)["borrowed"] is False


def test_a_camera_that_cannot_be_opened_says_why(config: Path, capsys: Captured) -> None:
    with config.open("a") as file:
        file.write("source: {kind: film, path: missing.mp4}\n")
    assert main(["selftest", "--config", str(config), *SHORT]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "missing.mp4" in said.err
    assert said.err.count("\n") == 1
