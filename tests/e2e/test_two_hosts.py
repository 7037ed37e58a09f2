"""Camera and viewer on two hosts with a network between them, as shipped: no loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.namespaces import TwoHosts, is_available

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 30.0
PORT = 8883

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not is_available(), reason="needs root and iproute2 for namespaces"),
]


class Setup:
    """A broker and a camera on one host; the viewer's credentials for the other."""

    def __init__(self, hosts: TwoHosts, folder: Path, stack: ExitStack) -> None:
        self.hosts = hosts
        self.folder = folder
        self._stack = stack
        tool = ("mqcam_broker.cli", "--dir", f"{folder}/broker")
        self.run("init", *tool, "--address", hosts.camera_address, "--port", str(PORT))
        self.run("add-device", *tool, "front", "--output", f"{folder}/front.yaml")
        self.run("add-viewer", *tool, "laptop", "--output", f"{folder}/laptop.yaml")
        self.start("mqcam_broker.cli", "run", "--dir", f"{folder}/broker", ready="broker ready")
        (folder / "device.yaml").write_text(
            "credentials: front.yaml\nruntime_dir: .\nstate_dir: .\n"
            "video: {size: 640x360, bitrate_bps: 800000}\n"
        )
        self.start(
            "mqcam_device.cli", "run", "--config", f"{folder}/device.yaml", ready="camera online"
        )

    def run(self, verb: str, module: str, *arguments: str) -> None:
        """Run a program of ours to its end."""
        command = [sys.executable, "-m", module, verb, *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)

    def start(self, module: str, *arguments: str, ready: str) -> None:
        """Start a program on the camera's host and wait until it says that it is ready."""
        process = subprocess.Popen(
            self.hosts.command(self.hosts.camera, sys.executable, "-m", module, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._stack.callback(process.communicate, timeout=TIMEOUT_S)
        self._stack.callback(process.terminate)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if ready in line:
                return
        raise AssertionError("".join(seen))

    def probe(self, seconds: float) -> subprocess.Popen[str]:
        """Start a viewer on its host."""
        who = ("--credentials", f"{self.folder}/laptop.yaml")
        watch = ("probe", "front", "--seconds", str(seconds), "--json", "--live", *who)
        command = (sys.executable, "-m", "mqcam_viewer.cli", *watch)
        return subprocess.Popen(
            self.hosts.command(self.hosts.viewer, *command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def setup() -> Iterator[Setup]:
    """Two hosts, with everything running on the camera's."""
    with ExitStack() as stack:
        hosts = stack.enter_context(TwoHosts())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mqcam-hosts-")))
        folder.chmod(0o711)
        yield Setup(hosts, folder, stack)


def test_video_goes_from_host_to_host(setup: Setup) -> None:
    viewer = setup.probe(2)
    output, errors = viewer.communicate(timeout=TIMEOUT_S)

    assert viewer.returncode == 0, errors
    report = json.loads(output)
    assert report["candidate_pair"] == "host-host udp"
    assert report["frames"] >= 45
    assert report["reconnects"] == 0


def test_a_cable_that_was_out_for_three_seconds_costs_no_visit(setup: Setup) -> None:
    """The stream comes back by itself, and the program goes on."""
    viewer = setup.probe(12)
    assert viewer.stderr is not None
    viewer.stderr.readline()
    setup.hosts.cut()
    for _ in range(3):
        viewer.stderr.readline()  # a line a second
    setup.hosts.mend()
    output, errors = viewer.communicate(timeout=TIMEOUT_S)

    assert viewer.returncode == 0, errors
    report = json.loads(output)
    assert report["frames"] >= 120
    assert report["freezes"] >= 1
