"""The examples of the documentation do what they say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.playback import play

if TYPE_CHECKING:
    from support.agent import RunningAgent
    from support.broker import ShippedBroker

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT_S = 40.0


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments), "--loopback"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_frames_go_to_numpy(broker: ShippedBroker, camera: RunningAgent) -> None:
    """Without NumPy, which mqcam does not need, the example says how to get it."""
    done = run("frames.py", camera.name, broker.credentials("viewer", "laptop"), "5")

    if importlib.util.find_spec("numpy") is None:
        assert done.returncode == 1
        assert "pip install numpy" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("(360, 640, 3)") == 5


def test_a_snapshot_of_each_camera(
    broker: ShippedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    done = run("snapshot.py", broker.credentials("viewer", "laptop"), tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"{camera.name}.jpg").read_bytes().startswith(b"\xff\xd8")
    assert "640x360" in done.stdout


def test_record_while_looking(broker: ShippedBroker, camera: RunningAgent, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    done = run("record.py", camera.name, broker.credentials("viewer", "laptop"), file, "3")

    assert done.returncode == 0, done.stderr
    assert "were seen" in done.stdout
    assert len(play(file).pictures) >= 60
