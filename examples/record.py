"""Record a camera and look at its pictures at the same time, over one session.

    python examples/record.py garden anna.viewer.yaml garden.mp4 60

It must not know files: a recording writes them, without decoding or encoding anything.
"""

import argparse
import asyncio
from pathlib import Path

from mqcam.ice import IceSettings
from mqcam_viewer import Recorder, Recording, Shelf, connect


async def main(
    camera: str, credentials: str, file: Path, seconds: float, *, is_loopback: bool
) -> None:
    """Record for so long; count the pictures that were seen meanwhile."""
    seen = 0
    async with connect(camera, credentials, ice=IceSettings(loopback=is_loopback)) as stream:
        recorder = Recorder(stream, Recording(Shelf(file, camera=camera)))
        recording = asyncio.create_task(recorder.run(seconds))
        recording.add_done_callback(lambda _: looking.cancel())

        async def look() -> None:
            nonlocal seen
            async for _frame in stream:
                seen += 1

        looking = asyncio.create_task(look())
        await asyncio.wait({looking})
        summary = await recording
    print(f"{summary.path}: {summary.frames} pictures, {summary.seconds:.1f} s; {seen} were seen")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("camera")
    parser.add_argument("credentials")
    parser.add_argument("file", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--loopback", action="store_true", help="the camera is on this machine")
    given = parser.parse_args()
    asyncio.run(
        main(
            given.camera,
            given.credentials,
            given.file,
            given.seconds,
            is_loopback=given.loopback,
        )
    )
