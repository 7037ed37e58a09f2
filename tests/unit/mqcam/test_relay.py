"""The stream of a TURN server over TCP, cut anywhere, and its lies."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.relay import TcpClient


class Line:
    """Stands for the socket."""

    def __init__(self) -> None:
        self.is_paused = self.is_aborted = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class Receiver(asyncio.DatagramProtocol):
    """Keeps what came out."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        assert isinstance(data, bytes)
        self.got.append(data)


def client() -> tuple[TcpClient, Receiver, Line]:
    """Make a client that has a channel to one peer."""
    made = TcpClient(
        ("192.0.2.1", 3478), username="u", password="p", lifetime=600, channel_refresh_time=500
    )
    line, receiver = Line(), Receiver()
    made.transport = line  # type: ignore[assignment]
    made.receiver = receiver
    made.channel_to_peer[0x4000] = ("192.0.2.9", 5000)
    return made, receiver, line


def channel_data(payload: bytes) -> bytes:
    padding = -len(payload) % 4
    return struct.pack("!HH", 0x4000, len(payload)) + payload + bytes(padding)


async def turns(count: int) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=80), st.data())
def test_packets_come_out_whole_wherever_the_stream_is_cut(
    payloads: list[bytes], data: st.DataObject
) -> None:
    async def run() -> None:
        made, receiver, line = client()
        stream = b"".join(channel_data(each) for each in payloads)
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            made.data_received(stream[:cut])
            stream = stream[cut:]
        await turns(5)
        assert receiver.got == payloads
        assert not line.is_paused
        assert not line.is_aborted

    asyncio.run(run())


async def test_a_flood_is_taken_in_small_steps() -> None:
    made, receiver, line = client()
    made.data_received(channel_data(b"x") * 30_000)
    assert line.is_paused
    assert len(receiver.got) == 64
    await turns(30_000 // 64 + 2)
    assert len(receiver.got) == 30_000
    assert not line.is_paused


@given(st.binary(max_size=400))
def test_garbage_ends_the_connection_or_nothing(garbage: bytes) -> None:
    """It raises nothing: inside the event loop an exception would be everybody's."""

    async def run() -> None:
        made, _, _ = client()
        made.data_received(garbage)
        await turns(10)

    asyncio.run(run())
