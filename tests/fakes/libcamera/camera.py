"""One camera: opened by one process, configured, and delivering a picture per request.

It does what the Raspberry Pi's pipeline does where a program can tell the difference: one owner
across processes, states in which calls fail, frames as far apart as exposure and limits allow,
time stamps from before the readout. Faults come from the scene.
"""

from __future__ import annotations

import collections
import ctypes
import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from . import controls, properties
from .buffers import FrameMetadata
from .control import ControlId, ControlInfo, as_value
from .geometry import Size
from .picture import paint
from .request import Request
from .streams import CameraConfiguration, StreamConfiguration, StreamRole

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.scene import CameraScene, Stage

READOUT_NS = 12_000_000
"""From the start of the first row's exposure until the picture is complete, beside exposure."""

HANG_STEP_S = 0.05


class Camera:
    def __init__(self, camera_id: str, stage: Stage, complete: Callable[[Request], None]) -> None:
        self.id = camera_id
        self._stage = stage
        self._complete = complete
        self._owned: int | None = None
        self._configuration: CameraConfiguration | None = None
        self._queue: collections.deque[Request] = collections.deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._started_ns = 0
        self._values: dict[ControlId, Any] = {}

    def __str__(self) -> str:
        return f"<libcamera.Camera '{self.id}'>"

    @property
    def _scene(self) -> CameraScene:
        """What the test wants this camera to be now."""
        return self._stage.camera(self.id)

    @property
    def controls(self) -> dict[ControlId, ControlInfo]:
        known = controls_by_name()
        return {
            known[name]: ControlInfo(*(as_value(known[name].type, end) for end in ends))
            for name, ends in self._scene.controls.items()
        }

    @property
    def properties(self) -> dict[ControlId, Any]:
        scene = self._scene
        found: dict[ControlId, Any] = {
            properties.Model: scene.model,
            properties.Location: scene.location,
            properties.PixelArraySize: Size(*scene.modes[-1]),
        }
        if not scene.is_usb:
            colours = properties.draft.ColorFilterArrangement
            found |= {properties.Rotation: scene.rotation, colours: 0}
        return found

    @property
    def streams(self) -> set[Any]:
        return {each.stream for each in self._configuration or ()}

    def acquire(self) -> None:
        scene = self._scene
        time.sleep(scene.open_ms / 1000)
        if not scene.is_present:
            raise RuntimeError("Failed to acquire camera: No such device")
        name = scene.id.strip("/").replace("/", "-")
        owned = os.open(self._stage.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(owned)
            raise RuntimeError("Failed to acquire camera: Device or resource busy") from None
        self._owned = owned
        self._stage.tell("open", camera=self.id)

    def release(self) -> None:
        if self._thread is not None:
            raise RuntimeError("Failed to release camera: Device or resource busy")
        if self._owned is not None:
            os.close(self._owned)
            self._owned = None
            self._stage.tell("close", camera=self.id)

    def generate_configuration(self, roles: list[StreamRole]) -> CameraConfiguration:
        scene = self._scene
        return CameraConfiguration(roles, scene.modes, usb=scene.is_usb)

    def configure(self, configuration: CameraConfiguration) -> None:
        if self._owned is None or self._thread is not None:
            raise RuntimeError("Failed to configure camera: Permission denied")
        self._configuration = configuration
        for each in configuration:
            if each.stream is not None:
                each.stream.configuration = each
        self._stage.tell(
            "configure",
            camera=self.id,
            orientation=configuration.orientation.name,
            streams=[describe(each) for each in configuration],
        )

    def create_request(self, cookie: int = 0) -> Request:
        return Request(cookie)

    def start(self, controls: dict[ControlId, Any] | None = None) -> None:
        if self._configuration is None or self._thread is not None:
            raise RuntimeError("Failed to start camera: Permission denied")
        if not (self._scene.starts and self._scene.is_present):
            raise RuntimeError("Failed to start camera: Input/output error")
        self._values = {}
        for control, value in (controls or {}).items():
            control._check(value)
        self._obey(controls or {}, "start")
        self._started_ns = time.monotonic_ns()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="fake-camera", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is None:
            return
        while self._started_ns < self._scene.stop_hangs_before_ns:
            hang(holds_gil=self._scene.hang_holds_gil)
        self._stopping.set()
        self._thread.join()
        self._thread = None
        self._cancel_all()
        self._stage.tell("stop", camera=self.id)

    def queue_request(self, request: Request) -> None:
        if self._thread is None:
            raise RuntimeError("Failed to queue request: Permission denied")
        with self._lock:
            self._queue.append(request)

    def _run(self) -> None:
        """Deliver pictures until `stop`; one for which there is no request is lost."""
        next_s, number = time.monotonic(), 0
        while True:
            next_s = max(next_s + self._duration_us() / 1e6, time.monotonic())
            if self._stopping.wait(next_s - time.monotonic()):
                return
            scene, number = self._scene, number + 1
            if self._started_ns < scene.cancelled_before_ns or not scene.is_present:
                self._cancel_all()
            elif self._started_ns >= scene.stalled_before_ns:
                self._deliver(number)

    def _duration_us(self) -> int:
        """Return how long a frame takes: what exposure asks for, within the limits set."""
        range_us = self._scene.controls.get("FrameDurationLimits", (33_333, 33_333, None))
        least, most = self._values.get(controls.FrameDurationLimits, (33_333, 33_333))
        wanted = max(self._exposure_us(), least)
        return int(max(min(wanted, max(most, least)), range_us[0]))

    def _exposure_us(self) -> int:
        return int(self._values.get(controls.ExposureTime) or self._scene.exposure_us)

    def _deliver(self, number: int) -> None:
        with self._lock:
            request = self._queue.popleft() if self._queue else None
        if request is None or self._configuration is None:
            return
        self._obey(request._wanted, "controls")
        status = FrameMetadata.Status.Success
        if self._started_ns < self._scene.spoilt_before_ns:
            status = FrameMetadata.Status.Error
        exposed_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - READOUT_NS
        for stream, buffer in request.buffers.items():
            paint(
                buffer.planes[0].fd, stream.configuration, number, self._configuration.orientation
            )
            buffer.metadata.status = status
            buffer.metadata.sequence, buffer.metadata.timestamp = number, exposed_ns
            buffer.metadata.planes = [FrameMetadata.Plane(stream.configuration.frame_size)]
        request.sequence = number
        request.metadata = self._metadata(exposed_ns)
        request.status = Request.Status.Complete
        self._complete(request)

    def _metadata(self, exposed_ns: int) -> dict[ControlId, Any]:
        found: dict[ControlId, Any] = {
            controls.SensorTimestamp: exposed_ns,
            controls.FrameDuration: self._duration_us(),
        }
        if self._scene.is_usb:
            return found
        found |= {
            controls.ExposureTime: min(self._exposure_us(), self._duration_us()),
            controls.AnalogueGain: self._values.get(controls.AnalogueGain) or 1.0,
            controls.DigitalGain: 1.0,
            controls.ColourTemperature: 4500,
            controls.Lux: 400.0,
        }
        if "LensPosition" in self._scene.controls:
            found[controls.LensPosition] = self._values.get(controls.LensPosition, 1.0)
            found[controls.AfState] = controls.AfStateEnum.Focused.value
        return found

    def _obey(self, wanted: dict[ControlId, Any], event: str) -> None:
        """Take controls over and tell which; those that are not advertised have no effect."""
        if wanted or event == "start":
            values = {control.name: value for control, value in wanted.items()}
            self._stage.tell(event, camera=self.id, controls=values)
        advertised = self._scene.controls
        self._values |= {c: value for c, value in wanted.items() if c.name in advertised}

    def _cancel_all(self) -> None:
        """Give every waiting request back unfulfilled, as after a frontend timeout."""
        with self._lock:
            waiting, self._queue = list(self._queue), collections.deque()
        for request in waiting:
            request.status = Request.Status.Cancelled
            self._complete(request)


def controls_by_name() -> dict[str, ControlId]:
    """Return every control of the pipeline by its name."""
    return {name: each for name, each in vars(controls).items() if isinstance(each, ControlId)}


def describe(stream: StreamConfiguration) -> dict[str, Any]:
    """Return a stream's configuration for the record."""
    return {
        "format": str(stream.pixel_format),
        "size": [stream.size.width, stream.size.height],
        "stride": stream.stride,
        "is_raw": stream._is_raw,
        "buffers": stream.buffer_count,
    }


def hang(*, holds_gil: bool) -> None:
    """Wait a little, as code that waits for ever: with the interpreter's lock or without."""
    if holds_gil:
        ctypes.PyDLL(None).pause()  # until a signal: no thread of this process runs meanwhile
    else:
        time.sleep(HANG_STEP_S)
