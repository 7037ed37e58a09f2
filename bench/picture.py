"""The picture that both cameras show: one place, so that the comparison is one of equals.

It must not know who shows it.
"""

from __future__ import annotations

from dataclasses import replace

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

SMALL, HD, FULL_HD = "360p", "720p", "1080p"
PICTURES = {
    SMALL: SourceSettings(width=640, height=360, bitrate_bps=1_000_000, max_bitrate_bps=1_000_000),
    HD: SourceSettings(width=1280, height=720, bitrate_bps=2_500_000, max_bitrate_bps=2_500_000),
    FULL_HD: SourceSettings(
        width=1920, height=1080, bitrate_bps=4_900_000, max_bitrate_bps=4_900_000
    ),
}
"""What the measurements of the media engine show, all at 30 frames per second.

Of the largest, whose target its encoder undershoots, come 4 Mbit/s (measured).
"""

ENCODED = replace(SOURCE, bitrate_bps=2_000_000)
"""What the lines about the capture child and its encoder show (issue 6)."""

GOP = 60
"""Frames from one keyframe of the stock camera to the next: 2 s. Ours sends one when asked."""

GOP_S = GOP / SOURCE.fps


def agent_settings(source: SourceSettings) -> str:
    """Return the same for ``mqcam-device run``."""
    return (
        f"video: {{size: {source.width}x{source.height}, fps: {source.fps:g}, "
        f"bitrate_bps: {source.bitrate_bps}, max_bitrate_bps: {source.max_bitrate_bps}}}\n"
    )
