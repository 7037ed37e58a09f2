"""One camera in picamera2's hands: opened, configured, running, with an encoder for each layer.

It must not know threads: all its methods are called in one, and may hang in picamera2. What they
raise beside SourceError is whatever picamera2 raises.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mqcam import h264
from mqcam.errors import SourceError

from mqcam_device.media import LOW
from mqcam_device.sources.layer import LOW_BITRATE_BPS, Thinning
from mqcam_device.sources.picamera import bitrate, controls, videocore
from mqcam_device.sources.picamera.choice import choose
from mqcam_device.sources.picamera.configuration import STREAMS, configure
from mqcam_device.sources.picamera.description import describe, with_pace
from mqcam_device.sources.picamera.hardware import HardwareEncoder
from mqcam_device.sources.picamera.opening import open_camera
from mqcam_device.sources.picamera.pace import Pace
from mqcam_device.sources.picamera.sensor import set_sensor_hdr
from mqcam_device.sources.picamera.software import SoftwareEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam_device.media import (
        AccessUnit,
        ControlInfo,
        ControlValue,
        LayerInfo,
        SourceSettings,
        StreamInfo,
    )
    from mqcam_device.sources.picamera.controls import Advertised, Native
    from mqcam_device.sources.picamera.encoder import LayerEncoder, Ties
    from mqcam_device.sources.picamera.library import Library

_FIRST_UNIT_S: Final = 4.0
"""How long a camera may take for its first picture; exposure needs some before it lets one out."""

_profiles: Final[dict[tuple[str, LayerInfo], str]] = {}
"""What encoders of this process said of layers: a camera that is opened anew after a fault has
little time. They are few, as few as the settings that an agent starts its child with."""


class Camera:
    """A camera from `open` to `close`.

    ``notes`` are sentences about what the configuration wants and this camera cannot do.
    """

    def __init__(self, settings: SourceSettings, library: Library, ties: Ties) -> None:
        self._settings = settings
        self._library = library
        self._ties = ties
        self._picamera: Any = None
        self._is_running = False
        self._encoders: dict[str, LayerEncoder] = {}
        self._native: Native = {}
        self._pace = Pace.of({}, fps=settings.fps, fps_min=settings.fps_min)
        self._values: dict[str, ControlValue] = {}
        self._advertised: Advertised = {}
        self.notes: list[str] = []

    @property
    def is_active(self) -> bool:
        """Whether any layer is being encoded."""
        return any(encoder.is_running for encoder in self._encoders.values())

    @property
    def is_running(self) -> bool:
        """Whether the camera delivers pictures."""
        return self._is_running

    def open(self) -> StreamInfo:
        """Open the camera and see a first picture of it, encoded; raises SourceError too."""
        picamera2 = self._library.picamera
        cameras = picamera2.global_camera_info()
        place = choose(cameras, self._settings.camera)
        self._set_sensor_hdr(cameras[place])
        self._picamera = open_camera(picamera2, place)
        self._configuration = configure(self._picamera, self._library, self._settings)
        self._note(self._configuration.trouble)
        self._learn_controls()
        self._is_hardware = videocore.has_encoder()
        self.info = describe(
            self._configuration,
            self._pace,
            max_bitrate_bps=self._settings.max_bitrate_bps,
            is_hardware=self._is_hardware,
        )
        self._encoders = {
            info.name: self._make_encoder(info, self._ties) for info in self.info.layers
        }
        self.info = replace(self.info, profile_level_id=self._profile())
        self.run()
        return self.info

    def run(self) -> None:
        """Let the camera deliver pictures, as it was last told to."""
        if not self._is_running:
            self._picamera.set_controls(self._native)  # forgotten whenever it stops
            self._picamera.start()
            self._is_running = True

    def halt(self) -> None:
        """Stop the camera, which saves power; encoders are stopped already."""
        self._picamera.cancel_all_and_flush()  # a job that waits would let it hang
        self._is_running = False
        self._picamera.stop()

    def activate(self, layer: str) -> None:
        """Encode a layer; its next unit is a keyframe."""
        encoder = self._encoders.get(layer)
        if encoder is None:
            return
        if encoder.is_running:
            encoder.request_keyframe()
        else:
            encoder.start(self._picamera)
        self.run()

    def rest(self, layer: str) -> None:
        """Encode a layer no more."""
        encoder = self._encoders.get(layer)
        if encoder is not None:
            encoder.stop(self._picamera)

    def request_keyframe(self, layer: str) -> bool:
        """Make a layer's next picture a keyframe; in any thread."""
        encoder = self._encoders.get(layer)
        if encoder is not None:
            encoder.request_keyframe()
        return encoder is not None

    def clamp_bitrate(self, bitrate_bps: int, layer: str) -> int:
        """Return what would be applied, 0 for no such layer; in any thread."""
        for info in self.info.layers:
            if info.name == layer and info.bitrate_range_bps is not None:
                if self._is_hardware:
                    return bitrate.clamp(bitrate_bps, info.bitrate_range_bps)
                least_bps, most_bps = info.bitrate_range_bps
                return min(max(bitrate_bps, least_bps), most_bps)
        return 0

    def set_bitrate(self, bitrate_bps: int, layer: str) -> None:
        """Aim for a bit rate of a layer's range."""
        encoder = self._encoders.get(layer)
        if encoder is not None:
            encoder.set_bitrate(bitrate_bps)

    def clamp_framerate(self, fps: float) -> float:
        """Return what would be applied; in any thread."""
        return self._pace.limited(fps).fps

    def set_framerate(self, fps: float) -> StreamInfo:
        """Cap the frame rate of all layers; returns what is delivered from now on."""
        self._pace = self._pace.limited(fps)
        self._tell(self._pace.native)
        self.info = with_pace(self.info, self._pace, self._configuration)
        for info in self.info.layers:
            self._encoders[info.name].change_framerate(info, self._thinning_of(info))
        return self.info

    def controls(self) -> tuple[ControlInfo, ...]:
        """Return what can be changed; in any thread."""
        return controls.describe(self._advertised, self._values)

    def set_controls(self, values: Mapping[str, ControlValue]) -> None:
        """Change controls, all or none; raises SourceError."""
        merged = controls.merge(self._values, values)
        self._tell(controls.translate(values, self._advertised, self._view))
        self._values = merged

    def begin_capture(self) -> Any:
        """Return picamera2's promise of the next picture, a job; the camera runs from now on."""
        self.run()
        return self._picamera.capture_request(wait=False)

    def cancel_captures(self) -> None:
        """Break such promises: a job that waits would let `close` hang."""
        self._picamera.cancel_all_and_flush()

    def close(self) -> None:
        """Give everything back, as far as it still can be; safe at any time."""
        picamera, self._picamera = self._picamera, None
        if picamera is None:
            return
        with contextlib.suppress(Exception):
            picamera.cancel_all_and_flush()
        with contextlib.suppress(Exception):
            picamera.stop()
        self._stop_encoders(picamera)
        with contextlib.suppress(Exception):
            picamera.close()
        self._is_running = False
        del picamera
        self._encoders.clear()
        gc.collect()  # it refers to itself, and holds descriptors and memory until then

    def _stop_encoders(self, picamera: Any) -> None:
        """Stop all at once: each may wait 0.4 s for pictures that will not come."""

        def stop(encoder: LayerEncoder) -> None:
            with contextlib.suppress(Exception):
                encoder.stop(picamera)

        threads = [
            threading.Thread(target=stop, args=(encoder,), name="stop encoder", daemon=True)
            for encoder in self._encoders.values()
            if encoder.is_running
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _note(self, sentence: str) -> None:
        self.notes += [sentence] if sentence else []

    def _set_sensor_hdr(self, camera: Mapping[str, Any]) -> None:
        """Set what must be set before the camera is opened."""
        wanted = dict(self._settings.controls).get("hdr")
        if wanted is not None:
            self._note(set_sensor_hdr(camera, is_wanted=wanted == controls.SENSOR_HDR))

    def _learn_controls(self) -> None:
        """Read what can be controlled in this configuration; keep what the owner wants of it."""
        self._advertised = dict(self._picamera.camera_controls)
        self._view = controls.View(left=self._configuration.turn.left, streams=STREAMS)
        wanted = [pair for pair in self._settings.controls if pair != ("hdr", controls.SENSOR_HDR)]
        self._values, troubles = controls.usable(wanted, self._advertised, self._view)
        self.notes += troubles
        self._pace = Pace.of(
            self._advertised, fps=self._settings.fps, fps_min=self._settings.fps_min
        )
        self._fastest = self._pace.fps
        self._native = {
            **self._configuration.native,
            **self._pace.native,
            **controls.translate(self._values, self._advertised, self._view),
        }

    def _thinning_of(self, info: LayerInfo) -> Thinning | None:
        """Return how a layer leaves pictures out; a slower pace takes a camera some pictures."""
        if info.fps_max >= self._fastest:
            return None
        return Thinning(source_fps=self._fastest, fps=info.fps_max)

    def _make_encoder(self, info: LayerInfo, ties: Ties) -> LayerEncoder:
        library, thinning = self._library, self._thinning_of(info)
        bitrate_bps = LOW_BITRATE_BPS if info.name == LOW else self._settings.bitrate_bps
        if self._is_hardware:
            return HardwareEncoder(library, info, ties, bitrate_bps=bitrate_bps, thinning=thinning)
        matrix = self._configuration.matrix
        return SoftwareEncoder(
            library, info, ties, bitrate_bps=bitrate_bps, matrix=matrix, thinning=thinning
        )

    def _profile(self) -> str:
        """Return the profile of the main layer, as its parameter sets say it."""
        main = self.info.layers[0]
        kind = (self.info.encoder, main)
        if kind not in _profiles:
            _profiles[kind] = self._probe(main)
        return _profiles[kind]

    def _probe(self, main: LayerInfo) -> str:
        """Encode a first picture and return the profile that its parameter sets say."""
        units: list[AccessUnit] = []
        came = threading.Event()

        def deliver(unit: AccessUnit) -> None:
            units.append(unit)
            came.set()

        encoder = self._make_encoder(main, replace(self._ties, deliver=deliver))
        encoder.start(self._picamera)
        try:
            self.run()
            if not came.wait(_FIRST_UNIT_S):
                reason = f"the camera gave no picture within {_FIRST_UNIT_S:g} s: check its cable"
                raise SourceError("picamera", reason)
        finally:
            encoder.stop(self._picamera)
        return profile_level_id(units[0].data)

    def _tell(self, native: Native) -> None:
        """Tell the camera, now and after each start."""
        if self._is_running:
            # picamera2 takes controls over and forgets them in two steps, while it holds this.
            with self._picamera.request_lock:
                self._picamera.set_controls(native)
        self._native = {**self._native, **native}


def profile_level_id(unit: bytes) -> str:
    """Return what a keyframe's parameter sets say; raises SourceError."""
    for nal in h264.iterate_nals(unit):
        if h264.nal_type(nal) == h264.SPS:
            return h264.parse_sps(nal).profile_level_id
    raise SourceError("encoder", "no parameter sets came in front of a keyframe")
