"""A program that publishes a moving grey over RTSP with FFmpeg, in real time: its address follows.

It must not know the product. It ends when it is killed, or after a minute.
"""

from __future__ import annotations

import sys
import time

import av

SECONDS = 60


def main(url: str) -> None:
    with av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp"}) as container:
        stream = container.add_stream("libx264", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "15"}
        began_at = time.monotonic()
        for number in range(SECONDS * 30):
            time.sleep(max(began_at + number / 30 - time.monotonic(), 0))
            frame = av.VideoFrame(320, 240, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes((number % 200 + 20,)) * plane.buffer_size)
            frame.pts = number
            for packet in stream.encode(frame):
                container.mux(packet)


if __name__ == "__main__":
    main(sys.argv[1])
