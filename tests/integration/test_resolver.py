"""Looking up names: numbers at once, hanging lookups left behind and joined."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from mqcam.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator


class HangingLookup:
    """Stand for a DNS server that does not answer until it is released."""

    def __init__(self) -> None:
        self.calls = 0
        self.released = threading.Event()

    def __call__(self, *_: object, **__: object) -> list[object]:
        self.calls += 1
        assert self.released.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 1883))]


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingLookup]:
    hanging = HangingLookup()
    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    yield hanging
    hanging.released.set()


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
async def test_a_numeric_address_needs_no_lookup(host: str) -> None:
    [endpoint] = await Resolver().resolve(host, 1883, 0.0)
    assert endpoint.sockaddr[:2] == (host, 1883)


async def test_a_lookup_that_hangs_is_given_up_and_joined_later(lookup: HangingLookup) -> None:
    resolver = Resolver()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await resolver.resolve("nas", 1883, 0.01)
    lookup.released.set()
    [endpoint] = await resolver.resolve("nas", 1883, 5)
    assert endpoint.sockaddr == ("192.0.2.1", 1883)
    assert lookup.calls == 1


async def test_a_lookup_is_made_anew_after_it_ended(lookup: HangingLookup) -> None:
    resolver = Resolver()
    lookup.released.set()
    for _ in range(2):
        await resolver.resolve("nas", 1883, 5)
    assert lookup.calls == 2


async def test_a_name_that_is_not_known_raises_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for _ in range(2):
        with pytest.raises(OSError, match="not known"):
            await Resolver().resolve("nas", 1883, 5)


async def test_a_loop_that_closed_meanwhile_does_not_disturb_the_lookup(
    lookup: HangingLookup,
) -> None:
    """An agent that is stopped while the DNS server hangs must not leave a traceback."""
    finished: list[BaseException] = []

    def own_loop() -> None:
        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await Resolver().resolve("nas", 1883, 0.01)

        try:
            asyncio.run(give_up())
        except BaseException as error:  # noqa: BLE001 - shown below
            finished.append(error)

    thread = threading.Thread(target=own_loop)
    thread.start()
    await asyncio.to_thread(thread.join)
    lookup.released.set()
    assert finished == []
