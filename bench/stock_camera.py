"""The camera that we compare with: a stock RTCPeerConnection that passes encoded packets on.

It shows the same pattern with the same encoder as the agent, with a keyframe each ``GOP`` frames as
cameras have it. Everything else must be aiortc's own. Started as ``python -m bench.stock_camera
SOCKET [OPTIONS]``; offers come in and answers go out over that socket, a line of JSON each. The end
of standard input ends it.

OPTIONS is an object: ``servers`` help it, with ``is_relayed`` it uses nothing else, ``picture`` is
what it shows, and ``notes`` names a file for the moments at which pictures are handed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from mqcam_device.sources.selection import make_source

from bench.notes import Notes
from bench.picture import GOP, PICTURES, SOURCE
from bench.programs import READY, standard_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam_device.media import AccessUnit, SourceState, StreamInfo

CLOCK = Fraction(1, 1_000_000)
MAX_WAITING = 64
STOP_S = 2.0


class PacketTrack(MediaStreamTrack):
    """Live packets from the first read on, as aiortc's own ``MediaPlayer`` hands them out."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._units: asyncio.Queue[AccessUnit] | None = None

    def put(self, unit: AccessUnit) -> None:
        """Queue a unit for a reader that has begun; the oldest goes when too many wait."""
        if self._units is None:
            return
        if self._units.full():
            self._units.get_nowait()
        self._units.put_nowait(unit)

    async def recv(self) -> av.Packet[Any]:
        """Return the next packet."""
        if self._units is None:
            self._units = asyncio.Queue(MAX_WAITING)
        unit = await self._units.get()
        packet: av.Packet[Any] = av.Packet(unit.data)
        packet.pts, packet.time_base = unit.captured_ns // 1000, CLOCK
        return packet


class StockCamera:
    """One source, one track and one peer connection per viewer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        servers: Sequence[dict[str, str]] = (),
        is_relayed: bool = False,
        picture: str = "",
        notes: str = "",
    ) -> None:
        self._loop = loop
        policy = RTCIceTransportPolicy.RELAY if is_relayed else RTCIceTransportPolicy.ALL
        self._configuration = RTCConfiguration(
            iceServers=[RTCIceServer(**each) for each in servers], iceTransportPolicy=policy
        )
        self._tracks: set[PacketTrack] = set()
        self._source = make_source(PICTURES[picture] if picture else SOURCE)
        self._notes = Notes(notes) if notes else None
        self._since_keyframe = 0
        self._encoder_thread = 0

    def start(self) -> None:
        """Open the source; it rests until somebody says ``play``."""
        self._source.start(self._encoded, _ignore_state)

    def stop(self) -> None:
        """End the source."""
        self._source.stop(STOP_S)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one viewer until it hangs up."""
        connection = RTCPeerConnection(self._configuration)
        track = PacketTrack()
        try:
            while line := await reader.readline():
                answer = await self._answer(json.loads(line), connection, track)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the viewer is gone, which is what we wait for
        finally:
            self._tracks.discard(track)
            # It waits for ever for a sender that never began, or until this process ends.
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(STOP_S):
                    await connection.close()
            writer.close()

    async def _answer(
        self, request: dict[str, str], connection: RTCPeerConnection, track: PacketTrack
    ) -> dict[str, object]:
        match request["do"]:
            case "play":
                self._source.resume()
            case "rest":
                self._source.pause()
            case "offer":
                return {"sdp": await self._connect(connection, track, request["sdp"])}
        return {"encoder_thread": self._encoder_thread}

    async def _connect(self, connection: RTCPeerConnection, track: PacketTrack, offer: str) -> str:
        codecs = RTCRtpSender.getCapabilities("video").codecs
        connection.addTrack(track)
        connection.getTransceivers()[0].setCodecPreferences(
            [codec for codec in codecs if codec.mimeType == "video/H264"]
        )
        await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        self._tracks.add(track)
        return str(connection.localDescription.sdp)

    def _encoded(self, unit: AccessUnit) -> None:
        """Take a unit on the source's thread."""
        self._encoder_thread = threading.get_native_id()
        self._since_keyframe = 0 if unit.keyframe else self._since_keyframe + 1
        if self._since_keyframe == GOP - 1:
            self._source.request_keyframe()
        self._loop.call_soon_threadsafe(self._publish, unit)

    def _publish(self, unit: AccessUnit) -> None:
        if self._notes is not None:
            self._notes.add(unit.captured_ns, time.monotonic_ns())
        for track in self._tracks:
            track.put(unit)


def _ignore_state(_state: SourceState, _info: StreamInfo | None, _text: str) -> None:
    """Do nothing: the pattern always runs."""


async def run(path: str, options: str = "{}") -> None:
    """Serve on a socket until standard input ends."""
    camera = StockCamera(asyncio.get_running_loop(), **json.loads(options))
    camera.start()
    lines = await standard_input()
    async with await asyncio.start_unix_server(camera.serve, path):
        print(READY, flush=True)
        await lines.read()
        camera.stop()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
