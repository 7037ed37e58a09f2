"""What a program loads when it starts: import-linter sees what is written, this what happens."""

from __future__ import annotations

import subprocess
import sys

import pytest

NETWORK = ("aioice", "aiortc", "paho", "pylibsrtp")
LIGHT = {
    "mqcam.protocol.device": ("asyncio", "av", "cryptography", "socket", "ssl", "yaml", *NETWORK),
    "mqcam.protocol.viewer": ("asyncio", "av", "cryptography", "socket", "ssl", "yaml", *NETWORK),
    "mqcam.credentials": NETWORK,
    "mqcam.entry": ("argparse", "asyncio", "logging", "mqcam.errors", "yaml", *NETWORK),
    "mqcam.private": NETWORK,
    "mqcam_device.capture.__main__": ("cryptography", "libcamera", "picamera2", "ssl", *NETWORK),
    "mqcam_device.sources.selection": (
        *("av", "cryptography", "libcamera", "numpy", "picamera2", "ssl"),
        *("mqcam_device.sources.picamera", "mqcam_device.sources.rtsp", "mqcam_device.sources.usb"),
        *NETWORK,
    ),
    "mqcam_device.app": ("libcamera", "numpy", "picamera2"),
    "mqcam_device.cli": ("aiortc", "av", "libcamera", "numpy", "paho", "picamera2"),
    "mqcam_broker.cli": ("av", *NETWORK),
}


@pytest.mark.parametrize("module", LIGHT)
def test_a_module_loads_nothing_that_it_has_no_use_for(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted({*LIGHT[module]} & {*done.stdout.split()}) == []
