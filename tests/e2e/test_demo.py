"""``make demo`` as a person meets it: what it shows, what it says, and that it leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.films import make_film
from support.picamera import PICAMERA2, FakeCamera

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT_S = 40.0
COMMAND = [sys.executable, str(Path(__file__).parents[2] / "scripts" / "demo.py")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that mosquitto can reach, which is a user of its own, unlike ``tmp_path``."""
    with tempfile.TemporaryDirectory(prefix="mqcam-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def environment(folder: Path, **wishes: str) -> Mapping[str, str]:
    """Return an environment without a display, whose temporary files are in a folder."""
    kept = {key: value for key, value in os.environ.items() if "DISPLAY" not in key}
    return {**kept, "TMPDIR": str(folder), **wishes}


def demo(folder: Path, **wishes: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return subprocess.run(
        COMMAND,
        env=environment(folder, **wishes),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def left_behind(folder: Path) -> list[str]:
    """Return the processes that still work in a folder, and the demo's own folders in it."""
    lines = [str(found) for found in folder.glob("mqcam-demo-*")]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if f"{folder}/mqcam-demo-" in line:
            lines.append(line.replace("\0", " "))
    return lines


@pytest.mark.parametrize("source", ["pattern", "film"])
def test_the_demo_shows_video(source: str, folder: Path) -> None:
    """Broker, agent and viewer as processes that know each other only through MQTT."""
    chosen = source if source == "pattern" else str(make_film(folder / "film.mp4"))
    done = demo(folder, DEMO_SECONDS="2", DEMO_SOURCE=chosen)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "broker ready" in done.stdout
    assert "viewer connected" in done.stdout
    assert (folder / "demo-snapshot.jpg").stat().st_size > 1000


def test_the_demo_shows_a_pi_camera(folder: Path) -> None:
    if not PICAMERA2.is_dir():
        pytest.skip("needs picamera2: make test installs it")
    camera = FakeCamera(folder / "camera")
    done = demo(folder, DEMO_SECONDS="2", DEMO_SOURCE="picamera", **camera.environ)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "demo-snapshot.jpg").stat().st_size > 1000
    assert camera.recorded("start") != []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("picamera", "picamera2"),
        ("usb:nobody", "usb:nobody is not plugged in|no USB camera is plugged in"),
        ("rtsp://me:secret@192.0.2.7/1", "holds an account"),
        ("RTSP://me:secret@192.0.2.7/1", "holds an account"),
    ],
)
def test_a_camera_that_cannot_be_shown_is_one_sentence(
    folder: Path, source: str, reason: str
) -> None:
    done = demo(folder, DEMO_SOURCE=source)

    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(reason, done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.mp4", "no such film"), ("damaged.mp4", "damaged"), ("folder", "is a folder")],
)
def test_a_film_that_cannot_be_shown_is_one_sentence(folder: Path, name: str, reason: str) -> None:
    """Nothing is started that could only say that no picture came."""
    (folder / "damaged.mp4").write_bytes(bytes(range(256)) * 10)
    (folder / "folder").mkdir()
    done = demo(folder, DEMO_SOURCE=str(folder / name))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("demo: ")
    assert len(done.stderr.splitlines()) == 1
    assert str(folder / name) in done.stderr
    assert reason in done.stderr


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param((signal.SIGINT, signal.SIGINT), id="Ctrl-C twice"),
        pytest.param((signal.SIGTERM,), id="SIGTERM"),
        pytest.param((signal.SIGHUP,), id="the terminal was closed"),
    ],
)
def test_an_ended_demo_leaves_nothing(folder: Path, numbers: tuple[signal.Signals, ...]) -> None:
    """Viewer, agent, broker, mosquitto and the temporary folder are gone; the report is there."""
    with subprocess.Popen(
        COMMAND,
        env=environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        while "viewer connected" not in (line := running.stdout.readline()):
            assert line, running.communicate(timeout=TIMEOUT_S)
        for number in numbers:
            running.send_signal(number)
        output, errors = running.communicate(timeout=TIMEOUT_S)

    assert "Traceback" not in output + errors
    assert "candidate_pair" in output
    assert left_behind(folder) == []
