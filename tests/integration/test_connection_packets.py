"""What travels over a connection: media, reports, messages, and what strangers send."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from mqcam.rtcp import write_picture_loss
from mqcam_viewer.ingress import Ingress
from support.connections import (
    EVENT_TIMEOUT_S,
    connect_both,
    connected_sides,
    negotiate,
    sides,
)
from support.pictures import encode_pictures
from support.sending import send_pictures, sending

if TYPE_CHECKING:
    import pytest
    from mqcam_viewer.frames import Frame

# Nothing, a byte, RTP, RTCP, DTLS, a fatal alert, a STUN error whose attribute is too short.
FORGED = (
    b"",
    b"\x00",
    b"\x80",
    b"\x80\xc8" + bytes(40),
    b"\x16\xfe\xfd",
    b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",
    bytes.fromhex("0111000c2112a442" + "00" * 12 + "000c00012900000000120000"),
)


async def test_both_ends_carry_h264_over_the_connection() -> None:
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        heard: list[tuple[int, float]] = []
        viewer.connection.media.add_rtp_listener(
            lambda packet, at: heard.append((int.from_bytes(packet[4:8]), at))
        )
        frames: asyncio.Queue[Frame] = asyncio.Queue()
        ingress = Ingress(viewer.connection, on_frame=frames.put_nowait)
        await ingress.start()
        await connect_both(viewer.connection, camera.connection)
        async with sending(camera.connection) as egress:
            await send_pictures(egress, encode_pictures(20))
            shown = [await asyncio.wait_for(frames.get(), EVENT_TIMEOUT_S) for _ in range(10)]
        assert all(frame.width == 320 for frame in shown)
        assert viewer.connection.media.received.rtp_packets == len(heard) >= 10
        assert viewer.connection.media.heard_at >= heard[-1][1] > 0
        sent = list(dict.fromkeys(timestamp for timestamp, _ in heard))
        assert [frame.rtp_timestamp for frame in shown] == sent[:10]
        await ingress.stop()


async def test_a_picture_brings_along_how_to_turn_it() -> None:
    """The camera is turned after each; whoever shows them and whoever keeps them hears of it."""
    turns = [90, 180, 270, 0, 90]
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        frames: asyncio.Queue[Frame] = asyncio.Queue()
        kept: list[int] = []
        ingress = Ingress(
            viewer.connection,
            on_frame=frames.put_nowait,
            on_unit=lambda unit, _captured_ns: kept.append(unit.rotation),
        )
        await ingress.start()
        await connect_both(viewer.connection, camera.connection)
        ahead = iter(turns)
        async with sending(camera.connection, rotation=lambda: next(ahead)) as egress:
            await send_pictures(egress, encode_pictures(len(turns)))
            shown = [await asyncio.wait_for(frames.get(), EVENT_TIMEOUT_S) for _ in turns]
        await ingress.stop()

    assert [frame.rotation for frame in shown] == kept == turns
    assert [(frame.width, frame.height) for frame in shown[:2]] == [(240, 320), (320, 240)]


async def test_a_key_frame_request_reaches_the_camera() -> None:
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        await connect_both(viewer.connection, camera.connection)
        asked = asyncio.Event()
        video = viewer.connection.video
        assert video.remote_ssrc == camera.connection.video.local_ssrc
        request = write_picture_loss(video.local_ssrc, video.remote_ssrc or 0)
        async with sending(camera.connection, lambda _round_trip_s: asked.set()):
            assert await viewer.connection.media.send(request)
            await asyncio.wait_for(asked.wait(), EVENT_TIMEOUT_S)


async def test_empty_and_forged_datagrams_do_not_end_a_connection() -> None:
    async with connected_sides() as (viewer, camera):
        pair = viewer.connection.selected_pair()
        assert pair is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for datagram in FORGED:
                stranger.sendto(datagram, pair.local)
        await viewer.data_is_open()
        await camera.data_is_open()
        assert camera.connection.data is not None
        assert camera.connection.data.send(b"still here")
        assert await viewer.next_message() == b"still here"
        assert viewer.connection.trouble["strangers"] >= 4
        assert viewer.connection.trouble["malformed"] >= 1


async def test_malformed_packets_of_the_peer_are_counted_and_survived() -> None:
    async with connected_sides() as (viewer, camera):
        arrived = asyncio.Event()
        camera.connection.media.add_rtcp_listener(lambda packet, _: arrived.set())
        malformed = [
            b"\x81\xc8\x00\x01" + bytes(4),
            b"\x9f\xca\x00\x01" + bytes(4),
            b"\x8f\xce\x00\x01" + bytes(4),
        ]
        for packet in malformed:
            assert await viewer.connection.media.send(packet)
        await asyncio.wait_for(arrived.wait(), EVENT_TIMEOUT_S)
        await viewer.data_is_open()
        await camera.data_is_open()
        assert camera.closed.empty()


async def test_a_failing_listener_is_logged_and_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with connected_sides() as (viewer, camera):
        arrived = asyncio.Event()

        def fail(_: bytes, __: float) -> None:
            arrived.set()
            raise ZeroDivisionError

        camera.connection.media.add_rtcp_listener(fail)
        await viewer.connection.media.send(b"\x80\xc9\x00\x01" + bytes(4))
        await asyncio.wait_for(arrived.wait(), EVENT_TIMEOUT_S)
        await camera.data_is_open()
        assert "listener" in caplog.text


async def test_messages_that_are_too_large_or_too_many_are_not_queued() -> None:
    async with connected_sides() as (viewer, camera):
        await viewer.data_is_open()
        await camera.data_is_open()
        link = viewer.connection.data
        assert link is not None
        assert not link.send(bytes(16_385))
        taken = [link.send(bytes(16_384)) for _ in range(40)]
        assert taken[:8] == [True] * 8
        assert not all(taken)
        assert link.dropped == 1 + taken.count(False)
        for _ in range(taken.count(True)):
            assert len(await camera.next_message()) == 16_384


async def test_a_failing_handler_of_messages_is_logged_and_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with connected_sides() as (viewer, camera):
        await viewer.data_is_open()
        await camera.data_is_open()
        sending, receiving = viewer.connection.data, camera.connection.data
        assert sending is not None
        assert receiving is not None
        arrived = asyncio.Event()

        def fail(_: bytes) -> None:
            arrived.set()
            raise ZeroDivisionError

        receiving.on_message = fail
        assert sending.send(b"first")
        await asyncio.wait_for(arrived.wait(), EVENT_TIMEOUT_S)
        receiving.on_message = camera.messages.put_nowait
        assert sending.send(b"second")
        assert await camera.next_message() == b"second"
        assert "handler" in caplog.text


async def test_nothing_can_be_sent_after_the_close() -> None:
    async with connected_sides() as (viewer, _):
        await viewer.connection.close()
        assert not await viewer.connection.media.send(b"\x80\xc9\x00\x01" + bytes(4))
        assert viewer.connection.data is not None
        assert not viewer.connection.data.send(b"x")
