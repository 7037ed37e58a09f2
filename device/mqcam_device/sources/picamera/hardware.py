"""The VideoCore's encoder (Pi 0 to 4) through picamera2's own `H264Encoder`.

It must not know cameras. picamera2 calls `_encode` in its event loop, holding the camera's lock,
and the output in the encoder's thread; an exception there would end that thread silently, so none
leaves this module.
"""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from mqcam_device.media import MAIN
from mqcam_device.sources.picamera import bitrate, videocore
from mqcam_device.sources.picamera.units import UnitMaker
from mqcam_device.sources.v4l2 import CID_FORCE_KEY_FRAME

if TYPE_CHECKING:
    from mqcam_device.media import LayerInfo
    from mqcam_device.sources.layer import Thinning
    from mqcam_device.sources.picamera.encoder import Ties
    from mqcam_device.sources.picamera.library import Library

NAME: Final = "v4l2:bcm2835-codec"
LARGEST: Final = (1920, 1088)
"""What the VideoCore encodes at most (picamera2 issue 753)."""

_GOP_S: Final = 3600
"""Keyframes come when a viewer needs one."""

_LEAST_SAID_FPS: Final = 10
"""At less the driver refuses to start (raspberrypi/linux 4739)."""


class Gate:
    """Which pictures reach the encoder, and which of them are to be keyframes."""

    def __init__(self, ties: Ties) -> None:
        self._ties = ties
        self._is_keyframe_wanted = False
        self.thinning: Thinning | None = None

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe, whichever the thinning would choose."""
        self._is_keyframe_wanted = True

    def takes(self, request: Any) -> bool:
        """Return whether a picture is to be encoded."""
        if self.thinning is None:
            return True
        captured_ns = int(request.get_metadata()["SensorTimestamp"])
        return self.thinning.takes(captured_ns, is_wanted=self._is_keyframe_wanted)

    def take_keyframe(self) -> bool:
        """Return whether the picture is to be a keyframe, once."""
        is_wanted, self._is_keyframe_wanted = self._is_keyframe_wanted, False
        return is_wanted

    def fail(self, error: Exception) -> None:
        """Tell that the encoder does not work."""
        self._ties.fail(error)


class HardwareEncoder:
    """A `LayerEncoder` on the VideoCore."""

    def __init__(
        self,
        library: Library,
        info: LayerInfo,
        ties: Ties,
        *,
        bitrate_bps: int,
        thinning: Thinning | None = None,
    ) -> None:
        self.info = info
        self._library = library
        self._ties = ties
        self._bitrate_bps = self._clamp(bitrate_bps)
        self._units = UnitMaker(info.name)
        self._gate = Gate(ties)
        self._gate.thinning = thinning
        self._encoder: Any = None

    @property
    def is_running(self) -> bool:
        """Whether pictures are encoded."""
        return self._encoder is not None

    def start(self, picamera: Any) -> None:
        """Begin to encode; raises what picamera2 raises, having tidied up what it leaves."""
        self._units.restart()
        encoder = encoder_class(self._library.h264_encoder)(
            self._gate,
            bitrate=self._bitrate_bps,
            repeat=True,
            iperiod=int(self.info.fps_max * _GOP_S),
            framerate=max(self.info.fps_max, _LEAST_SAID_FPS),
            enable_sps_framerate=True,
            profile="constrained baseline",
        )
        output = output_class(self._library.output)(encoder, self._take, self._ties.fail)
        stream = "main" if self.info.name == MAIN else "lores"
        try:
            picamera.start_encoder(encoder, output, name=stream)
        except Exception:
            # Its thread and the device were opened before it failed, and nobody else closes them.
            with contextlib.suppress(Exception):
                encoder.stop()
            raise
        self._encoder = encoder

    def stop(self, picamera: Any) -> None:
        """End it and give the device back."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            picamera.stop_encoder(encoder)

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._gate.request_keyframe()

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Aim for the step at or below a bit rate; the driver takes it at any time."""
        self._bitrate_bps = self._clamp(bitrate_bps)
        if self._encoder is not None:
            number = videocore.CID_BITRATE
            videocore.set_control(self._encoder.vd, number, self._bitrate_bps)

    def change_framerate(self, info: LayerInfo, thinning: Thinning | None) -> None:
        """Choose pictures for another rate; the device itself needs not know it."""
        self.info = info
        self._gate.thinning = thinning

    def _clamp(self, bitrate_bps: int) -> int:
        limits = self.info.bitrate_range_bps or (bitrate_bps, bitrate_bps)
        return bitrate.clamp(bitrate_bps, limits)

    def _take(self, data: bytes, boot_us: int) -> None:
        unit = self._units.make(data, self._ties.clock.monotonic_ns(boot_us * 1000))
        if unit is not None:
            self._ties.deliver(unit)


@cache
def encoder_class(base: Any) -> Any:
    """Return picamera2's `H264Encoder` with a gate in front."""

    class GatedEncoder(base):  # type: ignore[misc]
        def __init__(self, gate: Gate, **options: Any) -> None:
            super().__init__(**options)
            self._gate = gate

        def _encode(self, stream: Any, request: Any) -> None:
            try:
                if self._gate.takes(request):
                    if self._gate.take_keyframe():
                        self._force_keyframe()
                    super()._encode(stream, request)
            except Exception as error:  # noqa: BLE001 - it would end picamera2's event loop
                self._gate.fail(error)

        def _force_keyframe(self) -> None:
            if hasattr(base, "force_key_frame"):
                self.force_key_frame()
            else:  # before 0.3.32
                videocore.set_control(self.vd, CID_FORCE_KEY_FRAME, 1)

    return GatedEncoder


@cache
def output_class(base: Any) -> Any:
    """Return an `Output` that hands pictures on with the sensor's time, and never raises."""

    class UnitOutput(base):  # type: ignore[misc]
        def __init__(self, encoder: Any, take: Any, fail: Any) -> None:
            super().__init__()
            self._encoder, self._take, self._fail = encoder, take, fail

        def outputframe(
            self,
            frame: Any,
            keyframe: bool = True,
            timestamp: int | None = None,
            packet: Any = None,
            audio: bool = False,
        ) -> None:
            del keyframe, packet  # what the stream itself says is believed
            try:
                if not audio:
                    # picamera2 counts from the encoder's first picture, in microseconds.
                    boot_us = self._encoder.firsttimestamp + (timestamp or 0)
                    self._take(bytes(frame), boot_us)
            except Exception as error:  # noqa: BLE001 - it would end the encoder's thread
                self._fail(error)

    return UnitOutput
