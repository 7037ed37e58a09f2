"""The real picamera2 on the fakes: they do what is known of a real camera, right and wrong."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fakes.scene import CSI_CONTROLS, IMX219, IMX708, PI_4, PI_5, WEBCAM, Scene
from mqcam import h264

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.picamera import FakeCamera

TRIAL = (sys.executable, "-P", "-m", "support.picamera_trials")
DEADLINE_S = 30.0
BEATS_S = 0.6


def trial(name: str) -> Any:
    """Run one trial to its end and return what came of it."""
    done = subprocess.run(
        [*TRIAL, name], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def nal_types(unit: str) -> list[int]:
    return [h264.nal_type(nal) for nal in h264.iterate_nals(bytes.fromhex(unit))]


def test_both_streams_show_the_picture_turned_and_padded(fake_camera: FakeCamera) -> None:
    fake_camera.scene = Scene(cameras=(WEBCAM, IMX219, IMX708))
    found = trial("streams")
    assert [info["Id"] for info in found["infos"]] == [IMX708.id, IMX219.id, WEBCAM.id]
    assert found["infos"][1]["Rotation"] == 180
    assert found["sizes"] == [[600, 360], [200, 120]]
    assert found["strides"] == [640, 256]
    assert found["bright"] == [[False, False, False, True]] * 8
    assert found["bars"] == sorted(set(found["bars"]))
    assert found["stamps"] == sorted(set(found["stamps"]))
    assert 0 < found["age_ms"] < 1000
    assert found["jpeg"] == "ffd8"
    assert set(CSI_CONTROLS) < set(found["advertised"])
    assert "LensPosition" in found["advertised"]
    [configured] = fake_camera.recorded("configure")
    assert configured["orientation"] == "Rotate180"
    assert [each["event"] for each in fake_camera.recorded()] == [
        "open",
        "configure",
        "start",
        "stop",
        "close",
    ]


def test_the_codec_gives_units_with_keyframes_on_demand(fake_camera: FakeCamera) -> None:
    fake_camera.scene = replace(fake_camera.scene, devices=PI_4)
    found = trial("encoder")
    assert found["class"] == "picamera2.encoders.h264_encoder.H264Encoder"
    first, forced = found["keyframes"][:2]
    assert first == 0
    assert found["asked_at"] <= forced <= found["asked_at"] + 5
    for unit in (*found["first"], found["forced"]):
        assert nal_types(unit)[:2] == [h264.SPS, h264.PPS]
        assert h264.IDR_SLICE in nal_types(unit)
    assert found["stamps"][0] == 0
    assert found["stamps"] == sorted(set(found["stamps"]))
    assert found["still_flows"]
    assert max(found["stops_s"]) < 2.0
    main, lores = fake_camera.recorded("encoder start")
    assert (main["size"], main["stride"]) == ([600, 360], 640)
    assert (lores["size"], lores["stride"]) == ([200, 120], 256)
    set_controls = [
        (each["control"].removeprefix("MPEG_VIDEO_"), each["value"])
        for each in fake_camera.recorded("encoder control")
    ]
    assert set_controls[:5] == [
        ("BITRATE", 1_000_000),
        ("H264_PROFILE", 1),
        ("H264_I_PERIOD", 9000),
        ("REPEAT_SEQ_HEADER", 1),
        ("FORCE_KEY_FRAME", 1),
    ]


def test_an_encoder_that_freezes_is_silent_and_can_be_stopped(fake_camera: FakeCamera) -> None:
    fake_camera.scene = replace(fake_camera.scene, devices=PI_4)
    found = trial("held_encoder")
    assert found["silent"]
    assert found["stop_s"] < 2.0
    assert found["recovered"]


def test_a_camera_that_stalls_fails_or_errs_is_silent_until_it_is_started_anew(
    fake_camera: FakeCamera,
) -> None:
    found = trial("silent_faults")
    for fault in ("stall", "cancel", "spoil"):
        assert found[fault] == [True, True, True, True], fault
    assert found["stop waits for a job"]
    assert found["flushed"]


def test_a_camera_that_is_gone_is_neither_listed_nor_opened(fake_camera: FakeCamera) -> None:
    found = trial("vanishing")
    assert found["silent"]
    assert found["listed"] == []
    assert "No camera number 0 found" in found["opened"]
    assert "Input/output error" in found["started"]
    assert found["back"]
    assert "SyncMode is not advertised" in found["unadvertised"]


def test_frames_come_as_slowly_as_the_light_asks_for(fake_camera: FakeCamera) -> None:
    assert trial("night") == {"fixed": 16_666, "free": 200_000}


@contextlib.contextmanager
def hanging(fake_camera: FakeCamera, *, holds_gil: bool) -> Iterator[subprocess.Popen[str]]:
    """Run a process that is about to stop its camera for ever; kill it at the end."""
    with subprocess.Popen(
        [*TRIAL, "hanging"], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "running\n"
            fake_camera.hang_stop(holds_gil=holds_gil)
            process.stdin.write("\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def test_a_stop_that_hangs_in_libcamera_stops_every_thread(fake_camera: FakeCamera) -> None:
    """The real bindings keep the interpreter's lock in it: only another process can help."""
    with hanging(fake_camera, holds_gil=True) as process:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], BEATS_S)
        assert readable == []
        assert process.poll() is None


def test_one_process_at_a_time_has_the_camera(fake_camera: FakeCamera) -> None:
    with hanging(fake_camera, holds_gil=False) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alive\n"
        second = subprocess.run(
            [*TRIAL, "night"], capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert "Device or resource busy" in second.stderr
    assert trial("night")


def test_the_sensor_itself_makes_hdr(fake_camera: FakeCamera) -> None:
    fake_camera.scene = Scene(cameras=(IMX708, IMX219))
    assert "device node not found" in trial("sensor_hdr")["without"]
    [told] = fake_camera.recorded("sensor hdr")
    assert (told["camera"], told["value"]) == (IMX708.id, 1)


def test_a_pi_5_has_no_codec(fake_camera: FakeCamera) -> None:
    fake_camera.scene = replace(fake_camera.scene, devices=PI_5)
    assert trial("board") == ["LibavH264Encoder", "PISP", False]
    fake_camera.scene = replace(fake_camera.scene, devices=PI_4)
    assert trial("board") == ["H264Encoder", "VC4", True]
