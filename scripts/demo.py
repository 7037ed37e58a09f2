"""Show the whole thing on one machine: broker, camera agent and viewer as separate processes.

The viewer is the window where a display is there to open it on, else statistics in the terminal.
They know each other only through MQTT. Everything lives in a temporary folder that is removed at
the end. Settings come from the environment: ``DEMO_SOURCE`` (``pattern``, a film file, ``picamera``
or ``usb``, with ``:ID`` as 'mqcam-device cameras' prints it, or a network camera's ``rtsp://``
address), ``DEMO_SECONDS`` (end after so many seconds; exit 0 only if video was seen).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.errors import SourceError
from mqcam_device.enumeration import enumerate_cameras
from mqcam_device.sources.film import Film
from mqcam_viewer.desktop import display

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

PATTERN = "pattern"
CAMERAS = ("picamera", "usb")
SYSTEM_PICAMERA2 = Path("/usr/lib/python3/dist-packages/picamera2")
NETWORK = ("rtsp://", "rtsps://")
CAMERA = "front"
VIEWER = "laptop"
READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
KEPT_LINES = 50
MOSQUITTO_LINES = ("1", "To fix this, ")
"""What mosquitto's own lines begin with: the seconds since 1970, or advice on the line before."""
SNAPSHOT = Path("demo-snapshot.jpg")
BIN = Path(sys.executable).parent


ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a stop from elsewhere, a terminal that was closed: each ends the demo in good order."""
EXIT_INTERRUPTED = 130


class DemoError(Exception):
    """Why the demo cannot go on, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the person asked for."""

    source: str
    seconds: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Wish:
        """Read the two settings; raises ``DemoError`` with the sentence to print."""
        raw = environment.get("DEMO_SECONDS", "0") or "0"
        try:
            seconds = float(raw)
        except ValueError:
            raise DemoError(f"DEMO_SECONDS={raw} is not a number of seconds") from None
        if not 0 <= seconds < float("inf"):
            raise DemoError(f"DEMO_SECONDS={raw}: 0 (until Ctrl-C) or more seconds are needed")
        return cls(source=environment.get("DEMO_SOURCE", "") or PATTERN, seconds=seconds)


def source_yaml(source: str) -> str:
    """Return the ``source`` block of the device configuration."""
    if source == PATTERN:
        return "source: {kind: pattern}\n"
    if source.lower().startswith(NETWORK):
        if "@" in source:
            raise DemoError(
                "DEMO_SOURCE holds an account, which other programs can read there; a network "
                "camera with a password wants a configuration: docs/device.md"
            )
        return f"source: {{kind: rtsp, url: {json.dumps(source)}}}\n"
    kind, _, camera = source.partition(":")
    if kind in CAMERAS:
        named = f", camera: {json.dumps(camera)}" if camera else ""
        return f"source: {{kind: {kind}{named}}}\n"
    film = Path(source).expanduser().resolve()
    if film.is_dir():
        raise DemoError(f"DEMO_SOURCE={source}: this is a folder; name a film file, or 'pattern'")
    if not film.is_file():
        raise DemoError(
            f"DEMO_SOURCE={source}: there is no such film file; name one, or use 'pattern', "
            "'picamera', 'usb' or rtsp://..."
        )
    escaped = str(film).replace("'", "''")
    return f"source:\n  kind: film\n  path: '{escaped}'\n"


def check_source(source: str) -> None:
    """Find a source that cannot be shown, before anything is started."""
    if source == PATTERN or source.lower().startswith(NETWORK):
        return
    kind, _, camera = source.partition(":")
    if kind in CAMERAS:
        check_camera(kind, camera)
        return
    film = Film(str(Path(source).expanduser()), width=None, height=None, fps=1.0)
    try:
        film.open()
    except SourceError as error:
        raise DemoError(str(error)) from error
    finally:
        film.close()


def see_system_packages() -> None:
    """Let the environment in this folder see the system's packages: picamera2 is had there only."""
    if importlib.util.find_spec("picamera2") is None and SYSTEM_PICAMERA2.is_dir():
        settings = Path(sys.prefix) / "pyvenv.cfg"
        key = "include-system-site-packages = "
        text = settings.read_text(encoding="utf-8").replace(f"{key}false", f"{key}true")
        settings.write_text(text, encoding="utf-8")


def check_camera(kind: str, wanted: str) -> None:
    """Look for a camera on this machine, without opening it."""
    if kind == "picamera":
        see_system_packages()
    found = enumerate_cameras((kind,), is_opening=False)
    if not found.cameras:
        raise DemoError(" ".join(found.notes) or "no USB camera is plugged in")
    several = ", ".join(f"{kind}:{camera.id}" for camera in found.cameras)
    if not wanted and kind == "usb" and len(found.cameras) > 1:
        raise DemoError(f"there are several USB cameras: DEMO_SOURCE is one of {several}")
    meant = [each for each in found.cameras if not wanted or each.is_meant(wanted)]
    if not meant:
        raise DemoError(f"DEMO_SOURCE={kind}:{wanted} is not plugged in; there is {several}")
    if not meant[0].usable:
        raise DemoError(f"{meant[0].model} cannot be used: {meant[0].text}")


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def run_tool(*arguments: str | Path) -> None:
    """Run one short command of ours to its end."""
    command = [str(BIN / str(arguments[0])), *map(str, arguments[1:])]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=READY_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise DemoError((done.stderr or done.stdout).strip() or f"{arguments[0]} failed")


class Background:
    """One program that runs beside us; its output is shown with its name in front.

    Lines that begin with one of ``quiet`` are shown only when the program ends before it is ready.
    """

    def __init__(
        self, name: str, command: list[str | Path], *, ready: str, quiet: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self._quiet = quiet
        self._kept: deque[str] = deque(maxlen=KEPT_LINES)
        self._ready = threading.Event()
        self._ready_text = ready
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
        )
        self._reader = threading.Thread(target=self._show, name=f"output of {name}", daemon=True)
        self._reader.start()

    def _lines(self) -> Iterator[str]:
        if self.process.stdout is not None:
            yield from self.process.stdout

    def _show(self) -> None:
        for line in self._lines():
            if line.startswith(self._quiet) and not self._ready.is_set():
                self._kept.append(line)
            elif not line.startswith(self._quiet):
                self._print(line)
            if self._ready_text in line:
                self._ready.set()

    def _print(self, line: str) -> None:
        with suppress(OSError):  # the terminal may be gone; the program's output is read even so
            print(f"{self.name:>7} | {line.rstrip()}", flush=True)

    def wait_ready(self) -> None:
        """Wait until the program says that it is ready."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._ready.wait(0.05):
            if self.process.poll() is not None:
                self._reader.join(1.0)
                for line in self._kept:
                    self._print(line)
                raise DemoError(f"the {self.name} ended before it was ready; its output says why")
            if time.monotonic() > deadline:
                raise DemoError(f"the {self.name} was not ready after {READY_TIMEOUT_S:.0f} s")

    def stop(self) -> None:
        """Ask the program to end, insist after a while."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(1.0)


def start_broker(stack: ExitStack, state: Path, port: int) -> None:
    """Make a broker of our own with one account for each side, and start it."""
    folder = state / "broker"
    tool = "mqcam-broker"
    where = ["--address", "127.0.0.1", "--bind", "127.0.0.1", "--port", str(port)]
    run_tool(tool, "init", "--dir", folder, *where)
    for verb, name in (("add-device", CAMERA), ("add-viewer", VIEWER)):
        run_tool(tool, verb, name, "--dir", folder, "--output", state / f"{name}.yaml")
    broker = Background(
        "broker", [BIN / tool, "run", "--dir", folder], ready="broker ready", quiet=MOSQUITTO_LINES
    )
    stack.callback(broker.stop)
    broker.wait_ready()


def start_camera(stack: ExitStack, state: Path, source: str) -> None:
    """Write a device configuration and start the agent on it."""
    config = state / "device.yaml"
    config.write_text(
        f"credentials: '{state / CAMERA}.yaml'\n"
        f"runtime_dir: '{state}'\n"
        f"state_dir: '{state}'\n"
        "ice: {loopback: true}\n" + source_yaml(source),
        encoding="utf-8",
    )
    camera = Background(
        "camera",
        [BIN / "mqcam-device", "run", "--config", config],
        ready="camera online",
    )
    stack.callback(camera.stop)
    camera.wait_ready()


def has_window(environment: Mapping[str, str]) -> bool:
    """Tell whether the window can be shown; where only something is missing, say what."""
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return False
    problem = display.problem(environment)
    if problem is None and importlib.util.find_spec("PySide6") is None:
        problem = "PySide6 is not installed"
    if problem is not None:
        print(f"demo: no window: {problem}", flush=True)
    return problem is None


def viewer_command(state: Path, seconds: float, *, window: bool) -> list[str]:
    """Return the viewer's command line."""
    if window:
        verb: list[str | Path] = ["window"]
    else:
        verb = ["probe", CAMERA, "--live", "--snapshot", SNAPSHOT]
    common = ["--credentials", state / f"{VIEWER}.yaml", "--seconds", seconds, "--loopback"]
    return [str(part) for part in (BIN / "mqcam-viewer", *verb, *common)]


def watch(state: Path, seconds: float, *, window: bool) -> int:
    """Run the viewer in the foreground until its time is over; return its exit code."""
    command = viewer_command(state, seconds, window=window)
    viewer = subprocess.Popen(command, start_new_session=True)
    try:
        return viewer.wait()
    except KeyboardInterrupt:
        viewer.terminate()  # it prints its report and ends
        with suppress(subprocess.TimeoutExpired):
            code = viewer.wait(STOP_TIMEOUT_S)
            return code if code >= 0 else EXIT_INTERRUPTED
        return EXIT_INTERRUPTED
    finally:
        if viewer.poll() is None:
            viewer.kill()
            viewer.wait()


def demo(wish: Wish) -> int:
    """Start everything, watch, stop everything; return the viewer's exit code."""
    source_yaml(wish.source)  # a wrong name is said before anything starts
    check_source(wish.source)
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        raise DemoError("mosquitto is missing: 'make demo' installs it, or apt install mosquitto")
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mqcam-demo-")))
        state.chmod(0o711)  # mosquitto drops root and must reach its own folder below
        start_broker(stack, state, free_port())
        start_camera(stack, state, wish.source)
        window = has_window(os.environ)
        if window:
            print(
                "demo: the window is open; close it, or press Ctrl-C, to end the demo", flush=True
            )
        code = watch(state, wish.seconds, window=window)
    if code == 0 and not window and SNAPSHOT.exists():
        print(f"demo: video was seen; the last picture is in {SNAPSHOT}")
    return code


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End the demo in good order, whatever else is pressed meanwhile."""
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; errors are one sentence."""
    for each in ENDINGS:
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
            signal.signal(each, interrupt)
    try:
        return demo(Wish.of(os.environ))
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
