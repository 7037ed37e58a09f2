"""Cameras are asked for in processes that may hang, crash or say nonsense."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from mqcam_device.enumeration import enumerate_cameras

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CAMERA: dict[str, Any] = {
    "kind": "usb",
    "id": "a",
    "aliases": ["/dev/video0"],
    "model": "HD",
    "sizes": ["640x480@30"],
    "formats": ["mjpeg"],
    "encoders": ["x264"],
    "usable": True,
    "text": "",
}


def child(programs: dict[str, str]) -> Callable[[Sequence[str]], subprocess.Popen[str]]:
    """Return what starts one of these programs instead of the listing of its kind."""

    def start(words: Sequence[str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", programs[words[0]]]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    return start


def saying(**answer: object) -> str:
    return f"print({json.dumps(answer)!r})"


def test_a_kind_that_hangs_does_not_hide_the_other() -> None:
    programs = {
        "picamera": "import time; time.sleep(60)",
        "usb": saying(cameras=[CAMERA], notes=[]),
    }
    began_at = time.monotonic()
    found = enumerate_cameras(("picamera", "usb"), deadline_s=1.0, start=child(programs))
    assert time.monotonic() - began_at < 10
    assert [camera.id for camera in found.cameras] == ["a"]
    assert found.cameras[0].is_meant("/dev/video0")
    assert found.notes == (
        "Pi cameras do not answer: one of them hangs; take its power away, or start anew",
    )


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        "import os; os.abort()",
        "print('rubbish')",
        "print('[]')",
        saying(cameras=[{"id": "a"}], notes=[]),
    ],
)
def test_a_kind_that_crashes_is_said_to_have(program: str) -> None:
    found = enumerate_cameras(("usb",), start=child({"usb": program}))
    assert found.cameras == ()
    assert "could not be listed" in found.notes[0]


def test_the_real_listing_of_usb_cameras_can_be_read() -> None:
    """Whatever is plugged into the machine of the tests."""
    found = enumerate_cameras(("usb",))
    assert found.notes == ()
    assert all(camera.kind == "usb" for camera in found.cameras)
