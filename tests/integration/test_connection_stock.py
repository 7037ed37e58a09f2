"""Our camera's answer in a stock RTCPeerConnection as the viewer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from mqcam.ice import IceSettings
from support.connections import CONNECT_TIMEOUT_S, EVENT_TIMEOUT_S, Side
from support.pictures import encode_pictures
from support.sending import send_pictures, sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiortc import RTCDataChannel
    from aiortc.mediastreams import MediaStreamTrack


@contextlib.asynccontextmanager
async def stock_viewer(policy: RTCBundlePolicy) -> AsyncIterator[RTCPeerConnection]:
    """Make a stock viewer without servers."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=policy))
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def camera_answering(viewer: RTCPeerConnection) -> AsyncIterator[Side]:
    """Let our camera answer what the viewer offers and connect."""
    # A stock peer does not offer 127.0.0.1, so this needs whatever address the machine has.
    camera = Side("camera", IceSettings(loopback=True))
    try:
        await viewer.setLocalDescription(await viewer.createOffer())
        answer = await camera.connection.create_answer(viewer.localDescription.sdp)
        connecting = asyncio.create_task(camera.connection.connect(CONNECT_TIMEOUT_S))
        try:
            await viewer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        finally:
            await connecting
        yield camera
    finally:
        await camera.connection.close()


async def decoded_frames(track: MediaStreamTrack, count: int) -> int:
    """Wait for ``count`` decoded frames."""
    for _ in range(count):
        await asyncio.wait_for(track.recv(), EVENT_TIMEOUT_S)
    return count


# Not balanced with audio: aiortc then waits for the transport of the section that is off.
@pytest.mark.parametrize(
    ("policy", "kinds"),
    [
        (RTCBundlePolicy.MAX_BUNDLE, ("video",)),
        (RTCBundlePolicy.MAX_BUNDLE, ("audio", "video")),
        (RTCBundlePolicy.BALANCED, ("video",)),
    ],
)
async def test_a_stock_viewer_decodes_our_video(
    policy: RTCBundlePolicy, kinds: tuple[str, ...]
) -> None:
    """Audio, where it is asked for, is answered as switched off."""
    async with stock_viewer(policy) as viewer:
        for kind in kinds:
            viewer.addTransceiver(kind, direction="recvonly")
        channel: RTCDataChannel = viewer.createDataChannel("mqcam", negotiated=True, id=0)
        received: asyncio.Queue[bytes] = asyncio.Queue()
        channel.on("message", received.put_nowait)
        async with camera_answering(viewer) as camera:
            track = next(
                each.receiver.track for each in viewer.getTransceivers() if each.kind == "video"
            )
            async with sending(camera.connection) as egress:
                await send_pictures(egress, encode_pictures(20))
                assert await decoded_frames(track, 10) == 10
            await camera.data_is_open()
            assert camera.connection.data is not None
            assert camera.connection.data.send(b"hello")
            assert await asyncio.wait_for(received.get(), EVENT_TIMEOUT_S) == b"hello"


async def test_the_camera_sees_a_stock_viewer_leave() -> None:
    async with stock_viewer(RTCBundlePolicy.MAX_BUNDLE) as viewer:
        viewer.addTransceiver("video", direction="recvonly")
        async with camera_answering(viewer) as camera:
            assert camera.connection.data is None
            await viewer.close()
            assert await camera.next_close() == "peer-closed"
