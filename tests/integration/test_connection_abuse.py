"""A peer with the right keys that asks for too much: it gets what a good one would, others wait.

Sockets are real; what is sent is what stock aiortc takes without a bound.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import TYPE_CHECKING

import pytest
from aiortc.rtcsctptransport import DataChunk, tsn_plus_one
from aiortc.rtp import RtcpByePacket
from mqcam.checks import VERIFIED_ADDRESS_LIMIT
from mqcam.media import REPORTS_BURST, REPORTS_PER_S, SOURCE_LIMIT
from mqcam_viewer.ingress import Ingress
from support.connections import EVENT_TIMEOUT_S, connect_both, connected_sides, negotiate, sides
from support.intruder import negative_acknowledgement
from support.pictures import encode_pictures
from support.sending import send_pictures, sending

if TYPE_CHECKING:
    from support.connections import Side

FIRST, MIDDLE, WHOLE = 2, 0, 3
BINARY, OPEN = 53, 50
OPEN_CHANNEL = struct.pack("!BBHLHH", 3, 0, 0, 0, 1, 0) + b"x"


async def until_taken(side: Side, count: int) -> None:
    """Wait until a side has received so many packets of RTP or RTCP, or refused them."""
    media = side.connection.media
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while media.received.rtp_packets + media.received.rtcp_packets + media.excessive < count:  # noqa: ASYNC110 - packets tell nobody
            await asyncio.sleep(0.01)


async def test_a_viewer_gets_no_more_repeats_than_packets() -> None:
    """One NACK names a packet 5000 times: stock would send it as often, at a stretch."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        numbers: list[int] = []
        viewer.connection.media.add_rtp_listener(
            lambda packet, _: numbers.append(int.from_bytes(packet[2:4]))
        )
        await connect_both(viewer.connection, camera.connection)
        async with sending(camera.connection) as egress:
            await send_pictures(egress, encode_pictures(40))
            for _ in range(10):
                nack = negative_acknowledgement(viewer.connection, numbers[0], 300)
                assert await viewer.connection.media.send(nack)
            await until_taken(camera, 10)
            packets, repeated = egress.packets

    assert packets >= 40
    assert 1 <= repeated <= 10


@pytest.mark.parametrize(
    ("flags", "protocol", "data", "streams", "step"),
    [
        (MIDDLE, BINARY, b"x" * 1100, 1, 1),  # a message that never ends
        (MIDDLE, BINARY, b"x", 1, 1),  # the same in crumbs: each costs a look at all others
        (WHOLE, BINARY, b"x", 1, 2),  # every second chunk is missing
        (MIDDLE, BINARY, b"x", 3000, 1),  # a beginning in each stream
        (WHOLE, OPEN, OPEN_CHANNEL, 3000, 1),  # channels without number
    ],
)
async def test_a_peer_that_finishes_nothing_loses_the_data_link_and_nothing_else(
    flags: int, protocol: int, data: bytes, streams: int, step: int
) -> None:
    async with connected_sides() as (viewer, camera):
        await viewer.data_is_open()
        await camera.data_is_open()
        assert viewer.connection.data is not None
        assert camera.connection.data is not None
        attack, victim = viewer.connection.data._sctp, camera.connection.data
        number = attack._local_tsn
        for count in range(3000):
            chunk = DataChunk(flags=flags if count else FIRST)
            chunk.tsn, chunk.stream_id, chunk.stream_seq = number, 1 + count % streams, 0
            chunk.protocol, chunk.user_data = protocol, data
            await attack._send_chunk(chunk)
            await asyncio.sleep(0)
            for _ in range(step):
                number = tsn_plus_one(number)
            if not victim.is_open:
                break

        assert not victim.is_open
        assert camera.closed.empty()
        assert await camera.connection.media.send(rtp(camera, number=1, source=1))
        await until_taken(viewer, 1)


def rtp(side: Side, *, number: int, source: int, timestamp: int = 0) -> bytes:
    """Return a small packet of the video's payload type."""
    kind = 0x80 | side.connection.video.payload_type
    return struct.pack("!BBHII", 0x80, kind, number & 0xFFFF, timestamp, source) + b"\x41\x00"


async def test_a_peer_has_a_few_sources_and_no_more() -> None:
    """Whoever counts per source would count for ever."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        ingress = Ingress(viewer.connection, on_frame=lambda _: None)
        await ingress.start()
        await connect_both(viewer.connection, camera.connection)
        for source in range(1, 101):
            packet = rtp(camera, number=source, source=source)
            assert await camera.connection.media.send(packet)
            await asyncio.sleep(0)
        await until_taken(viewer, 100)
        await ingress.stop()

        assert viewer.connection.media.received.rtp_packets == SOURCE_LIMIT


async def test_reports_of_many_sources_are_not_even_decrypted() -> None:
    """Each would be a stream of its own in libsrtp, for ever."""
    async with connected_sides() as (viewer, camera):
        for source in range(1, 101):
            report = struct.pack("!BBHI", 0x80, 201, 1, source)
            assert await viewer.connection.media.send(report)
            await asyncio.sleep(0)
        await until_taken(camera, 100)

        assert camera.connection.media.received.rtcp_packets == SOURCE_LIMIT
        assert camera.connection.media.excessive == 100 - SOURCE_LIMIT


async def test_reports_beyond_a_budget_are_not_read() -> None:
    heard = 0

    def hear(_packet: bytes, _at: float) -> None:
        nonlocal heard
        heard += 1

    async with connected_sides() as (viewer, camera):
        camera.connection.media.add_rtcp_listener(hear)
        report = struct.pack("!BBHI", 0x80, 201, 1, 7)
        began_at = time.monotonic()
        for _ in range(1000):
            assert await viewer.connection.media.send(report)
            await asyncio.sleep(0)
        await until_taken(camera, 1000)
        elapsed_s = time.monotonic() - began_at

    assert REPORTS_BURST <= heard <= REPORTS_BURST + 1 + elapsed_s * REPORTS_PER_S


async def test_reports_outlive_a_clock_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A jitter that is counted from the time of day fits no report after a leap of months."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        ingress = Ingress(viewer.connection, on_frame=lambda _: None)
        await ingress.start()
        await connect_both(viewer.connection, camera.connection)
        camera_media, source = camera.connection.media, camera.connection.video.local_ssrc
        assert await camera_media.send(rtp(camera, number=1, source=source, timestamp=1))
        await until_taken(viewer, 1)
        true_time = time.time
        monkeypatch.setattr(time, "time", lambda: true_time() + 180 * 86_400)
        assert await camera_media.send(rtp(camera, number=2, source=source, timestamp=3001))
        await until_taken(viewer, 2)
        sent_before = viewer.connection.media.sent.rtcp_packets
        for number in range(3, 203):
            packet = rtp(camera, number=number, source=source, timestamp=number * 3000)
            assert await camera_media.send(packet)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while viewer.connection.media.sent.rtcp_packets < sent_before + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await ingress.stop()


async def test_a_stream_that_its_camera_ended_is_told() -> None:
    """The connection and its reports live on after a BYE: nobody else would notice."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        ended = asyncio.Event()
        ingress = Ingress(viewer.connection, on_frame=lambda _: None, on_end=ended.set)
        await ingress.start()
        await connect_both(viewer.connection, camera.connection)
        bye = RtcpByePacket(sources=[camera.connection.video.local_ssrc])
        assert await camera.connection.media.send(bytes(bye))
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            await ended.wait()
        await ingress.stop()


@pytest.mark.parametrize("first_bytes", [b"\x80\x60", b"\x80\xc8", b"\x16\xfe", b"\x17\xfe"])
@pytest.mark.parametrize("size", [1400, 1500, 1501, 9000, 60_000])
async def test_a_datagram_of_any_size_in_the_peers_name_ends_nothing(
    first_bytes: bytes, size: int
) -> None:
    """Whoever knows both addresses can send it: no key is needed."""
    async with connected_sides() as (viewer, camera):
        await viewer.data_is_open()
        await camera.data_is_open()
        assert viewer.connection.data is not None
        await viewer.connection._ice.gatherer.ice.send(first_bytes + bytes(size - 2))
        assert viewer.connection.data.send(b"still here")

        assert await camera.next_message() == b"still here"
        assert camera.closed.empty()


async def test_a_peer_has_a_bounded_number_of_addresses() -> None:
    """Each address that knows the password would be a candidate, a pair and a check."""
    async with connected_sides() as (viewer, camera):
        ice = camera.connection._ice.gatherer.ice
        known = len(ice._verified)
        protocol = ice._protocols[0]
        request = viewer.connection._ice.gatherer.ice.build_request(
            next(iter(viewer.connection._ice.gatherer.ice._check_list)), nominate=False
        )
        for port in range(20_000, 20_000 + 2 * VERIFIED_ADDRESS_LIMIT):
            ice.check_incoming(request, ("127.0.0.1", port), protocol)

        assert len(ice._verified) == VERIFIED_ADDRESS_LIMIT
        assert len(ice._remote_candidates) <= VERIFIED_ADDRESS_LIMIT + known + 64
        assert ice.strangers >= VERIFIED_ADDRESS_LIMIT


async def test_a_close_that_is_cut_short_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that was stopped for a second finds the limit of its clean-up passed."""
    async with connected_sides() as (viewer, _):
        with monkeypatch.context() as patch:
            patch.setattr("mqcam.connection.CLOSE_LIMIT_S", 0.0)
            await viewer.connection.close()
        await viewer.connection.close()

        ice = viewer.connection._ice.gatherer.ice
        assert all(protocol.transport.is_closing() for protocol in ice._protocols)
