"""A Raspberry Pi's camera keeps what every source promises, with either of its encoders."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import picamera_conformance
from support.picamera import FakeCamera

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 50.0
OF_PICAMERA2 = "ignore:setDaemon:DeprecationWarning"
"""What picamera2 itself does in each thread that it starts."""


def start_suite(name: str, marks: str, folder: Path) -> subprocess.Popen[str]:
    """Run one class of the suite in a process that sees a fake camera of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", OF_PICAMERA2]
    return subprocess.Popen(
        [*command, "-m", marks, f"{picamera_conformance.__file__}::{name}"],
        env={**os.environ, **FakeCamera(folder / name).environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def conform(names: tuple[str, ...], marks: str, folder: Path) -> None:
    """Run classes side by side: most of their time they wait for picamera2's threads to end."""
    running = [start_suite(name, marks, folder) for name in names]
    try:
        said = [process.communicate(timeout=DEADLINE_S)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    wrong = [text for process, text in zip(running, said, strict=True) if process.returncode]
    assert wrong == []


@pytest.mark.usefixtures("fake_camera")
def test_the_camera_conforms_with_libx264(tmp_path: Path) -> None:
    conform(("TestPi5",), "not long", tmp_path)


@pytest.mark.long
@pytest.mark.usefixtures("fake_camera")
def test_the_camera_conforms_with_the_hardware_and_in_its_child(tmp_path: Path) -> None:
    conform(("TestPi4", "TestPi4InItsChild"), "long or not long", tmp_path)


@pytest.mark.long
@pytest.mark.usefixtures("fake_camera")
def test_the_camera_conforms_with_libx264_where_that_takes_long(tmp_path: Path) -> None:
    conform(("TestPi5",), "long", tmp_path)
