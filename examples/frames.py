"""Watch a camera and hand each picture to NumPy, as OpenCV wants it.

    pip install mqcam numpy
    python examples/frames.py garden anna.viewer.yaml 100

It must not know how pictures come here: the stream looks after itself.
"""

import argparse
import asyncio
import importlib.util
import sys

from mqcam.ice import IceSettings
from mqcam_viewer import connect, upright


async def main(camera: str, credentials: str, count: int, *, is_loopback: bool) -> None:
    """Print the mean brightness of ``count`` pictures."""
    async with connect(camera, credentials, ice=IceSettings(loopback=is_loopback)) as stream:
        async for frame in stream:
            picture = upright(frame.picture, frame.rotation)
            image = picture.to_ndarray(format="bgr24")  # height x width x 3, for cv2
            age = "?" if frame.latency_ms is None else f"{frame.latency_ms:.0f}"
            print(f"{image.shape}  mean {image.mean():.1f}  {age} ms old")
            count -= 1
            if count == 0:
                break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("camera")
    parser.add_argument("credentials")
    parser.add_argument("count", type=int)
    parser.add_argument("--loopback", action="store_true", help="the camera is on this machine")
    given = parser.parse_args()
    if importlib.util.find_spec("numpy") is None:
        sys.exit("this example hands pictures to NumPy: pip install numpy")
    asyncio.run(main(given.camera, given.credentials, given.count, is_loopback=given.loopback))
