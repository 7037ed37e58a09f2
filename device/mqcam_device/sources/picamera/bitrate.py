"""Which bit rates the VideoCore's H.264 encoder may be asked for.

It must not know V4L2. The numbers are the driver's own (bcm2835-codec: 25 kbit/s to 25 Mbit/s in
steps of 25 kbit/s) and, for the floor, what people saw freeze.
"""

from __future__ import annotations

import math
from typing import Final

STEP_BPS: Final = 25_000
MOST_BPS: Final = 20_000_000
"""25 Mbit/s is refused by some firmware when the stream starts (raspberrypi/linux 4938)."""

_KNOWN_PIXELS: Final = 640 * 360
_KNOWN_BITS: Final = 10_000
"""What a picture of that size needs at the least. With fewer bits than the worst picture takes the
firmware gives that picture up (``venc_rc: frame aborted``): before picamera2 0.3.26 the stream
froze, since then it pauses. Seen freezing: 100 kbit/s at 480x360 and 24 pictures a second, which
is 4.2 kbit a picture, while 5 kbit went well (rpicam-apps 682; also 664, picamera2 1228 and 1230,
userland 337). This is twice that, growing with the picture's sides as the bits of a difficult
picture about do."""


def floor_bps(*, width: int, height: int, fps: float) -> int:
    """Return the lowest bit rate to ask for: 300 kbit/s at 640x360, 600 at 720p, both at 30 fps."""
    bits = _KNOWN_BITS * math.sqrt(width * height / _KNOWN_PIXELS)
    return math.ceil(bits * fps / STEP_BPS) * STEP_BPS


def clamp(bitrate_bps: int, limits: tuple[int, int]) -> int:
    """Return the step at or below a bit rate, within limits."""
    least_bps, most_bps = limits
    return min(max(bitrate_bps // STEP_BPS * STEP_BPS, least_bps), most_bps)


def limits(*, width: int, height: int, fps: float, max_bitrate_bps: int) -> tuple[int, int]:
    """Return the range for such pictures below a ceiling; the floor wins over the ceiling."""
    least_bps = floor_bps(width=width, height=height, fps=fps)
    most_bps = min(max_bitrate_bps, MOST_BPS) // STEP_BPS * STEP_BPS
    return least_bps, max(most_bps, least_bps)
