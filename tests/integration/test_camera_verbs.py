"""The verbs about the camera, on the real picamera2 on fakes and on the test camera."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest
from fakes.scene import IMX219, IMX708, PI_4, WEBCAM, Scene
from mqcam.errors import ControlError
from mqcam_device.cli import main
from mqcam_device.control import ask
from mqcam_device.snapshot import jpeg_size
from support.agent import SMALL, RunningAgent, has_pictures
from support.picamera import PICAMERA2

if TYPE_CHECKING:
    from pathlib import Path

    from support.broker import ShippedBroker
    from support.picamera import FakeCamera

    Captured = pytest.CaptureFixture[str]

PICAMERA = "source: {kind: picamera}\n" + SMALL


async def test_a_snapshot_needs_no_viewer(
    camera: RunningAgent, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "front.jpg"
    command = ["snapshot", "--config", str(camera.config), str(file)]
    assert await asyncio.to_thread(main, command) == 0
    assert capsys.readouterr().out == f"{file}  640x360\n"
    assert jpeg_size(file.read_bytes()) == (640, 360)
    await camera.until(lambda status: status["layers"] == {})


def test_a_snapshot_that_cannot_be_written_is_not_taken(
    camera: RunningAgent, tmp_path: Path, capsys: Captured
) -> None:
    command = ["snapshot", "--config", str(camera.config), str(tmp_path / "no/front.jpg")]
    assert main(command) == 1
    assert "its folder does not exist" in capsys.readouterr().err


def test_the_pattern_has_nothing_to_be_set(camera: RunningAgent, capsys: Captured) -> None:
    assert main(["controls", "--config", str(camera.config)]) == 0
    assert "nothing that can be changed" in capsys.readouterr().out
    assert main(["controls", "--config", str(camera.config), "zoom=0,0,1,1"]) == 2
    assert "no control zoom" in capsys.readouterr().err


@pytest.mark.parametrize("values", [None, [], {"zoom": {}}, {"zoom": ["a"]}, {"zoom": None}])
def test_the_agent_refuses_values_that_are_none(camera: RunningAgent, values: object) -> None:
    with pytest.raises(ControlError, match="values are such as"):
        ask(camera.name, "set-controls", camera.folder, {"values": values})


def test_the_agent_passes_on_what_the_camera_refuses(camera: RunningAgent) -> None:
    with pytest.raises(ControlError, match="zoom"):
        ask(camera.name, "set-controls", camera.folder, {"values": {"zoom": [0, 0, 1, 1]}})


def test_cameras_are_listed_without_configuration_or_agent(
    fake_camera: FakeCamera, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(PICAMERA2)  # as on a Pi: it is seen, and not loaded here
    fake_camera.scene = Scene(cameras=(WEBCAM, IMX219, IMX708), devices=PI_4)
    assert main(["cameras", "--json", "--config", str(tmp_path / "none.yaml")]) == 0
    found = json.loads(capsys.readouterr().out)
    pi = [camera for camera in found["cameras"] if camera["kind"] == "picamera"]
    assert [camera["id"] for camera in pi] == [IMX708.id, IMX219.id]
    assert all(camera["usable"] for camera in pi)
    assert pi[1]["sizes"][0].startswith("3280x2464@")
    assert WEBCAM.id not in json.dumps(found)
    assert "picamera2" not in sys.modules
    assert [each["event"] for each in fake_camera.recorded() if each["event"] == "start"] == []


def test_check_looks_for_the_camera_that_is_meant(
    broker: ShippedBroker, fake_camera: FakeCamera, tmp_path: Path, capsys: Captured
) -> None:
    config = tmp_path / "device.yaml"
    lines = f"credentials: '{broker.credentials('device', 'side')}'\nruntime_dir: r\nstate_dir: s\n"
    config.write_text(f"{lines}source: {{kind: picamera, camera: '{IMX708.id}'}}\n")
    assert main(["check", "--config", str(config)]) == 0
    config.write_text(f"{lines}source: {{kind: picamera, camera: nobody}}\n")
    assert main(["check", "--config", str(config)]) == 78
    said = capsys.readouterr().err
    assert f"source.camera: nobody is not plugged in; there is {IMX708.id}" in said
    fake_camera.vanish()
    assert main(["check", "--config", str(config)]) == 78
    assert "cable" in capsys.readouterr().err
    assert fake_camera.recorded("open") == []


def test_a_pi_camera_is_set_tried_and_named(
    broker: ShippedBroker,
    fake_camera: FakeCamera,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_camera.scene = Scene(cameras=(IMX708,), devices=PI_4)
    with RunningAgent(broker, name="garden", settings=PICAMERA) as camera:
        asyncio.run(camera.until(has_pictures))
        options = ["--config", str(camera.config), "--json"]

        changes = ["autofocus=manual", "lens_position=2"]
        assert main(["controls", *options, *changes]) == 0
        controls = json.loads(capsys.readouterr().out)["controls"]
        values = {each["name"]: each["value"] for each in controls}
        assert (values["autofocus"], values["lens_position"]) == ("manual", 2)
        fake_camera.await_recorded(
            "controls", lambda entry: entry["controls"].get("LensPosition") == 2
        )

        main(["selftest", *options, "--seconds", "2"])
        found = json.loads(capsys.readouterr().out)
        assert found["machine"]["camera"] == f"imx708, {IMX708.id}"
        assert found["stream"]["encoder"] == "v4l2:bcm2835-codec"
        assert found["figures"]["fps"] > 5

        file = tmp_path / "front.jpg"
        assert main(["snapshot", *options, str(file)]) == 0
        assert jpeg_size(file.read_bytes()) == (640, 360)

        capsys.readouterr()
        monkeypatch.syspath_prepend(PICAMERA2)
        main(["cameras", *options])
        (listed,) = json.loads(capsys.readouterr().out)["cameras"]
        assert listed["text"] == "by the running agent 'garden'"
        assert listed["usable"]
    assert len(fake_camera.recorded("open")) == 1
