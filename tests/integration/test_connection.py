"""Two of our connections on real sockets of 127.0.0.1."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aioice.ice
import pytest
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket
from av import VideoFrame
from mqcam.errors import (
    AnswerRefused,
    ConnectFailed,
    LocalProtocolError,
    OfferRefused,
    StageTimeout,
)
from mqcam.ice import IceSettings
from mqcam.stock import make_receiver, make_sender
from support.connections import (
    CONNECT_TIMEOUT_S,
    EVENT_TIMEOUT_S,
    connect_both,
    connected_sides,
    lines_of,
    negotiate,
    sides,
    without_lines,
)
from support.pictures import PacketTrack, encode_pictures

if TYPE_CHECKING:
    from mqcam.connection import Connection


logger = logging.getLogger(__name__)

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


async def test_two_sides_connect_and_exchange_data_messages() -> None:
    async with sides() as (viewer, camera):
        began_at = time.monotonic()
        await negotiate(viewer.connection, camera.connection)
        await connect_both(viewer.connection, camera.connection)
        logger.info("connected in %.1f ms", (time.monotonic() - began_at) * 1e3)
        await viewer.data_is_open()
        await camera.data_is_open()
        logger.info("data channel open in %.1f ms", (time.monotonic() - began_at) * 1e3)
        assert viewer.connection.data is not None
        assert camera.connection.data is not None
        assert viewer.connection.data.send(b"to the camera")
        assert camera.connection.data.send(b"to the viewer")
        assert await camera.next_message() == b"to the camera"
        assert await viewer.next_message() == b"to the viewer"
        pair = viewer.connection.selected_pair()
        assert pair is not None
        assert pair.local[0] == pair.remote[0] == "127.0.0.1"


async def test_stock_sender_and_receiver_carry_h264_over_the_connection() -> None:
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        heard: list[tuple[int, float]] = []
        viewer.connection.media.add_rtp_listener(
            lambda packet, at: heard.append((int.from_bytes(packet[4:8]), at))
        )
        receiver = make_receiver(viewer.connection.media, viewer.connection.video)
        await receiver.receive(viewer.connection.receive_parameters())
        await connect_both(viewer.connection, camera.connection)
        sender = make_sender(
            PacketTrack(encode_pictures(20)),
            camera.connection.media,
            camera.connection.video,
            lambda: None,
        )
        await sender.send(camera.connection.send_parameters())
        frames = [await asyncio.wait_for(receiver.track.recv(), 5) for _ in range(10)]
        assert all(isinstance(frame, VideoFrame) and frame.width == 320 for frame in frames)
        assert viewer.connection.media.received.rtp_packets == len(heard) >= 10
        assert viewer.connection.media.heard_at == heard[-1][1]
        sent = list(dict.fromkeys(timestamp for timestamp, _ in heard))
        assert [frame.pts for frame in frames] == sent[:10]
        await sender.stop()
        await receiver.stop()


async def test_a_key_frame_request_reaches_the_camera() -> None:
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        await connect_both(viewer.connection, camera.connection)
        asked = asyncio.Event()
        sender = make_sender(
            PacketTrack([]), camera.connection.media, camera.connection.video, asked.set
        )
        await sender.send(camera.connection.send_parameters())
        video = viewer.connection.video
        assert video.remote_ssrc == camera.connection.video.local_ssrc
        request = RtcpPsfbPacket(
            fmt=RTCP_PSFB_PLI, ssrc=video.local_ssrc, media_ssrc=video.remote_ssrc or 0
        )
        assert await viewer.connection.media.send(bytes(request))
        await asyncio.wait_for(asked.wait(), EVENT_TIMEOUT_S)
        await sender.stop()


async def test_trickled_candidates_alone_are_enough() -> None:
    async with sides() as (viewer, camera):
        offer = await viewer.connection.create_offer()
        answer = await camera.connection.create_answer(without_lines(offer, "a=candidate:"))
        await viewer.connection.accept_answer(without_lines(answer, "a=candidate:"))
        async with asyncio.TaskGroup() as group:
            group.create_task(viewer.connection.connect(CONNECT_TIMEOUT_S))
            group.create_task(camera.connection.connect(CONNECT_TIMEOUT_S))
            await asyncio.sleep(0)
            viewer.connection.add_remote_candidates(
                lines_of(answer, "a=candidate:"), ufrag=camera.connection.ufrag, end=True
            )
            camera.connection.add_remote_candidates(
                lines_of(offer, "a=candidate:"), ufrag=viewer.connection.ufrag, end=False
            )


async def test_garbage_names_and_stale_candidates_neither_delay_nor_break() -> None:
    bad = [
        "",
        "candidate:",
        "candidate:1 1 udp 1 127.0.0.1 99999 typ host",
        "candidate:1 2 udp 1 127.0.0.1 9 typ host",
        "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
        "candidate:1 1 udp 1 224.0.0.1 9 typ host",
        "\x00\ud800" * 40,
    ]
    names = [f"candidate:{n} 1 udp 1 nobody-{n}.local 9 typ host" for n in range(20)]
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        began_at = time.monotonic()
        for connection, other in (
            (viewer.connection, camera.connection),
            (camera.connection, viewer.connection),
        ):
            connection.add_remote_candidates(bad + names, ufrag=other.ufrag, end=True)
            connection.add_remote_candidates(bad, ufrag="another", end=False)
        await connect_both(viewer.connection, camera.connection)
        assert time.monotonic() - began_at < 1.0
        assert viewer.connection.refused_candidates >= 2 * len(bad) + 12


async def test_a_name_is_looked_up_beside_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The only candidate is a name; what answers for it is replaced."""
    lookups = Lookups({"camera-1.local": "127.0.0.1"})
    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", lookups.get)
    async with sides() as (viewer, camera):
        offer = await viewer.connection.create_offer()
        answer = await camera.connection.create_answer(without_lines(offer, "a=candidate:"))
        await viewer.connection.accept_answer(answer.replace(" 127.0.0.1 ", " camera-1.local "))
        await connect_both(viewer.connection, camera.connection)
        assert lookups.asked == ["camera-1.local"]


async def test_a_taken_mdns_port_costs_the_name_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", Lookups({}).fail)
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        name = "candidate:1 1 udp 2130706431 nobody.local 9 typ host"
        viewer.connection.add_remote_candidates([name], ufrag="", end=False)
        await connect_both(viewer.connection, camera.connection)
        assert viewer.connection.refused_candidates == 1


@pytest.mark.parametrize("address", ["224.0.0.1", "::ffff:0.0.0.0", "", "nonsense", None])
async def test_a_name_that_leads_nowhere_good_is_not_used(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    lookups = Lookups({} if address is None else {"evil.local": address})
    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", lookups.get)
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        name = "candidate:1 1 udp 2130706431 evil.local 9 typ host"
        viewer.connection.add_remote_candidates([name], ufrag="", end=False)
        await connect_both(viewer.connection, camera.connection)
        assert lookups.asked == ["evil.local"]
        assert viewer.connection.refused_candidates == 1


class Lookups:
    """Stands for the multicast of a home network."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.asked: list[str] = []
        self._addresses = addresses

    async def get(self, _: object) -> Lookups:
        """Return what resolves names."""
        return self

    async def fail(self, _: object) -> Lookups:
        """Find the port taken."""
        raise OSError(errno.EADDRINUSE, "in use")

    async def resolve(self, name: str) -> str | None:
        """Resolve a name."""
        self.asked.append(name)
        return self._addresses.get(name)


async def test_candidates_after_connect_and_after_close_are_ignored() -> None:
    late = ["candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"]
    async with connected_sides() as (viewer, camera):
        viewer.connection.add_remote_candidates(late, ufrag=camera.connection.ufrag, end=False)
        assert viewer.connection.refused_candidates == 1
        await viewer.connection.close()
        viewer.connection.add_remote_candidates(late, ufrag=camera.connection.ufrag, end=True)
        assert viewer.connection.refused_candidates == 2


async def test_candidates_without_a_description_are_ignored() -> None:
    async with sides() as (viewer, _):
        await viewer.connection.create_offer()
        viewer.connection.add_remote_candidates(
            ["candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"], ufrag="abcd", end=False
        )
        assert viewer.connection.refused_candidates == 1


async def test_a_peer_with_another_certificate_is_refused() -> None:
    async with sides() as (viewer, camera):
        answer = await camera.connection.create_answer(await viewer.connection.create_offer())
        line = lines_of(answer, "a=fingerprint:")[0]
        wrong = line[:-2] + ("00" if line[-2:] != "00" else "11")
        await viewer.connection.accept_answer(answer.replace(line, wrong))
        results = await asyncio.gather(
            viewer.connection.connect(CONNECT_TIMEOUT_S),
            camera.connection.connect(CONNECT_TIMEOUT_S),
            return_exceptions=True,
        )
        assert isinstance(results[0], ConnectFailed)
        assert results[0].stage == "dtls"
        assert "certificate" in str(results[0])


async def test_a_peer_that_never_answers_ends_at_the_deadline() -> None:
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        await camera.connection.close()
        began_at = time.monotonic()
        with pytest.raises(StageTimeout, match="none of 1 addresses") as caught:
            await viewer.connection.connect(0.3)
        assert caught.value.stage == "ice"
        assert 0.3 <= time.monotonic() - began_at < 1.3


async def test_a_peer_without_addresses_is_named_as_such() -> None:
    async with sides() as (viewer, camera):
        answer = await camera.connection.create_answer(await viewer.connection.create_offer())
        await viewer.connection.accept_answer(without_lines(answer, "a=candidate:"))
        with pytest.raises(StageTimeout, match="sent no address"):
            await viewer.connection.connect(0.1)


async def test_a_peer_that_stops_during_the_key_exchange_ends_at_the_deadline() -> None:
    """The camera's ICE answers, its DTLS never starts."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        silent = asyncio.create_task(silence_dtls(camera.connection).connect(CONNECT_TIMEOUT_S))
        with pytest.raises(StageTimeout) as caught:
            await viewer.connection.connect(0.5)
        assert caught.value.stage == "dtls"
        silent.cancel()
        await asyncio.gather(silent, return_exceptions=True)


def silence_dtls(connection: Connection) -> Connection:
    """Let a connection hang where its key exchange would begin."""

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    connection.media.start = hang  # type: ignore[method-assign,assignment]
    return connection


@pytest.mark.parametrize("role", ["viewer", "camera"])
async def test_a_close_is_seen_by_the_other_side_at_once(role: str) -> None:
    async with connected_sides() as (viewer, camera):
        leaving, staying = (viewer, camera) if role == "viewer" else (camera, viewer)
        began_at = time.monotonic()
        await leaving.connection.close()
        assert await staying.next_close() == "peer-closed"
        logger.info("seen after %.1f ms", (time.monotonic() - began_at) * 1e3)
        assert time.monotonic() - began_at < 0.5
        await staying.connection.close()
        assert leaving.closed.empty()
        assert staying.closed.empty()


async def test_a_lost_path_is_told_apart_from_a_close() -> None:
    """The library closes itself when the peer's consent has expired; here it is told to."""
    async with connected_sides() as (viewer, _):
        await viewer.connection._ice.gatherer.ice.close()
        assert await viewer.next_close() == "path-lost"


async def test_close_may_come_at_any_time_and_twice() -> None:
    async with sides() as (viewer, camera):
        await viewer.connection.close()
        await viewer.connection.close()
        with pytest.raises(ConnectFailed):
            await viewer.connection.create_offer()
        del camera


async def test_close_during_gathering_leaves_no_socket() -> None:
    async with sides() as (viewer, _):
        offering = asyncio.create_task(viewer.connection.create_offer())
        await asyncio.sleep(0)
        await viewer.connection.close()
        with pytest.raises(ConnectFailed):
            await offering


async def test_a_cancelled_offer_leaves_no_socket() -> None:
    async with sides() as (viewer, _):
        offering = asyncio.create_task(viewer.connection.create_offer())
        await asyncio.sleep(0)
        offering.cancel()
        await asyncio.gather(offering, return_exceptions=True)


async def test_close_ends_a_connect_that_is_under_way() -> None:
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        connecting = asyncio.create_task(viewer.connection.connect(CONNECT_TIMEOUT_S))
        await asyncio.sleep(0)
        await viewer.connection.close()
        with pytest.raises(ConnectFailed):
            await asyncio.wait_for(connecting, EVENT_TIMEOUT_S)


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
        ice = viewer.connection._ice.gatherer.ice
        assert ice.strangers >= 4
        assert ice.malformed >= 1


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


async def test_the_outgoing_tap_changes_and_drops_packets() -> None:
    async with connected_sides() as (viewer, camera):
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        viewer.connection.media.add_rtcp_listener(lambda packet, _: arrived.put_nowait(packet))
        report = b"\x80\xc9\x00\x01" + bytes(4)
        camera.connection.media.set_outgoing_tap(
            lambda packet: None if packet == report else packet[:4] + b"tapd"
        )
        assert await camera.connection.media.send(report)
        assert await camera.connection.media.send(b"\x80\xc9\x00\x01" + bytes([1] * 4))
        packet = await asyncio.wait_for(arrived.get(), EVENT_TIMEOUT_S)
        assert packet == b"\x80\xc9\x00\x01tapd"
        assert camera.connection.media.sent.rtcp_packets == 1


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


async def test_a_connection_is_used_once_and_in_its_role() -> None:
    async with sides() as (viewer, camera):
        offer = await viewer.connection.create_offer()
        with pytest.raises(LocalProtocolError):
            await viewer.connection.create_offer()
        with pytest.raises(LocalProtocolError):
            await camera.connection.create_offer()
        with pytest.raises(LocalProtocolError):
            await camera.connection.connect(1)
        answer = await camera.connection.create_answer(offer)
        with pytest.raises(LocalProtocolError):
            await camera.connection.create_answer(offer)
        await viewer.connection.accept_answer(answer)
        with pytest.raises(AnswerRefused):
            await viewer.connection.accept_answer(answer)
        await viewer.connection.close()
        with pytest.raises(ConnectFailed):
            await viewer.connection.connect(1)


async def test_a_refused_offer_leaves_the_camera_able_to_answer_another() -> None:
    async with sides() as (viewer, camera):
        with pytest.raises(OfferRefused):
            await camera.connection.create_answer("nonsense")
        await negotiate(viewer.connection, camera.connection)


async def test_a_machine_without_a_usable_address_says_so() -> None:
    async with sides(viewer_ice=IceSettings(interfaces_exclude=("*",))) as (viewer, _):
        with pytest.raises(ConnectFailed, match="no network address"):
            await viewer.connection.create_offer()


async def test_the_end_of_local_candidates_is_reported_once() -> None:
    async with connected_sides() as (viewer, camera):
        assert viewer.candidates == camera.candidates == [((), True)]


async def test_nothing_can_be_sent_after_the_close() -> None:
    async with connected_sides() as (viewer, _):
        await viewer.connection.close()
        assert not await viewer.connection.media.send(b"\x80\xc9\x00\x01" + bytes(4))
        assert viewer.connection.data is not None
        assert not viewer.connection.data.send(b"x")


def open_descriptors() -> int:
    """Count the open files and sockets of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("cycles", [5, pytest.param(50, marks=pytest.mark.long)])
async def test_connections_leave_no_task_and_no_descriptor(cycles: int) -> None:
    async with connected_sides():
        pass
    tasks, descriptors = len(asyncio.all_tasks()), open_descriptors()
    for _ in range(cycles):
        async with connected_sides():
            pass
    assert len(asyncio.all_tasks()) == tasks
    assert open_descriptors() <= descriptors
