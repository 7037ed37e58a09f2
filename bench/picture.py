"""The picture that both cameras show: one place, so that the comparison is one of equals.

It must not know who shows it.
"""

from __future__ import annotations

from mqcam_device.media import SourceSettings

SOURCE = SourceSettings(
    kind="pattern",
    width=1280,
    height=720,
    fps=30.0,
    bitrate_bps=1_500_000,
    max_bitrate_bps=4_000_000,
    label="bench",
)

GOP = 60
"""Frames from one keyframe of the stock camera to the next: 2 s. Ours sends one when asked."""

GOP_S = GOP / SOURCE.fps

AGENT_SETTINGS = (
    f"video: {{size: {SOURCE.width}x{SOURCE.height}, fps: {SOURCE.fps:g}, "
    f"bitrate_bps: {SOURCE.bitrate_bps}, max_bitrate_bps: {SOURCE.max_bitrate_bps}}}\n"
)
"""The same for ``mqcam-device run``."""
