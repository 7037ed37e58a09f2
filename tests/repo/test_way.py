"""The network of the tests does what it is told: what is measured over it depends on that."""

from __future__ import annotations

import pytest
from support.line import End, Network
from support.way import Way

PACKET = bytes(1000)
RATE_BPS = 800_000.0  # a packet takes 10 ms


def narrow(queue_ms: float = 100.0) -> Way:
    way = Way()
    way.narrow(RATE_BPS, queue_ms)
    return way


def arrivals(way: Way, now: float) -> int:
    return len(list(way.arrivals(now)))


def test_a_packet_comes_a_delay_later_and_not_before() -> None:
    way = Way()
    way.delay_s = 0.02
    way.offer(b"one", 1.0)

    assert way.next_at() == 1.02
    assert list(way.arrivals(1.0199)) == []
    assert list(way.arrivals(1.02)) == [b"one"]
    assert way.next_at() is None


def test_a_delay_that_shrinks_reorders_nothing() -> None:
    way = Way()
    way.delay_s = 0.05
    way.offer(b"one", 1.0)
    way.delay_s = 0.0
    way.offer(b"two", 1.01)

    assert list(way.arrivals(1.02)) == []
    assert list(way.arrivals(1.05)) == [b"one", b"two"]


def test_the_same_seed_loses_the_same_packets() -> None:
    def survivors(seed: str) -> list[int]:
        way = Way(seed=seed)
        way.loss = 0.02
        for number in range(10_000):
            way.offer(number.to_bytes(4, "big"), 0.0)
        return [int.from_bytes(packet, "big") for packet in way.arrivals(0.0)]

    assert survivors("a") == survivors("a") != survivors("b")
    assert len(survivors("a")) == pytest.approx(9800, abs=60)


def test_a_narrow_place_lets_packets_through_at_its_rate() -> None:
    way = narrow()
    for _ in range(5):
        way.offer(PACKET, 0.0)

    assert [arrivals(way, tenths / 1000) for tenths in (9, 10, 35, 50)] == [0, 1, 2, 2]


def test_a_place_that_was_idle_saved_nothing_up() -> None:
    way = narrow()
    way.offer(PACKET, 0.0)
    assert arrivals(way, 5.0) == 1
    way.offer(PACKET, 5.0)

    assert way.next_at() == pytest.approx(5.01)


@pytest.mark.parametrize("began_at", [0.0, 1000.0])
def test_what_would_wait_too_long_is_dropped_from_the_end(began_at: float) -> None:
    way = narrow(queue_ms=101.0)
    for _ in range(20):
        way.offer(PACKET, began_at)

    assert way.counts.overflowed == 9  # eleven: the last one waits 100 ms
    assert way.queue_s(began_at) == pytest.approx(0.11)
    assert way.queue_s(began_at + 0.005) == pytest.approx(0.105)
    assert arrivals(way, began_at + 0.0505) == 5
    assert way.queue_s(began_at + 0.0505) == pytest.approx(0.0595)
    assert arrivals(way, began_at + 1.0) == 6


def test_a_place_that_becomes_wide_lets_go_what_waits() -> None:
    way = narrow(queue_ms=1000.0)
    for _ in range(10):
        way.offer(PACKET, 0.0)
    assert arrivals(way, 0.02) == 2
    way.narrow(RATE_BPS * 10, 1000.0)
    assert arrivals(way, 0.0255) == 5
    way.narrow(0.0, 0.0)
    way.offer(PACKET, 0.03)

    assert arrivals(way, 0.03) == 4


def test_nothing_passes_while_black_and_what_is_under_way_arrives() -> None:
    way = Way()
    way.delay_s = 0.02
    way.offer(b"one", 0.0)
    way.is_black = True
    way.offer(b"two", 0.0)
    way.is_black = False
    way.offer(b"three", 0.01)

    assert list(way.arrivals(1.0)) == [b"one", b"three"]
    assert way.counts.blacked == 1


@pytest.mark.parametrize(
    "order",
    [
        "",
        "camera",
        "nobody up black 1",
        "camera up colour 1",
        "camera up rate 1",
        "camera up loss x",
    ],
)
def test_an_order_that_means_nothing_is_answered_with_an_error(order: str) -> None:
    network = Network(ends={"camera": End(-1, Way(), Way())})

    assert network.obey(order, 0.0).startswith("error")


def test_orders_change_one_direction() -> None:
    end = End(-1, Way(), Way())
    network = Network(ends={"camera": end})
    orders = ("camera up delay 20", "camera up loss 0.5", "camera down black 1")

    assert {network.obey(order, 0.0) for order in orders} == {"ok"}
    assert (end.up.delay_s, end.up.loss, end.up.is_black) == (0.02, 0.5, False)
    assert (end.down.delay_s, end.down.loss, end.down.is_black) == (0.0, 0.0, True)
