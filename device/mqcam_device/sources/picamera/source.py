"""A Raspberry Pi's camera as a source of video.

It must not know processes or sockets, nor import picamera2 before it is started. Whatever may hang
is done by a thread of its own: callers wait with a deadline or not at all.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from mqcam.errors import MqcamError, SourceError

from mqcam_device.media import MAIN, SourceState
from mqcam_device.sources.delivery import Delivery
from mqcam_device.sources.picamera.camera import Camera
from mqcam_device.sources.picamera.encoder import Ties
from mqcam_device.sources.picamera.library import load
from mqcam_device.sources.picamera.opening import explain
from mqcam_device.sources.picamera.sensorclock import SensorClock
from mqcam_device.sources.picamera.snapshot import Promise
from mqcam_device.sources.picamera.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mqcam_device.media import (
        AccessUnit,
        ControlInfo,
        ControlValue,
        Sink,
        SourceSettings,
        StateListener,
        StreamInfo,
    )

OPEN_S: Final = 18.0
"""Most of what the agent gives a new child: a small Pi that has just started loads picamera2 from
its card for many seconds. The rest is for the child's own start."""

_CONTROL_S: Final = 2.0
_HANG_S: Final = 3.0
"""Work that takes longer is said to hang; opening excepted."""


class PicameraSource:
    """A `VideoSource` from one of libcamera's cameras."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._worker = Worker(
            "picamera", due_s=self._idle_end_s, on_due=self._halt, on_error=self._fail
        )
        self._camera: Camera | None = None
        self._idle_since_s: float | None = None
        self._is_over = False
        self._is_fault_told = self._is_hang_told = False
        self._delivering = threading.Lock()  # units of two layers come from two threads
        self._capturing = threading.Lock()  # one snapshot after the other
        self._promise: Promise | None = None

    def start(self, sink: Sink, on_state: StateListener) -> StreamInfo:
        """Open the camera and see a picture of it; raises SourceError."""
        self._delivery, self._on_state = Delivery(sink, on_state), on_state
        self._worker.start()
        info = self._worker.call(self._open, OPEN_S, what="opening the camera")
        if self._camera is not None and self._camera.notes:
            on_state(SourceState.RUNNING, info, "; ".join(self._camera.notes))
        return info

    def resume(self, layer: str = MAIN) -> None:
        """Encode a layer; its first unit is a keyframe. The camera is started if it rested."""
        self._post(("layer", layer), lambda camera: self._activate(camera, layer))

    def pause(self, layer: str = MAIN) -> None:
        """Encode a layer no more; with the last one the camera's time of rest comes nearer."""
        self._post(("layer", layer), lambda camera: self._rest(camera, layer))

    def request_keyframe(self, layer: str = MAIN) -> bool:
        """Make the layer's next picture a keyframe."""
        self._look_for_hang()
        return self._camera is not None and self._camera.request_keyframe(layer)

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> int:
        """Aim for a bit rate; returns what the encoder is asked for."""
        if self._camera is None:
            return 0
        applied_bps = self._camera.clamp_bitrate(bitrate_bps, layer)
        self._post(("bitrate", layer), lambda camera: camera.set_bitrate(applied_bps, layer))
        return applied_bps

    def set_framerate(self, fps: float) -> float:
        """Cap the frame rate of all layers; returns what the camera can of it."""
        if self._camera is None:
            return 0.0
        applied = self._camera.clamp_framerate(fps)

        def change(camera: Camera) -> None:
            self._on_state(SourceState.RUNNING, camera.set_framerate(applied), "")

        self._post("framerate", change)
        return applied

    def snapshot(self, timeout_s: float) -> bytes:
        """Return a picture of MAIN's size, even while paused; raises SourceError."""
        end_s = time.monotonic() + timeout_s
        picture = None
        if self._capturing.acquire(True, timeout_s):
            try:
                picture = self._capture(end_s)
            finally:
                self._capturing.release()
        if picture is None:
            raise SourceError("snapshot", f"no picture came within {timeout_s:g} s")
        return picture

    def controls(self) -> tuple[ControlInfo, ...]:
        """Return what the camera advertises, with what it was set to."""
        return () if self._camera is None else self._camera.controls()

    def set_controls(self, values: Mapping[str, ControlValue]) -> None:
        """Change controls from the next pictures on, all or none; raises SourceError."""
        self._worker.call(
            lambda: self._opened().set_controls(values), _CONTROL_S, what="setting controls"
        )

    def stop(self, timeout_s: float) -> bool:
        """End the source; False if picamera2 hangs and this process must be replaced."""
        self._is_over = True
        return self._worker.stop(self._close, timeout_s)

    def _open(self) -> StreamInfo:
        ties = Ties(clock=SensorClock(), deliver=self._deliver, fail=self._tell_fault)
        camera = Camera(self._settings, load(), ties)
        try:
            info = camera.open()
        except Exception as error:
            camera.close()
            if isinstance(error, MqcamError):
                raise
            raise SourceError("picamera", f"the camera cannot be used: {explain(error)}") from error
        self._camera = camera
        self._idle_since_s = time.monotonic()
        return info

    def _opened(self) -> Camera:
        if self._camera is None:
            raise SourceError("picamera", "the camera is not open")
        return self._camera

    def _post(self, key: object, work: Callable[[Camera], None]) -> None:
        self._look_for_hang()
        self._worker.post(key, lambda: work(self._opened()))

    def _activate(self, camera: Camera, layer: str) -> None:
        camera.activate(layer)
        self._idle_since_s = None if camera.is_active else self._idle_since_s

    def _rest(self, camera: Camera, layer: str) -> None:
        was_active = camera.is_active
        camera.rest(layer)
        if was_active and not camera.is_active:
            self._idle_since_s = time.monotonic()

    def _idle_end_s(self) -> float | None:
        """Return when a camera that nobody looks at is to be stopped."""
        camera, idle_s = self._camera, self._settings.idle_stop_s
        if camera is None or idle_s is None or self._idle_since_s is None or self._promise:
            return None
        return self._idle_since_s + idle_s if camera.is_running else None

    def _halt(self) -> None:
        self._opened().halt()

    def _capture(self, end_s: float) -> bytes | None:
        """Return a picture, None if none comes until then."""
        rest_s = max(end_s - time.monotonic(), 0.0)
        promise = self._worker.call(self._begin_capture, rest_s, what="taking a picture")
        try:
            return promise.develop(max(end_s - time.monotonic(), 0.0))
        finally:
            self._worker.post("snapshot", lambda: self._end_capture(promise))

    def _begin_capture(self) -> Promise:
        if self._promise is not None:
            self._end_capture(self._promise)  # whoever wanted it has gone
        self._promise = Promise(self._opened().begin_capture())
        return self._promise

    def _end_capture(self, promise: Promise) -> None:
        """Let picamera2 forget a promise that was not kept: jobs behind it would wait."""
        if promise is not self._promise:
            return
        self._promise = None
        if not promise.is_kept:
            self._opened().cancel_captures()
            promise.forget()
        if self._idle_since_s is not None:
            self._idle_since_s = time.monotonic()

    def _close(self) -> None:
        if self._camera is not None:
            self._camera.close()

    def _deliver(self, unit: AccessUnit) -> None:
        """Hand a unit on; what a sink does wrong must not reach picamera2's threads."""
        with self._delivering:
            if not self._is_over:
                self._delivery.hand_over(unit, None)

    def _look_for_hang(self) -> None:
        busy_s = self._worker.busy_s
        if busy_s > _HANG_S and not self._is_hang_told:
            self._is_hang_told = True
            self._fail(SourceError("picamera", f"libcamera hangs for {busy_s:.0f} s"))

    def _fail(self, error: Exception) -> None:
        """Tell that what was asked could not be done: only a new start can help."""
        if not self._is_over:
            self._on_state(SourceState.FAILED, None, sentence(error))

    def _tell_fault(self, error: Exception) -> None:
        """Tell the first fault of a thread; the silence that follows is the agent's to judge."""
        if not (self._is_fault_told or self._is_over):
            self._is_fault_told = True
            self._on_state(SourceState.STALLED, None, sentence(error))


def sentence(error: Exception) -> str:
    """Return an error for a person."""
    return str(error) if isinstance(error, MqcamError) else f"picamera: {explain(error)}"
