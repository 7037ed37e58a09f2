"""One layer of a source: its pictures thinned out, scaled, encoded and numbered.

It must not know threads, clocks, or where units go.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from av.video.reformatter import Interpolation, VideoReformatter
from mqcam.h264 import Normaliser

from mqcam_device.media import LOW, LOW_MAX_BITRATE_BPS, MIN_BITRATE_BPS, AccessUnit, LayerInfo
from mqcam_device.sources.raw import NS, matrix_of
from mqcam_device.x264 import X264

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from mqcam_device.media import StreamInfo

LOW_SIZE: Final = (640, 360)
LOW_FPS: Final = 15.0
LOW_BITRATE_BPS: Final = 300_000
"""Where the low layer starts."""

_LEAST_SIDE: Final = 16
_RATE_TOLERANCE: Final = 0.99
"""29.97 pictures per second are taken for 30, 15.1 for 15."""


def low_layer(main: LayerInfo, *, max_bitrate_bps: int) -> LayerInfo:
    """Return the low layer of a source: within ``LOW_SIZE`` and never larger than main.

    Of main's pictures it has every one, every second, and so on: the first that is ``LOW_FPS`` or
    less. ``max_bitrate_bps`` is the ceiling of main.
    """
    ratio = min(
        1.0, *(most / side for most, side in zip(LOW_SIZE, (main.width, main.height), strict=True))
    )
    width, height = (
        min(side, max(round(side * ratio / 2) * 2, _LEAST_SIDE))
        for side in (main.width, main.height)
    )
    fps = main.fps_max / max(math.ceil(main.fps_max / LOW_FPS * _RATE_TOLERANCE), 1)
    ceiling_bps = max(min(LOW_MAX_BITRATE_BPS, max_bitrate_bps), MIN_BITRATE_BPS)
    return LayerInfo(
        name=LOW,
        width=width,
        height=height,
        fps_min=min(main.fps_min, fps),
        fps_max=fps,
        bitrate_range_bps=(MIN_BITRATE_BPS, ceiling_bps),
    )


class Thinning:
    """Choose pictures for a lower frame rate, evenly although their times jitter."""

    def __init__(self, *, source_fps: float, fps: float) -> None:
        self._period_ns = int(NS / fps)
        self._early_ns = int(NS / source_fps / 2)
        self._due_ns = 0

    def takes(self, captured_ns: int, *, is_wanted: bool = False) -> bool:
        """Return whether the picture of this moment goes on; ``is_wanted`` says that it must."""
        late_ns = captured_ns - self._due_ns
        if late_ns < -self._early_ns and not is_wanted:
            return False
        is_in_time = -self._early_ns <= late_ns <= self._period_ns / 2
        self._due_ns = (self._due_ns if is_in_time else captured_ns) + self._period_ns
        return True


def thinning_of(layer: LayerInfo, source: StreamInfo) -> Thinning | None:
    """Return how a layer leaves pictures out; None for one that takes all."""
    if layer.fps_max >= source.fps_max:
        return None
    return Thinning(source_fps=source.fps_max, fps=layer.fps_max)


class EncodedLayer:
    """An encoder that exists while somebody looks, and what outlives it: number and rate.

    Without ``thinning`` the layer takes every picture.
    """

    def __init__(
        self, info: LayerInfo, *, bitrate_bps: int, thinning: Thinning | None = None
    ) -> None:
        self.info = info
        self._least_bps, self._most_bps = info.bitrate_range_bps or (MIN_BITRATE_BPS, bitrate_bps)
        self._bitrate_bps = self.clamp(bitrate_bps)
        self._thinning = thinning
        self._reformatter = VideoReformatter()
        self._normaliser = Normaliser()
        self._encoder: X264 | None = None
        self._is_keyframe_wanted = False
        self._seq = 0

    def clamp(self, bitrate_bps: int) -> int:
        """Return the bit rate within the layer's range."""
        return min(max(bitrate_bps, self._least_bps), self._most_bps)

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Aim for a bit rate, moved into the range, from the next picture on."""
        self._bitrate_bps = self.clamp(bitrate_bps)

    def request_keyframe(self) -> None:
        """Make the next picture that the layer takes a keyframe."""
        self._is_keyframe_wanted = True

    def change_framerate(self, info: LayerInfo, thinning: Thinning | None = None) -> None:
        """Take a new encoder: x264 shares its bits out by the frame rate it was opened with."""
        self.info = info
        self._thinning = thinning
        self._encoder = None

    def rest(self) -> None:
        """Give the encoder's memory back; the next unit will be a keyframe."""
        self._encoder = None

    def encode(self, frame: VideoFrame, captured_ns: int) -> AccessUnit | None:
        """Return the picture as a unit; None for one that is left out."""
        is_wanted = self._is_keyframe_wanted
        if self._thinning and not self._thinning.takes(captured_ns, is_wanted=is_wanted):
            return None
        encoder = self._encoder = self._encoder or self._open(frame)
        if encoder.bitrate_bps != self._bitrate_bps:
            encoder.set_bitrate(self._bitrate_bps)
        if is_wanted:
            encoder.request_keyframe()
            self._is_keyframe_wanted = False
        normal = self._normaliser.normalise(encoder.encode(self._scale(frame), captured_ns))
        if normal is None:
            return None
        data, is_keyframe = normal
        unit = AccessUnit(data, captured_ns, is_keyframe, self._seq, self.info.name)
        self._seq += 1
        return unit

    def _open(self, frame: VideoFrame) -> X264:
        return X264(
            width=self.info.width,
            height=self.info.height,
            fps=self.info.fps_max,
            bitrate_bps=self._bitrate_bps,
            max_bitrate_bps=self._most_bps,
            matrix=matrix_of(frame),
        )

    def _scale(self, frame: VideoFrame) -> VideoFrame:
        width, height = self.info.width, self.info.height
        if (frame.width, frame.height) == (width, height):
            return frame
        # The mean of an area costs less than interpolation here, and its pictures fewer bits.
        return self._reformatter.reformat(
            frame, width=width, height=height, interpolation=Interpolation.AREA
        )
