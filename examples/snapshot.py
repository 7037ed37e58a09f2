"""Save one picture of every camera that is online, over one connection to the broker.

    python examples/snapshot.py anna.viewer.yaml pictures/

It must not know sessions: each lasts for one picture.
"""

import argparse
import asyncio
from pathlib import Path

from mqcam.errors import MqcamError
from mqcam.ice import IceSettings
from mqcam_viewer import Client, take_snapshot
from mqcam_viewer.picture import jpeg


async def main(credentials: str, folder: Path, *, is_loopback: bool) -> None:
    """Write CAMERA.jpg for each camera; say why where there is none."""
    async with Client(credentials, ice=IceSettings(loopback=is_loopback)) as client:
        for name, status in (await client.cameras()).items():
            if status is None:
                print(f"{name} is offline")
                continue
            try:
                picture = await take_snapshot(client, name)
            except MqcamError as error:
                print(f"{name}: {error}")
                continue
            file = folder / f"{name}.jpg"
            await asyncio.to_thread(file.write_bytes, jpeg(picture, quality=85))
            print(f"{file}  {picture.width}x{picture.height}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("credentials")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loopback", action="store_true", help="the cameras are on this machine")
    given = parser.parse_args()
    asyncio.run(main(given.credentials, given.folder, is_loopback=given.loopback))
