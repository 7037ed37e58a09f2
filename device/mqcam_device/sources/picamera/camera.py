"""One camera in picamera2's hands: opened, configured, running, with an encoder for each layer.

It must not know threads: all its methods are called in one, and may hang in picamera2. What they
raise beside SourceError is whatever picamera2 raises.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mqcam import h264
from mqcam.errors import SourceError

from mqcam_device.media import BT601, BT709, LOW, MAIN, LayerInfo, StreamInfo
from mqcam_device.sources.layer import LOW_BITRATE_BPS, low_layer, thinning_of
from mqcam_device.sources.picamera import bitrate, controls, hardware, software, v4l2
from mqcam_device.sources.picamera.choice import choose
from mqcam_device.sources.picamera.pace import Pace
from mqcam_device.sources.picamera.sensor import set_sensor_hdr
from mqcam_device.sources.picamera.turning import amend, split
from mqcam_device.sources.raw import HD_LINES
from mqcam_device.x264 import MIN_BITRATE_BPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mqcam_device.media import AccessUnit, ControlInfo, ControlValue, SourceSettings
    from mqcam_device.sources.picamera.controls import Advertised, Native
    from mqcam_device.sources.picamera.encoder import LayerEncoder, Ties
    from mqcam_device.sources.picamera.library import Library

_DEFAULT_SIZE: Final = (1280, 720)
_BUFFERS: Final = 6
"""One is filled, one queued, one kept for snapshots, up to three are with encoders."""

_STREAMS: Final = 2
_FIRST_UNIT_S: Final = 4.0
"""How long a camera may take for its first picture; exposure needs some before it lets one out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What libcamera made of the size that was asked for."""

    width: int
    height: int


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
        main, low = self._configure()
        self._is_hardware = v4l2.has_encoder()
        self.info = self._describe(main, low)
        self._encoders = self._make_encoders(self._ties)
        self.info = replace(self.info, profile_level_id=self._probe())
        return self.info

    def run(self) -> None:
        """Let the camera deliver pictures, as it was last told to."""
        if not self._is_running:
            self._picamera.set_controls(self._native)  # forgotten whenever it stops
            self._picamera.start()
            self._is_running = True

    def halt(self) -> None:
        """Stop the camera, which saves power; encoders are stopped already."""
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
        profile_level_id = self.info.profile_level_id
        main, low = (Stream(width=each.width, height=each.height) for each in self.info.layers)
        self.info = replace(self._describe(main, low), profile_level_id=profile_level_id)
        for info in self.info.layers:
            self._encoders[info.name].change_framerate(info, thinning_of(info, self.info))
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

    def _set_sensor_hdr(self, camera: Mapping[str, Any]) -> None:
        """Set what must be set before the camera is opened."""
        wanted = dict(self._settings.controls).get("hdr")
        if wanted is not None:
            trouble = set_sensor_hdr(camera, is_wanted=wanted == controls.SENSOR_HDR)
            self.notes += [trouble] if trouble else []

    def _configure(self) -> tuple[Stream, Stream]:
        """Ask for both streams and return what they came out as."""
        settings, picamera = self._settings, self._picamera
        width, height = settings.width, settings.height
        if width is None or height is None:
            width, height = _DEFAULT_SIZE
        turn = split(settings.rotation, hflip=settings.hflip, vflip=settings.vflip)
        low = low_layer(_layer(width, height), max_bitrate_bps=settings.max_bitrate_bps)
        colours = self._library.colour_space
        configuration = picamera.create_video_configuration(
            main={"size": (width, height), "format": software.FORMAT},
            lores={"size": (low.width, low.height), "format": software.FORMAT},
            raw=None,
            transform=self._library.transform(hflip=turn.hflip, vflip=turn.vflip),
            # Said, so that libx264 can say it too; picamera2 would choose the same.
            colour_space=colours.Rec709() if height >= HD_LINES else colours.Smpte170m(),
            buffer_count=_BUFFERS,
            display=None,
            encode="main",
        )
        picamera.configure(configuration)
        found = picamera.camera_configuration()
        got = found["transform"]
        self._turn, trouble = amend(turn, hflip=bool(got.hflip), vflip=bool(got.vflip))
        self.notes += [trouble] if trouble else []
        self._learn_controls()
        return _stream(found["main"]), _stream(found["lores"])

    def _learn_controls(self) -> None:
        """Read what can be controlled in this configuration; keep what the owner wants of it."""
        self._advertised = dict(self._picamera.camera_controls)
        self._view = controls.View(left=self._turn.left, streams=_STREAMS)
        wanted = [pair for pair in self._settings.controls if pair != ("hdr", controls.SENSOR_HDR)]
        self._values, troubles = controls.usable(wanted, self._advertised, self._view)
        self.notes += troubles
        self._pace = Pace.of(
            self._advertised, fps=self._settings.fps, fps_min=self._settings.fps_min
        )
        self._native = {
            **self._pace.native,
            **controls.translate(self._values, self._advertised, self._view),
        }

    def _describe(self, main: Stream, low: Stream) -> StreamInfo:
        """Return what is delivered, but for the profile, which the encoder must say."""
        ceiling_bps = self._settings.max_bitrate_bps
        info = StreamInfo(
            width=main.width,
            height=main.height,
            fps_min=self._pace.fps_min,
            fps_max=self._pace.fps,
            profile_level_id="",
            can_force_keyframe=True,
            bitrate_range_bps=(MIN_BITRATE_BPS, max(ceiling_bps, MIN_BITRATE_BPS)),
            encoder=hardware.NAME if self._is_hardware else software.NAME,
            rotation=self._turn.left,
        )
        smaller = low_layer(info.layers[0], max_bitrate_bps=ceiling_bps)
        smaller = replace(smaller, width=low.width, height=low.height)
        if not self._is_hardware:
            return replace(info, smaller=(smaller,))
        if info.width > hardware.LARGEST[0] or info.height > hardware.LARGEST[1]:
            reason = f"the hardware encoder takes 1920x1080 at most, not {info.width}x{info.height}"
            raise SourceError("picamera", f"{reason}: set the size in the configuration")
        main_range, low_range = (
            bitrate.limits(
                width=each.width, height=each.height, fps=each.fps_max, max_bitrate_bps=most_bps
            )
            for each in (info.layers[0], smaller)
            if (most_bps := (each.bitrate_range_bps or (0, 0))[1])
        )
        smaller = replace(smaller, bitrate_range_bps=low_range)
        return replace(info, bitrate_range_bps=main_range, smaller=(smaller,))

    def _make_encoders(self, ties: Ties) -> dict[str, LayerEncoder]:
        rates_bps = {MAIN: self._settings.bitrate_bps, LOW: LOW_BITRATE_BPS}
        matrix = BT709 if self.info.height >= HD_LINES else BT601
        encoders: dict[str, LayerEncoder] = {}
        for info in self.info.layers:
            thinning = thinning_of(info, self.info)
            rate_bps = rates_bps[info.name]
            encoders[info.name] = (
                hardware.HardwareEncoder(
                    self._library, info, ties, bitrate_bps=rate_bps, thinning=thinning
                )
                if self._is_hardware
                else software.SoftwareEncoder(
                    self._library,
                    info,
                    ties,
                    bitrate_bps=rate_bps,
                    matrix=matrix,
                    thinning=thinning,
                )
            )
        return encoders

    def _probe(self) -> str:
        """Encode a first picture and return the profile that its parameter sets say."""
        units: list[AccessUnit] = []
        came = threading.Event()

        def deliver(unit: AccessUnit) -> None:
            units.append(unit)
            came.set()

        ties = replace(self._ties, deliver=deliver)
        encoder = self._make_encoders(ties)[MAIN]
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


def open_camera(picamera2: Callable[[int], Any], place: int) -> Any:
    """Open the camera at a place of the list; raises SourceError."""
    try:
        return picamera2(place)
    except (RuntimeError, OSError) as error:
        if "busy" in explain(error):
            reason = "another program uses the camera: end it (rpicam-hello, motion, a browser?)"
            raise SourceError("picamera", reason) from error
        reason = f"the camera cannot be opened: {explain(error)}"
        raise SourceError("picamera", reason) from error


def explain(error: BaseException) -> str:
    """Return the innermost reason: picamera2 wraps what libcamera said."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def profile_level_id(unit: bytes) -> str:
    """Return what a keyframe's parameter sets say; raises SourceError."""
    for nal in h264.iterate_nals(unit):
        if h264.nal_type(nal) == h264.SPS:
            return h264.parse_sps(nal).profile_level_id
    raise SourceError("encoder", "no parameter sets came in front of a keyframe")


def _layer(width: int, height: int) -> LayerInfo:
    return LayerInfo(
        name=MAIN, width=width, height=height, fps_min=30, fps_max=30, bitrate_range_bps=None
    )


def _stream(found: Mapping[str, Any]) -> Stream:
    """Return a stream's size; raises SourceError for a format that no encoder here takes."""
    if found["format"] != software.FORMAT:
        reason = f"the camera delivers {found['format']}, but {software.FORMAT} is needed"
        raise SourceError("picamera", reason)
    width, height = found["size"]
    return Stream(width=width, height=height)
