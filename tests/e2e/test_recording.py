"""Pictures that are kept: ``mqcam-viewer snapshot`` and ``record`` of a real camera."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import av
import pytest
from mqcam.media import MediaTransport
from mqcam.offer import offered_video
from mqcam_device.sources.marker import read_marker
from mqcam_viewer import Recorder, Recording, Shelf
from mqcam_viewer.keeping import duration
from support.agent import SMALL, RunningAgent
from support.playback import play, seek
from support.watching import gaps, viewer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mqcam_viewer.units import ReceivedUnit
    from support.broker import ShippedBroker

pytestmark = pytest.mark.alone

TIMEOUT_S = 40.0
START_TIMEOUT_S = 15.0
POLL_S = 0.05
PAYLOAD_TYPE = offered_video(cname="", rtcp_ssrc=1).payload_type


def command(broker: ShippedBroker, verb: str, *arguments: str | Path) -> list[str]:
    who = ("--credentials", broker.credentials("viewer", "laptop"), "--loopback")
    return [sys.executable, "-m", "mqcam_viewer.cli", verb, *map(str, (*arguments, *who))]


def run(
    broker: ShippedBroker, verb: str, *arguments: str | Path
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(broker, verb, *arguments), capture_output=True, timeout=TIMEOUT_S, check=False
    )


def numbers(pictures: Iterable[av.VideoFrame]) -> list[int]:
    """Return the numbers that the pattern drew; fails on a broken picture."""
    markers = [read_marker(picture.reformat(format="yuv420p")) for picture in pictures]
    assert None not in markers
    return [marker.frame for marker in markers if marker is not None]


def wait_for_bytes(path: Path, count: int) -> None:
    """Wait until another process has written so much."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not path.exists() or path.stat().st_size < count:
        assert time.monotonic() < deadline, "nothing is recorded"
        time.sleep(POLL_S)


@pytest.mark.parametrize(
    ("name", "begin"), [("a.jpg", b"\xff\xd8\xff"), ("b.png", b"\x89PNG"), ("-", b"\xff\xd8\xff")]
)
def test_a_snapshot_shows_the_camera(
    broker: ShippedBroker, camera: RunningAgent, tmp_path: Path, name: str, begin: bytes
) -> None:
    is_piped = name == "-"
    options = [] if is_piped else ["--json"]
    file = tmp_path / name
    done = run(broker, "snapshot", camera.name, "-" if is_piped else file, *options)
    assert done.returncode == 0, done.stderr
    if is_piped:
        file.write_bytes(done.stdout)
    else:
        told = json.loads(done.stdout)
        assert (told["path"], told["bytes"]) == (str(file), file.stat().st_size)
        assert told["ms"] < 5000
    assert file.read_bytes().startswith(begin)
    with av.open(str(file)) as opened:
        assert numbers(opened.decode(video=0))


async def test_the_session_of_a_snapshot_ends_with_it(
    broker: ShippedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    done = run(broker, "snapshot", camera.name, tmp_path / "a.jpg")

    assert done.returncode == 0, done.stderr
    await camera.until(lambda status: status["viewers"] == 0)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("snapshot", ["front", "picture.gif"]),
        ("snapshot", ["front", "-", "--json"]),
        ("record", ["front", "film.avi"]),
        ("record", ["front", ".", "--keep", "7d"]),
        ("record", ["front", "film.mp4", "--segment", "10m"]),
        ("record", ["front", ".", "--segment", "soon"]),
    ],
)
def test_what_cannot_be_meant_is_said(
    broker: ShippedBroker, verb: str, arguments: list[str]
) -> None:
    done = run(broker, verb, *arguments)

    assert done.returncode == 2
    assert done.stderr
    assert not done.stdout


def test_durations_have_units() -> None:
    assert [duration(text) for text in ("90s", "10m", "1.5h", "7d")] == [90, 600, 5400, 604_800]


def test_a_recording_misses_nothing_and_can_be_sought(
    broker: ShippedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    """Each number that the pattern drew is there once, and a keyframe at least every 4 s."""
    file = tmp_path / "front.mp4"
    done = run(broker, "record", camera.name, file, "--seconds", "9", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    played = play(file)
    seen = numbers(played.pictures)

    assert played.complaints == []
    assert summary["frames"] == summary["frames_received"] == len(seen)
    assert len(seen) > 200
    assert gaps(seen) == []
    assert summary["gaps"] == summary["reconnects"] == summary["frames_lost"] == 0
    assert summary["path"] == str(file)
    assert summary["seconds"] == pytest.approx(played.duration_s, abs=0.01)
    times = [*played.keyframes, played.times[-1]]
    assert len(played.keyframes) >= 3
    assert max(after - before for before, after in pairwise(times)) <= 4.0
    target = played.keyframes[1] + 0.5
    assert seek(file, target).time == pytest.approx(played.keyframes[1], abs=0.001)


def test_a_killed_recording_can_be_played(
    broker: ShippedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    file = tmp_path / "front.mp4"
    with subprocess.Popen(command(broker, "record", camera.name, file)) as recorder:
        wait_for_bytes(file, 300_000)
        recorder.send_signal(signal.SIGKILL)
    played = play(file)

    assert played.complaints == []
    assert gaps(numbers(played.pictures)) == []


def test_an_interrupted_recording_is_complete(
    broker: ShippedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    with subprocess.Popen(
        command(broker, "record", camera.name, tmp_path, "--json"),
        stdout=subprocess.PIPE,
        text=True,
    ) as recorder:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not list(tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(POLL_S)
        (file,) = tmp_path.iterdir()
        wait_for_bytes(file, 100_000)
        recorder.send_signal(signal.SIGINT)
        output, _ = recorder.communicate(timeout=TIMEOUT_S)
    summary: dict[str, Any] = json.loads(output)

    assert recorder.returncode == 0
    assert summary["paths"] == [str(file)]
    assert file.name.startswith("front-")
    assert len(play(file).pictures) == summary["frames"]


def test_a_recording_outlives_the_camera(broker: ShippedBroker, tmp_path: Path) -> None:
    """It goes on in the same file after a restart, with a gap as long as it was."""
    file = tmp_path / "rest.mp4"
    with (
        RunningAgent(broker, name="restless", settings=SMALL) as camera,
        subprocess.Popen(
            command(broker, "record", camera.name, file, "--json"),
            stdout=subprocess.PIPE,
            text=True,
        ) as recorder,
    ):
        wait_for_bytes(file, 100_000)
        camera.stop()
        time.sleep(2.0)  # the gap that is looked for, not a wait for something
        before = file.stat().st_size
        camera.start()
        wait_for_bytes(file, before + 200_000)
        recorder.send_signal(signal.SIGINT)
        output, _ = recorder.communicate(timeout=TIMEOUT_S)
    summary: dict[str, Any] = json.loads(output)
    played = play(file)

    assert recorder.returncode == 0
    assert played.complaints == []
    assert summary["reconnects"] >= 1
    assert summary["gaps"] == 1
    assert 2.0 <= summary["gap_seconds"] <= 10.0
    longest = max(after - before for before, after in pairwise(played.times))
    assert longest == pytest.approx(summary["gap_seconds"], abs=0.01)


async def test_a_lossy_path_loses_no_picture(
    broker: ShippedBroker,
    camera: RunningAgent,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every fortieth packet is lost once; what is sent again fills the holes, and is no loss."""
    take = MediaTransport._take_rtp
    seen = lost = 0

    def lossy(self: MediaTransport, data: bytes) -> None:
        nonlocal seen, lost
        seen += 1
        is_retransmission = data[1] & 0x7F != PAYLOAD_TYPE
        if seen > 100 and seen % 40 == 0 and not is_retransmission:
            lost += 1
            return
        take(self, data)

    monkeypatch.setattr(MediaTransport, "_take_rtp", lossy)
    file = tmp_path / "lossy.mp4"
    async with viewer(broker) as client, client.watch(camera.name, is_decoding=False) as stream:
        recorder = Recorder(stream, Recording(Shelf(file, camera=camera.name)))
        summary = await recorder.run(6.0)
        report = await stream.report()
    played = play(file)

    assert lost >= 5
    assert summary.frames_lost == summary.frames_dropped == report.packets_lost == 0
    assert gaps(numbers(played.pictures)) == []
    assert len(played.pictures) == summary.frames_received


async def test_keyframes_come_only_while_somebody_records(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    """A viewer that only looks costs no keyframes: it sees one, the first."""
    keyframes: list[bool] = []
    enough = asyncio.Event()

    def take(received: ReceivedUnit) -> None:
        keyframes.append(received.unit.keyframe)
        if len(keyframes) == 150:
            enough.set()

    async with viewer(broker) as client:
        stream = client.watch(camera.name, is_decoding=False)
        with stream.units(take):
            async with stream, asyncio.timeout(TIMEOUT_S):
                await enough.wait()

    assert sum(keyframes) == 1
