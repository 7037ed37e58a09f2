"""What the real picamera2 does on the fake camera, one trial in a process of its own.

``python -m support.picamera_trials NAME`` tells what came of a trial as JSON. The process must
have the environment of `support.picamera.FakeCamera`; the trial itself says what goes wrong, when.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import libcamera
from fakes.scene import SCENE, VARIABLE, parse_scene
from picamera2 import Picamera2
from picamera2.encoders import H264Encoder
from picamera2.outputs import Output
from picamera2.platform import get_platform
from support.picamera import FakeCamera
from support.polling import until

if TYPE_CHECKING:
    from collections.abc import Callable

FPS: Final = 60
SIZE, SMALL = (600, 360), (200, 120)
PATIENCE_S = 8.0
SILENCE_S = 0.3
"""So long without a picture, at 60 in a second, is no accident."""


def tell(line: str) -> None:
    """Say something to the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def scene_here() -> FakeCamera:
    """Return the camera of this process's environment, as the test arranged it."""
    folder = Path(os.environ[VARIABLE])
    return FakeCamera(folder, parse_scene((folder / SCENE).read_text(encoding="utf-8")))


class Units(Output):  # type: ignore[misc]  # picamera2 is untyped
    """Keeps what an encoder puts out."""

    def __init__(self) -> None:
        super().__init__()
        self.units: list[tuple[bytes, bool, int]] = []

    def outputframe(
        self,
        frame: bytes,
        keyframe: bool = True,
        timestamp: int = 0,
        packet: object = None,
        audio: bool = False,
    ) -> None:
        """Keep one unit."""
        self.units.append((bytes(frame), keyframe, timestamp))

    def keyframes(self) -> list[int]:
        """Return which of the units are keyframes."""
        return [index for index, unit in enumerate(self.units) if unit[1]]


def opened(**terms: Any) -> Any:
    """Open the first camera and configure its streams; not started yet."""
    camera = Picamera2()
    terms = {"controls": {"FrameRate": FPS}, **terms}
    streams = {
        "main": {"size": SIZE, "format": "YUV420"},
        "lores": {"size": SMALL, "format": "YUV420"},
    }
    camera.configure(camera.create_video_configuration(**streams, display=None, **terms))
    return camera


def frames_of(camera: Any) -> Callable[[], int]:
    """Return a count of the frames that came so far."""
    return lambda: int(camera.frames)


def flows(camera: Any, count: int = 3) -> bool:
    """Tell whether more frames come."""
    goal = camera.frames + count
    try:
        until(lambda: camera.frames >= goal, timeout_s=PATIENCE_S)
    except TimeoutError:
        return False
    return True


def is_silent(camera: Any) -> bool:
    """Tell whether no frame comes for a while; those on their way may arrive first."""
    time.sleep(SILENCE_S / 3)
    before = camera.frames
    time.sleep(SILENCE_S)
    return bool(camera.frames == before)


def timed(action: Callable[[], object]) -> float:
    """Return how long an action takes, in seconds."""
    before_s = time.monotonic()
    action()
    return time.monotonic() - before_s


def corners(picture: Any, size: tuple[int, int]) -> list[bool]:
    """Tell which corners are bright: top left, top right, bottom left, bottom right."""
    width, height = size
    return [bool(picture[y, x] > 128) for y in (2, height - 3) for x in (2, width - 3)]


def streams() -> dict[str, Any]:
    """Two streams, turned by 180 degrees: pictures, padding, time stamps, a JPEG."""
    camera = opened(transform=libcamera.Transform(hflip=True, vflip=True))
    camera.start()
    stamps, bright, bars = [], [], []
    for _ in range(4):
        with camera.captured_request(wait=PATIENCE_S) as request:
            stamps.append(request.get_metadata()["SensorTimestamp"])
            main = request.make_array("main")
            bars.append(int(main[150, : SIZE[0]].argmax()))
            bright.append(corners(main, SIZE))
            bright.append(corners(request.make_array("lores"), SMALL))
            jpeg = io.BytesIO()
            request.save("main", jpeg, format="jpeg")
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - stamps[-1]
    configured = camera.camera_configuration()
    advertised = sorted(camera.camera_controls)
    camera.close()
    return {
        "infos": Picamera2.global_camera_info(),
        "strides": [configured[name]["stride"] for name in ("main", "lores")],
        "sizes": [configured[name]["size"] for name in ("main", "lores")],
        "bright": bright,
        "bars": bars,
        "stamps": stamps,
        "age_ms": age_ns / 1e6,
        "jpeg": jpeg.getvalue()[:2].hex(),
        "advertised": advertised,
    }


def encoder() -> dict[str, Any]:
    """Two encoders of the board's codec; keyframes on demand; the second comes and goes."""
    camera = opened()
    large, small = Units(), Units()
    main = H264Encoder(1_000_000, iperiod=9000, profile="constrained baseline")
    lores = H264Encoder(200_000)
    camera.start_encoder(main, large, name="main")
    camera.start()
    until(lambda: len(large.units) > 5, timeout_s=PATIENCE_S)
    asked_at = len(large.units)
    main.force_key_frame()
    until(lambda: len(large.keyframes()) > 1, timeout_s=PATIENCE_S)
    camera.start_encoder(lores, small, name="lores")
    until(lambda: len(small.units) > 2, timeout_s=PATIENCE_S)
    second_stop_s = timed(lambda: camera.stop_encoder(lores))
    still_flows = flows(camera)
    stop_s = timed(camera.stop_encoder) + timed(camera.stop)
    camera.close()
    return {
        "class": f"{H264Encoder.__module__}.{H264Encoder.__name__}",
        "keyframes": large.keyframes(),
        "asked_at": asked_at,
        "first": [unit[0].hex() for unit in (large.units[0], small.units[0])],
        "forced": large.units[large.keyframes()[1]][0].hex(),
        "stamps": [unit[2] for unit in large.units],
        "stops_s": [second_stop_s, stop_s],
        "still_flows": still_flows,
    }


def held_encoder() -> dict[str, Any]:
    """Freeze the encoder: units end, then the camera has no request left; all can stop."""
    camera = opened()
    units = Units()
    camera.start_encoder(H264Encoder(1_000_000), units, name="main")
    camera.start()
    until(lambda: len(units.units) > 2, timeout_s=PATIENCE_S)
    scene_here().hold_encoder()
    silent = is_silent(camera)
    stop_s = timed(camera.stop_encoder) + timed(camera.stop)
    camera.start_encoder(H264Encoder(1_000_000), Units(), name="main")
    camera.start()
    recovered = flows(camera)
    camera.stop_encoder()
    camera.close()
    return {"silent": silent, "stop_s": stop_s, "recovered": recovered}


def silent_faults() -> dict[str, Any]:
    """Stall, cancelled requests, broken frames: silence, and a restart cures each."""
    camera, scene = opened(), scene_here()
    camera.start()
    found: dict[str, Any] = {}
    faults = {"stall": scene.stall, "cancel": scene.cancel, "spoil": scene.spoil}
    for name, strike in faults.items():
        flowed = flows(camera)
        strike()
        silent = is_silent(camera)
        stop_s = timed(camera.stop)
        camera.start()
        found[name] = [flowed, silent, stop_s < 1.0, flows(camera)]
    scene.stall()
    is_silent(camera)
    with camera.lock:
        camera.completed_requests.clear()
    job = camera.capture_request(wait=False)
    stopping = threading.Thread(target=stop_or_be_cancelled, args=(camera,), daemon=True)
    stopping.start()
    stopping.join(SILENCE_S)
    found["stop waits for a job"] = stopping.is_alive()
    camera.cancel_all_and_flush()
    stopping.join(PATIENCE_S)
    try:
        camera.wait(job, timeout=PATIENCE_S)
    except CancelledError:
        found["flushed"] = not stopping.is_alive()
    camera.close()
    return found


def stop_or_be_cancelled(camera: Any) -> None:
    """Stop the camera: flushing its jobs cancels the stop, too."""
    with contextlib.suppress(CancelledError):
        camera.stop()


def sensor_hdr() -> dict[str, Any]:
    """Switch the HDR of the imx708 itself, and ask for it where there is no such sensor."""
    from picamera2.devices import IMX708  # noqa: PLC0415 - slow, and no other trial's

    with IMX708(0) as sensor:
        sensor.set_sensor_hdr_mode(True)
    camera = opened()
    camera.close()
    return {"without": complaint_of(lambda: IMX708(1))}


def vanishing() -> dict[str, Any]:
    """Pull the cable: not listed, not to be opened; plugged in again, it is."""
    camera, scene = opened(), scene_here()
    camera.start()
    flows(camera)
    scene.vanish()
    found: dict[str, Any] = {"silent": is_silent(camera), "listed": Picamera2.global_camera_info()}
    camera.close()
    found["opened"] = complaint_of(Picamera2)
    scene.heal()
    camera = opened()
    scene.refuse_start()
    found["started"] = complaint_of(camera.start)
    scene.heal()
    camera.start()
    found["back"] = flows(camera)
    found["unadvertised"] = complaint_of(lambda: camera.set_controls({"SyncMode": 1}))
    camera.close()
    return found


def complaint_of(action: Callable[[], object]) -> str:
    """Return what an action raises, with its cause; nothing if it succeeds."""
    try:
        action()
    except (RuntimeError, IndexError) as error:
        return f"{error} {error.__cause__ or ''}".strip()
    return ""


def night() -> dict[str, Any]:
    """Little light: frames come at five in a second where the limits allow that."""
    scene_here().darken(fps=5)
    found = {}
    for name, limits in {"fixed": (16_666, 16_666), "free": (16_666, 250_000)}.items():
        camera = opened(controls={"FrameDurationLimits": limits})
        camera.start()
        with camera.captured_request(wait=PATIENCE_S) as request:
            found[name] = request.get_metadata()["FrameDuration"]
        camera.close()
    return found


def board() -> list[Any]:
    """Say which encoder picamera2 takes on this board."""
    has_codec = Path("/dev/video11").exists()
    return [H264Encoder.__name__, get_platform().name, has_codec]


def hanging() -> dict[str, Any]:
    """Stop for ever, as the test arranged it; a thread of this process says how it fares."""
    camera = opened()
    camera.start()
    flows(camera)
    tell("running")
    sys.stdin.readline()
    threading.Thread(target=beat, daemon=True).start()
    camera.stop()
    return {}


def beat() -> None:
    """Tell as long as threads of this process run."""
    while True:
        time.sleep(0.2)
        tell("alive")


TRIALS: Final[dict[str, Callable[[], Any]]] = {
    each.__name__: each
    for each in (
        streams,
        encoder,
        held_encoder,
        silent_faults,
        sensor_hdr,
        vanishing,
        night,
        board,
        hanging,
    )
}

if __name__ == "__main__":
    tell(json.dumps(TRIALS[sys.argv[1]]()))
