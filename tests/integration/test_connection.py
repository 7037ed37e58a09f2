"""A connection from its making to its end: two of ours on real sockets of 127.0.0.1."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import (
    AnswerRefused,
    ConnectFailed,
    LocalProtocolError,
    OfferRefused,
    StageTimeout,
)
from support.connections import (
    CONNECT_TIMEOUT_S,
    EVENT_TIMEOUT_S,
    connect_both,
    connected_sides,
    lines_of,
    negotiate,
    sides,
)

if TYPE_CHECKING:
    from mqcam.connection import Connection


logger = logging.getLogger(__name__)


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


async def test_a_cancel_in_one_turn_with_a_datagram_of_the_key_exchange_is_obeyed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The protocol ends a session by a cancel: lost, it would go on sending to the viewer."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        connecting = asyncio.create_task(camera.connection.connect(CONNECT_TIMEOUT_S))
        transport = camera.connection.media.transport
        receive = transport._recv

        async def receive_and_cancel() -> bytes:
            data = await receive()
            if 20 <= data[0] <= 63:  # DTLS (RFC 7983 section 7)
                connecting.cancel()
            return data

        monkeypatch.setattr(transport, "_recv", receive_and_cancel)
        far = asyncio.create_task(viewer.connection.connect(CONNECT_TIMEOUT_S))
        with pytest.raises(asyncio.CancelledError):
            await connecting
        far.cancel()
        await asyncio.gather(far, return_exceptions=True)
