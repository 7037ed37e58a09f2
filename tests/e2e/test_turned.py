"""A camera that hangs askew and cannot turn its picture: every viewer of ours shows it upright."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import av
import pytest
from mqcam_viewer import Recorder, Recording, Shelf, take_snapshot, upright
from support.agent import ASKEW, RunningAgent
from support.bars import PLACES, TURNED_PLACES, are_bars, colours_of
from support.playback import play
from support.watching import next_frame, viewer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.broker import ShippedBroker

TIMEOUT_S = 40.0
LYING, STANDING = (640, 360), (360, 640)


@pytest.fixture(scope="module")
def askew(broker: ShippedBroker) -> Iterator[RunningAgent]:
    """Run a camera whose picture is to be turned clockwise by 90 degrees."""
    with RunningAgent(broker, name="askew", settings=ASKEW) as running:
        yield running


async def test_what_is_shown_and_kept_stands_upright(
    broker: ShippedBroker, askew: RunningAgent, tmp_path: Path
) -> None:
    file = tmp_path / "askew.mp4"
    async with viewer(broker) as client, client.watch(askew.name) as stream:
        frame = await next_frame(stream)
        status = client.known()[askew.name]
        recorder = Recorder(stream, Recording(Shelf(file, camera=askew.name)))
        _, snapshot = await asyncio.gather(recorder.run(1.0), take_snapshot(client, askew.name))
    played = play(file)

    assert status is not None
    assert (status.capture.width, status.capture.height, status.capture.rotation) == (*LYING, 90)
    assert frame.rotation == played.rotation == 90
    assert (frame.width, frame.height) == (snapshot.width, snapshot.height) == STANDING
    assert (played.pictures[0].width, played.pictures[0].height) == LYING
    for shown in (snapshot, upright(frame.picture, frame.rotation)):
        assert are_bars(colours_of(shown, TURNED_PLACES))
    assert are_bars(colours_of(played.pictures[0], PLACES))
    assert played.complaints == []


def test_a_probe_names_the_size_that_a_person_sees_and_saves_that(
    broker: ShippedBroker, askew: RunningAgent, tmp_path: Path
) -> None:
    file = tmp_path / "last.png"
    who = ("--credentials", broker.credentials("viewer", "laptop"), "--loopback")
    how = ("--seconds", "0.5", "--snapshot", file, "--json")
    done = subprocess.run(
        [sys.executable, "-m", "mqcam_viewer.cli", "probe", askew.name, *map(str, (*how, *who))],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    with av.open(str(file)) as opened:
        (picture,) = opened.decode(video=0)

    assert (report["width"], report["height"]) == (picture.width, picture.height) == STANDING
    assert are_bars(colours_of(picture, TURNED_PLACES))
