"""The viewer that we compare with: a stock RTCPeerConnection that decodes what comes.

It must not know what is measured. The stock camera is reached over a local socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Self

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from av.video.frame import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

ANSWER_S = 10.0
FRAME_S = 10.0


class Line:
    """A line of JSON out, a line of JSON back."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def __aenter__(self) -> Self:
        """Connect to the stock camera."""
        self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Hang up, which ends what the camera sends here."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def ask(self, do: str, **values: str) -> dict[str, Any]:
        """Return the camera's answer."""
        self._writer.write(json.dumps({"do": do, **values}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            answer: dict[str, Any] = json.loads(await self._reader.readline())
        return answer


class StockViewer:
    """Watch the stock camera inside ``async with``; entering ends with the answer applied."""

    def __init__(self, path: str, *, servers: Sequence[dict[str, str]] = ()) -> None:
        self._line = Line(path)
        self._connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[RTCIceServer(**each) for each in servers])
        )
        self.began_at = 0.0
        self.offered_at = 0.0
        self.answered_at = 0.0

    async def __aenter__(self) -> Self:
        """Offer and take the answer; candidates are gathered before, as ours are."""
        connection = self._connection
        self.began_at = time.monotonic()
        connection.addTransceiver("video", direction="recvonly")
        await connection.setLocalDescription(await connection.createOffer())
        await self._line.__aenter__()
        self.offered_at = time.monotonic()
        answer = await self._line.ask("offer", sdp=connection.localDescription.sdp)
        self.answered_at = time.monotonic()
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close both lines."""
        await self._connection.close()
        await self._line.__aexit__(kind, error, traceback)

    async def frame(self) -> VideoFrame:
        """Return the next decoded picture."""
        async with asyncio.timeout(FRAME_S):
            frame = await self._connection.getReceivers()[0].track.recv()
        if not isinstance(frame, VideoFrame):
            raise TypeError("a video track gave something else than a picture")
        return frame

    async def received_bytes(self) -> int:
        """Return what came over the transport so far."""
        report = await self._connection.getReceivers()[0].getStats()
        return sum(each.bytesReceived for each in report.values() if each.type == "transport")
