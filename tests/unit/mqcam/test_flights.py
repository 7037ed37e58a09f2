"""The flights of a handshake, on a clock that the test turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mqcam.flights import LAST_FLIGHT_REPEATS, Flights
from mqcam.retransmission import REPEAT_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Bench:
    """A handshake that writes flights, and the time that passes beside it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.waited_s: list[float] = []
        self.is_broken = False
        self._wakers: list[asyncio.Future[None]] = []

    async def send(self, data: bytes) -> None:
        if self.is_broken:
            raise ConnectionError
        self.sent.append(data)

    async def sleep(self, delay_s: float) -> None:
        self.waited_s.append(delay_s)
        waker = asyncio.get_running_loop().create_future()
        self._wakers.append(waker)
        await waker

    async def pass_time(self, waits: int = 1) -> None:
        """Let what waits now wake up, and again."""
        for _ in range(waits):
            await turn()
            wakers, self._wakers = self._wakers, []
            for each in wakers:
                if not each.done():
                    each.set_result(None)
            await turn()


async def turn() -> None:
    """Let every task that can run go on until it waits."""
    for _ in range(4):
        await _yield()


async def _yield() -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, None)
    await future


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr("mqcam.flights.asyncio.sleep", made.sleep)
    return made


@pytest.fixture
async def flights(bench: Bench) -> AsyncIterator[Flights]:
    made = Flights(bench.send, rtt_s=0.04)
    yield made
    made.stop()
    await turn()


async def test_a_flight_is_sent_again_at_two_round_trips_then_doubled(
    bench: Bench, flights: Flights
) -> None:
    await flights.send(b"hello")
    await bench.pass_time(2)
    assert bench.sent == [b"hello"] * 3
    assert bench.waited_s == pytest.approx([0.08, 0.16, 0.32])
    assert flights.repeated == 2


async def test_the_next_flight_ends_the_repeats_of_the_one_before(
    bench: Bench, flights: Flights
) -> None:
    await flights.send(b"hello")
    await bench.pass_time()
    await flights.send(b"keys")
    await bench.pass_time(2)
    assert bench.sent == [b"hello", b"hello", b"keys", b"keys", b"keys"]


async def test_the_repeats_of_a_flight_are_bounded(bench: Bench, flights: Flights) -> None:
    await flights.send(b"hello")
    await bench.pass_time(REPEAT_LIMIT + 5)
    assert flights.repeated == REPEAT_LIMIT


async def test_the_last_flight_is_repeated_thrice(bench: Bench, flights: Flights) -> None:
    await flights.send(b"finished")
    flights.finish(lambda: False)
    await bench.pass_time(REPEAT_LIMIT)
    assert flights.repeated == LAST_FLIGHT_REPEATS


async def test_the_last_flight_is_not_repeated_once_media_came(
    bench: Bench, flights: Flights
) -> None:
    await flights.send(b"finished")
    flights.finish(lambda: True)
    await bench.pass_time(2)
    assert flights.repeated == 0


async def test_nothing_is_repeated_after_the_stop(bench: Bench, flights: Flights) -> None:
    await flights.send(b"hello")
    await turn()
    flights.stop()
    await bench.pass_time(2)
    assert bench.sent == [b"hello"]


async def test_a_path_that_is_gone_ends_the_repeats_quietly(bench: Bench, flights: Flights) -> None:
    await flights.send(b"hello")
    bench.is_broken = True
    await bench.pass_time(3)
    assert bench.waited_s == [pytest.approx(0.08)]
