"""The real window on a real (if unseen) screen: video, keys, a camera that goes and comes back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest
from mqcam_viewer.desktop import theme
from support import screen
from support.agent import RunningAgent
from support.xserver import HEIGHT, WIDTH, XServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from support.broker import ShippedBroker

pytestmark = pytest.mark.skipif(not screen.is_complete(), reason=screen.NO_SCREEN)

END_S = 8.0
GREEN = (0, 190, 0)
"""A bar of the test pattern."""


class RunningWindow:
    """``mqcam-viewer`` on a screen of the tests; a context manager."""

    def __init__(self, x: XServer, credentials: Path, pictures: Path, *more: str) -> None:
        self._x = x
        self._command = [
            *(sys.executable, "-m", "mqcam_viewer.cli"),
            *("--credentials", str(credentials), "--loopback", "--json"),
            *("--pictures", str(pictures), *more),
        ]
        self.window = ""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            env=self._x.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.window = self._x.window_of(self.process.pid)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self, number: signal.Signals | None = None) -> tuple[int, dict[str, Any]]:
        """Wait for the end, after a signal if one is given; return exit code and report."""
        if number is not None:
            self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=END_S)
        assert "Traceback" not in errors, errors
        return self.process.returncode, json.loads(out)


@pytest.fixture(scope="module")
def x() -> Iterator[XServer]:
    with XServer() as server:
        yield server


def is_live(x: XServer) -> bool:
    return GREEN in {tuple(10 * (part // 10) for part in each) for each in x.look().colours()}


def test_live_video_keys_and_a_camera_that_comes_back(
    x: XServer, broker: ShippedBroker, tmp_path: Path
) -> None:
    with (
        RunningAgent(broker, name="yard") as agent,
        RunningWindow(x, broker.credentials("viewer", "laptop"), tmp_path) as viewer,
    ):
        x.until(lambda: is_live(x), "the test pattern is on the screen")

        x.press(viewer.window, "s")
        x.until(lambda: len(list(tmp_path.glob("yard *.jpg"))) == 1, "a snapshot is saved")

        x.press(viewer.window, "f")
        edge = (WIDTH - 2, HEIGHT // 2)
        x.until(lambda: x.look().colour(*edge)[2] > 150, "the blue bar reaches the screen's edge")
        x.press(viewer.window, "Escape")
        x.until(lambda: x.look().colour(*edge)[2] < 100, "the window is as before")

        agent.stop()
        x.until(lambda: not is_live(x), "the picture is dimmed, and why is said")
        agent.start()
        x.until(lambda: is_live(x), "the picture is back")

        code, report = viewer.end(signal.SIGTERM)

    assert code == 0
    assert report["camera"] == "yard"
    assert report["pictures"] > 3
    assert report["draw_ms"]["p50"] > 0


def test_it_ends_after_the_time_it_was_given_and_says_that_video_was_seen(
    x: XServer, broker: ShippedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    credentials = broker.credentials("viewer", "laptop")
    with RunningWindow(x, credentials, tmp_path, "--seconds", "3") as viewer:
        code, report = viewer.end()

    assert (code, report["camera"]) == (0, camera.name)


def test_without_a_camera_it_explains_itself_and_fails_when_its_time_is_over(
    x: XServer, own_broker: ShippedBroker, tmp_path: Path
) -> None:
    credentials = own_broker.credentials("viewer", "laptop")
    with RunningWindow(x, credentials, tmp_path, "--seconds", "2") as viewer:
        panel = tuple(int(theme.PANEL[at : at + 2], 16) for at in (1, 3, 5))
        x.until(lambda: panel in x.look().colours(), "the window is painted")
        code, report = viewer.end()

    assert (code, report["camera"], report["pictures"]) == (1, None, 0)


def test_without_a_display_it_says_so_in_one_sentence(broker: ShippedBroker) -> None:
    command = [sys.executable, "-m", "mqcam_viewer.cli", "--credentials"]
    done = subprocess.run(
        [*command, str(broker.credentials("viewer", "laptop"))],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("mqcam-viewer: there is no display")
    assert done.stderr.count("\n") == 1


def test_a_display_that_does_not_answer_is_said_instead_of_an_abort(broker: ShippedBroker) -> None:
    command = [sys.executable, "-m", "mqcam_viewer.cli", "--credentials"]
    done = subprocess.run(
        [*command, str(broker.credentials("viewer", "laptop"))],
        env={"PATH": "/usr/bin:/bin", "DISPLAY": ":4711"},
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )

    assert done.returncode == 1
    assert "display :4711 cannot be opened" in done.stderr
