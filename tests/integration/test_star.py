"""Hosts and their lines: packets go where they shall, as late and as many as told."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.namespaces import enter, is_available
from support.star import Star

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PORT = 5000
PACKET = b"x" * 972  # 1000 bytes with its headers
TIMEOUT_S = 5.0

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not is_available(), reason="needs root and iproute2 for namespaces"),
]


def bound(host: str, address: str) -> socket.socket:
    """Return a socket on a host: a thread of its own goes there and is gone."""
    made: list[socket.socket] = []

    def make() -> None:
        enter(host)
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((address, PORT))
        one.settimeout(TIMEOUT_S)
        made.append(one)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join(TIMEOUT_S)
    return made[0]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what the line does with packets that are still on their way to it."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline


@pytest.fixture
def star() -> Iterator[Star]:
    """Return a camera's host and two viewers'."""
    with Star(viewers=2) as made:
        yield made


@pytest.fixture
def sockets(star: Star) -> Iterator[list[socket.socket]]:
    """Return a socket on each host, the camera's first."""
    hosts = (star.camera, *star.viewers)
    addresses = (star.camera_address, *star.viewer_addresses)
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(bound(host, address))
            for host, address in zip(hosts, addresses, strict=True)
        ]


def test_each_viewer_gets_what_is_sent_to_it_a_round_trip_apart(
    star: Star, sockets: list[socket.socket]
) -> None:
    star.delay(60)
    camera, *viewers = sockets
    began_at = time.monotonic()
    for index, address in enumerate(star.viewer_addresses):
        camera.sendto(f"to {index}".encode(), (address, PORT))
    for viewer in viewers:
        viewer.sendto(viewer.recv(100) + b", back", (star.camera_address, PORT))

    assert {camera.recv(100) for _ in viewers} == {b"to 0, back", b"to 1, back"}
    assert time.monotonic() - began_at >= 0.06


def test_a_narrow_viewer_does_not_slow_the_other_down(
    star: Star, sockets: list[socket.socket]
) -> None:
    star.narrow_viewer(1, 400_000, 200)  # a packet takes 20 ms, eleven may wait
    camera, quick, slow = sockets
    for number in range(50):
        for address in star.viewer_addresses:
            camera.sendto(number.to_bytes(1, "big") + PACKET[1:], (address, PORT))
    assert [quick.recv(2000)[0] for _ in range(50)] == list(range(50))
    began_at = time.monotonic()
    assert [slow.recv(2000)[0] for _ in range(10)] == list(range(10))

    assert time.monotonic() - began_at >= 0.1
    until(lambda: star.counts()["viewer1 down"]["overflowed"] >= 30)
    assert star.counts()["camera up"]["passed"] == 100


def test_a_shared_uplink_has_one_queue(star: Star, sockets: list[socket.socket]) -> None:
    star.narrow_uplink(800_000, 1000)  # a packet takes 10 ms
    camera = sockets[0]
    for _ in range(40):
        for address in star.viewer_addresses:
            camera.sendto(PACKET, (address, PORT))

    until(lambda: 500 < star.queue_ms() <= 800)


def test_a_black_line_lets_nothing_through_until_it_is_back(
    star: Star, sockets: list[socket.socket]
) -> None:
    camera, viewer, _ = sockets
    star.black(True)
    camera.sendto(b"lost", (star.viewer_address, PORT))
    until(lambda: star.counts()["camera up"]["blacked"] == 1)
    star.black(False)
    camera.sendto(b"seen", (star.viewer_address, PORT))

    assert viewer.recv(100) == b"seen"


def test_an_order_that_means_nothing_is_refused(star: Star) -> None:
    with pytest.raises(ValueError, match="colour"):
        star.order("camera up colour 1")
