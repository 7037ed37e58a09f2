"""What a camera delivers, by layer, with either of the encoders.

It must not know picamera2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.errors import SourceError

from mqcam_device.media import MIN_BITRATE_BPS, StreamInfo
from mqcam_device.sources.layer import low_layer
from mqcam_device.sources.picamera import bitrate, hardware, software

if TYPE_CHECKING:
    from mqcam_device.media import LayerInfo
    from mqcam_device.sources.picamera.configuration import Configuration
    from mqcam_device.sources.picamera.pace import Pace


def describe(
    configuration: Configuration, pace: Pace, *, max_bitrate_bps: int, is_hardware: bool
) -> StreamInfo:
    """Return all but the profile, which the encoder must say; raises SourceError for a size."""
    width, height = configuration.main
    info = StreamInfo(
        width=width,
        height=height,
        fps_min=pace.fps_min,
        fps_max=pace.fps,
        profile_level_id="",
        can_force_keyframe=True,
        bitrate_range_bps=(MIN_BITRATE_BPS, max(max_bitrate_bps, MIN_BITRATE_BPS)),
        encoder=hardware.NAME if is_hardware else software.NAME,
        rotation=configuration.turn.left,
    )
    (main,) = info.layers
    low = replace(
        low_layer(main, max_bitrate_bps=max_bitrate_bps),
        width=configuration.low[0],
        height=configuration.low[1],
    )
    if is_hardware:
        check_size(width, height)
        low = replace(low, bitrate_range_bps=_hardware_range(low))
        info = replace(info, bitrate_range_bps=_hardware_range(main))
    return replace(info, smaller=(low,))


def with_pace(info: StreamInfo, pace: Pace, configuration: Configuration) -> StreamInfo:
    """Return what is delivered at another pace. The ranges stay: the encoders were opened so."""
    is_hardware = info.encoder == hardware.NAME
    (low,) = info.smaller
    paced = describe(configuration, pace, max_bitrate_bps=1, is_hardware=is_hardware)
    smaller = replace(paced.smaller[0], bitrate_range_bps=low.bitrate_range_bps)
    return replace(info, fps_min=paced.fps_min, fps_max=paced.fps_max, smaller=(smaller,))


def check_size(width: int, height: int) -> None:
    """Raise SourceError for a size that the VideoCore does not encode."""
    most_width, most_height = hardware.LARGEST
    if width > most_width or height > most_height:
        reason = f"this board's encoder takes 1920x1080 at most, not {width}x{height}"
        raise SourceError("picamera", f"{reason}: set a smaller size in the configuration")


def _hardware_range(layer: LayerInfo) -> tuple[int, int]:
    _, most_bps = layer.bitrate_range_bps or (0, 0)
    return bitrate.limits(
        width=layer.width, height=layer.height, fps=layer.fps_max, max_bitrate_bps=most_bps
    )
