"""What a recording holds of what was received, as a player sees it.

It must not know how figures are shown. ``MQCAM_BENCH_RECORD_S`` sets how long one recording is.
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam_device.sources.marker import read_marker
from mqcam_viewer import Client, Recorder, Recording, Shelf
from support.playback import play, seek
from support.watching import LOOPBACK

from bench.figures import Figure
from bench.stage import CAMERA

if TYPE_CHECKING:
    from bench.stage import Stage

SECONDS = float(os.environ.get("MQCAM_BENCH_RECORD_S", "60"))
LONGEST_S = 4.0
EXACT_S = 0.001


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Record once, however many runs: the length of one is what matters."""
    del runs
    with stage.agent(), tempfile.TemporaryDirectory(prefix="mqcam-bench-") as folder:
        file = Path(folder) / "recording.mp4"
        async with (
            Client(stage.credentials, ice=LOOPBACK) as client,
            client.watch(CAMERA, is_decoding=False) as stream,
        ):
            recorder = Recorder(stream, Recording(Shelf(file, camera=CAMERA)))
            summary = await recorder.run(SECONDS)
        played = play(file)
        found = sum(
            abs((seek(file, at + 0.01).time or 0.0) - at) < EXACT_S for at in played.keyframes
        )
    markers = [read_marker(picture) for picture in played.pictures]
    numbers = [marker.frame for marker in markers if marker is not None]
    name = f"recording of {SECONDS:g} s"
    times = [*played.keyframes, played.times[-1]]
    rows = {
        "pictures received": (len(played.pictures), None),
        "received pictures missing": (summary.frames_received - len(played.pictures), 0),
        "pictures broken or out of order": (
            len(markers) - 1 - sum(other == one + 1 for one, other in pairwise(numbers)),
            0,
        ),
        "keyframes that cannot be sought": (len(played.keyframes) - found, 0),
        "warnings of FFmpeg": (len(played.complaints), 0),
    }
    counts = [
        Figure(name=f"{name}: {what}", unit="", ours=(float(count),), limit=limit)
        for what, (count, limit) in rows.items()
    ]
    longest_s = max(other - one for one, other in pairwise(times))
    spacing = Figure(
        name=f"{name}: longest time between keyframes", unit="s", ours=(longest_s,), limit=LONGEST_S
    )
    return [*counts, spacing]
