"""Runs of packets over sockets that refuse them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

import pytest
from mqcam.route import Segments

if TYPE_CHECKING:
    import socket


class Refusing:
    """A socket whose kernel or driver takes single packets only."""

    def __init__(self, number: int, *, is_full: bool = False) -> None:
        self.number = number
        self.is_full = is_full
        self.sent: list[bytes] = []
        self.calls = 0

    def sendmsg(
        self, buffers: list[memoryview], control: list[object], _flags: int, _address: object
    ) -> None:
        """Take one packet."""
        self.calls += 1
        if self.is_full:
            raise BlockingIOError
        if control:
            raise OSError(self.number, "refused")
        self.sent.append(bytes(buffers[0]))

    def close(self) -> None:
        """Hold nothing."""


def segments(sock: object, refused: list[OSError]) -> Segments:
    """Return a way over a socket of the test's."""
    return Segments(cast("socket.socket", sock), ("192.0.2.1", 9), refused.append)


RUN = memoryview(bytearray(b"a" * 100 + b"b" * 100 + b"c" * 40))


def test_a_single_packet_is_sent_without_the_option() -> None:
    """A segment size on one packet breaks some paths (docs/decisions/sending.md)."""
    refused: list[OSError] = []
    sock = Refusing(errno.EIO)

    assert segments(sock, refused).send(RUN[:60], 100)
    assert sock.sent == [b"a" * 60]
    assert refused == []


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
def test_after_a_refusal_runs_are_not_tried_again(number: int) -> None:
    refused: list[OSError] = []
    sock = Refusing(number)
    way = segments(sock, refused)

    assert way.send(RUN, 100)
    assert way.send(RUN, 100)
    assert len(sock.sent) == 6
    assert sock.calls == 7
    assert len(refused) == 1


def test_a_full_socket_is_told_and_is_no_refusal() -> None:
    refused: list[OSError] = []
    way = segments(Refusing(errno.EIO, is_full=True), refused)

    assert not way.send(RUN, 100)
    assert way.takes_runs
    assert refused == []


def test_a_network_that_is_gone_is_no_refusal() -> None:
    refused: list[OSError] = []
    way = segments(Refusing(errno.ENETUNREACH), refused)

    assert not way.send(RUN, 100)
    assert way.takes_runs
    assert refused == []
