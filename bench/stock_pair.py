"""Two stock peer connections on hosts of their own that exchange descriptions after a delay.

It must not know what is measured.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

if TYPE_CHECKING:
    from support.namespaces import Host

CONNECT_S = 10.0


class StockEnd:
    """One side; made and used in the loop of its host."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connected = asyncio.Event()
        self.connection.on("connectionstatechange", self._changed)

    def _changed(self) -> None:
        if self.connection.connectionState == "connected":
            self.connected.set()

    async def offer(self) -> str:
        """Describe what we want."""
        self.connection.addTransceiver("video", direction="recvonly")
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def answer(self, offer: str) -> str:
        """Answer an offer."""
        await self.accept(offer, "offer")
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, sdp: str, kind: str) -> None:
        """Take a description."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, kind))

    async def connect(self) -> None:
        """Wait until the other side is reached."""
        async with asyncio.timeout(CONNECT_S):
            await self.connected.wait()


async def make_end() -> StockEnd:
    """Make one in the running loop."""
    return StockEnd()


async def connect(viewer_host: Host, camera_host: Host, *, delay_s: float) -> None:
    """Let two sides meet and part."""
    viewer, camera = await viewer_host.run(make_end()), await camera_host.run(make_end())
    try:
        offer = await viewer_host.run(viewer.offer())
        await asyncio.sleep(delay_s)
        answer = await camera_host.run(camera.answer(offer))
        await asyncio.sleep(delay_s)
        await viewer_host.run(viewer.accept(answer, "answer"))
        await asyncio.gather(viewer_host.run(viewer.connect()), camera_host.run(camera.connect()))
    finally:
        await viewer_host.run(viewer.connection.close())
        await camera_host.run(camera.connection.close())
