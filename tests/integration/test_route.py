"""Runs of packets over real sockets."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import pytest
from mqcam import route
from mqcam.route import DirectRoute

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[socket.socket, socket.socket]
RUN = memoryview(bytearray(b"a" * 100 + b"b" * 100 + b"c" * 40))


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two UDP sockets on loopback, the first one not connected."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield sender, receiver


def test_a_run_arrives_as_packets(pair: Pair) -> None:
    sender, receiver = pair
    refused: list[OSError] = []
    way = DirectRoute(sender, receiver.getsockname(), refused.append)

    assert way.send(RUN, 100)
    assert [receiver.recv(2000) for _ in range(3)] == [b"a" * 100, b"b" * 100, b"c" * 40]
    assert refused == []


def test_a_kernel_that_knows_no_runs_gets_the_same_packets_singly(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is the kernel's own: it knows no such option."""
    monkeypatch.setattr(route, "UDP_SEGMENT", 9999)
    sender, receiver = pair
    refused: list[OSError] = []
    way = DirectRoute(sender, receiver.getsockname(), refused.append)

    assert way.send(RUN, 100)
    assert way.send(RUN, 100)
    assert [receiver.recv(2000)[:1] for _ in range(6)] == [b"a", b"b", b"c"] * 2
    assert [error.errno for error in refused] == [errno.EINVAL]
