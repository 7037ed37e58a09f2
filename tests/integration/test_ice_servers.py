"""STUN and TURN servers that help, are slow, dead, locked or lie: on 127.0.0.1."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from fakes.stun_server import allocated, deaf_at_first, mapped, silent, stun_server
from mqcam.errors import ConnectFailed, StageTimeout
from mqcam.ice import IceSettings
from mqcam.servers import IceServer
from support.certificates import Authority
from support.coturn import PASSWORD, USER, Coturn, free_port, is_available
from support.trickling import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aioice.stun import Message

NEEDS_COTURN = pytest.mark.skipif(not is_available(), reason="needs coturn")
DOCUMENTATION = ("192.0.2.77", 4000)


def settings(*servers: IceServer, policy: str = "all") -> IceSettings:
    """Return settings with loopback only."""
    assert policy in {"all", "relay"}
    return IceSettings(
        servers=servers,
        loopback=True,
        exclude_interfaces=("*",),
        policy="relay" if policy == "relay" else "all",
    )


def stun(port: int) -> IceServer:
    return IceServer(urls=(f"stun:127.0.0.1:{port}",))


def turn(port: int, *, scheme: str = "turn", tail: str = "", password: str = PASSWORD) -> IceServer:
    url = f"{scheme}:127.0.0.1:{port}{tail}"
    return IceServer(urls=(url,), username=USER, credential=password)


@pytest.fixture(scope="module")
def coturn() -> Iterator[tuple[int, Coturn]]:
    port = free_port()
    with Coturn(["127.0.0.1"], port=port) as server:
        yield port, server


async def test_an_address_of_a_stun_server_is_sent_as_it_comes() -> None:
    async with (
        stun_server(mapped(DOCUMENTATION)) as server,
        Pair().made(settings(stun(server.port)), settings()) as pair,
    ):
        await pair.negotiate()
        await until(lambda: bool(pair.viewer.found))
        assert [text.split()[4:8] for text in pair.viewer.found] == [
            ["192.0.2.77", "4000", "typ", "srflx"]
        ]
        await pair.connect_now()


async def test_the_second_stun_server_is_used_where_the_first_is_dead() -> None:
    async with (
        stun_server(silent) as dead,
        stun_server(mapped(DOCUMENTATION)) as alive,
        Pair().made(settings(stun(dead.port), stun(alive.port)), settings()) as pair,
    ):
        began_at = time.monotonic()
        await pair.negotiate()
        await until(lambda: bool(pair.viewer.found))
        assert time.monotonic() - began_at < 0.3
        assert dead.asked
        await pair.connect_now()


async def test_a_lost_question_to_a_stun_server_costs_moments() -> None:
    """It is repeated after 50 ms; stock waits half a second."""
    async with (
        stun_server(deaf_at_first(mapped(DOCUMENTATION))) as server,
        Pair().made(settings(stun(server.port)), settings()) as pair,
    ):
        began_at = time.monotonic()
        await pair.negotiate()
        await until(lambda: bool(pair.viewer.found))
        assert time.monotonic() - began_at < 0.4
        await pair.connect_now()


async def test_a_lost_question_to_a_turn_server_costs_moments() -> None:
    async with stun_server(deaf_at_first(allocated(DOCUMENTATION))) as server:
        relay = settings(turn(server.port), policy="relay")
        async with Pair().made(relay, settings()) as pair:
            began_at = time.monotonic()
            await pair.negotiate()
            await until(lambda: bool(pair.viewer.found))
            assert time.monotonic() - began_at < 0.4
            await pair.camera.connection.close()
            await asyncio.gather(pair._camera, return_exceptions=True)


async def test_the_same_address_of_two_servers_is_sent_once() -> None:
    async with (
        stun_server(mapped(DOCUMENTATION)) as one,
        stun_server(mapped(DOCUMENTATION)) as other,
        Pair().made(settings(stun(one.port), stun(other.port)), settings()) as pair,
    ):
        await pair.negotiate()
        await until(lambda: pair.viewer.ends > 0)
        assert len(pair.viewer.found) == 1
        await pair.connect_now()


async def test_a_stun_server_that_never_answers_costs_nothing() -> None:
    async with stun_server(silent) as dead:
        both = settings(stun(dead.port))
        async with Pair().made(both, both) as pair:
            began_at = time.monotonic()
            await pair.connect()
            assert time.monotonic() - began_at < 0.5
            assert pair.path == ("host", "host")
            # The end is told once the path stands, not after the server's ten seconds.
            assert pair.viewer.ends == pair.camera.ends == 1


@pytest.mark.parametrize(
    "address",
    [("224.0.0.1", 4000), ("0.0.0.0", 4000), ("255.255.255.255", 9), ("192.0.2.1", 0)],  # noqa: S104
)
async def test_an_address_that_cannot_be_true_is_not_sent(address: tuple[str, int]) -> None:
    async with (
        stun_server(mapped(address)) as liar,
        Pair().made(settings(stun(liar.port)), settings()) as pair,
    ):
        await pair.connect()
        assert liar.asked
        assert pair.viewer.found == []


@NEEDS_COTURN
@pytest.mark.parametrize("tail", ["", "?transport=tcp"])
async def test_two_sides_meet_over_a_relay(coturn: tuple[int, Coturn], tail: str) -> None:
    relay = settings(turn(coturn[0], tail=tail), policy="relay")
    async with Pair().made(relay, settings()) as pair:
        await pair.connect()
        assert pair.path[0] == "relay"
        assert await exchanged(pair)


@NEEDS_COTURN
async def test_two_sides_meet_over_two_relays(coturn: tuple[int, Coturn]) -> None:
    relay = settings(turn(coturn[0]), policy="relay")
    async with Pair().made(relay, relay) as pair:
        await pair.connect()
        assert pair.path == ("relay", "relay")
        assert all(" 0.0.0.0 rport 9" in text for text in pair.viewer.found)


@NEEDS_COTURN
async def test_the_servers_that_the_camera_lends_are_used(coturn: tuple[int, Coturn]) -> None:
    async with Pair().made(settings(policy="relay"), settings()) as pair:
        await pair.connect(lent=[turn(coturn[0])])
        assert pair.path[0] == "relay"


@NEEDS_COTURN
async def test_a_direct_path_wins_over_a_relay(coturn: tuple[int, Coturn]) -> None:
    both = settings(turn(coturn[0]))
    async with Pair().made(both, both) as pair:
        await pair.connect()
        assert pair.path == ("host", "host")


@NEEDS_COTURN
async def test_a_wrong_password_is_said(coturn: tuple[int, Coturn]) -> None:
    locked = settings(turn(coturn[0], password="x"), policy="relay")
    async with Pair().made(locked, settings()) as pair:
        began_at = time.monotonic()
        error = await pair.fail(5.0)
        assert isinstance(error, ConnectFailed)
        assert "refused the user name or password" in str(error)
        assert time.monotonic() - began_at < 1.0


@NEEDS_COTURN
async def test_an_untrusted_certificate_is_said(tmp_path: Path) -> None:
    issued = Authority().issue("127.0.0.1")
    pem, key = tmp_path / "pem", tmp_path / "key"
    pem.write_text(issued.certificate_pem)
    key.write_text(issued.key_pem)
    tls_port = free_port()
    with Coturn(["127.0.0.1"], port=free_port(), tls_port=tls_port, certificate=(pem, key)):
        secured = settings(turn(tls_port, scheme="turns"), policy="relay")
        async with Pair().made(secured, settings()) as pair:
            error = await pair.fail(5.0)
            assert "has a certificate that is not trusted" in str(error)


async def test_every_turn_server_that_refuses_is_told_in_one_word() -> None:
    dead = free_port()
    servers = [turn(dead, tail="?transport=tcp"), turn(free_port(), tail="?transport=tcp")]
    async with Pair().made(settings(*servers, policy="relay"), settings()) as pair:
        assert "every TURN server cannot be reached" in str(await pair.fail(5.0))


async def test_a_relay_without_a_server_is_refused_with_the_way_out() -> None:
    async with Pair().made(settings(policy="relay"), settings()) as pair:
        error = await pair.fail(5.0)
        assert isinstance(error, ConnectFailed)
        assert "docs/away.md" in str(error)


async def test_a_turn_server_that_never_answers_ends_at_the_deadline_and_closes_at_once() -> None:
    async with stun_server(silent) as dead:
        relay = settings(turn(dead.port), policy="relay")
        async with Pair().made(relay, settings()) as pair:
            error = await pair.fail(0.3)
            assert isinstance(error, StageTimeout)
            assert "has not answered" in str(error)
            began_at = time.monotonic()
        assert time.monotonic() - began_at < 0.5


@pytest.mark.parametrize(
    "address",
    [("224.0.0.1", 4000), ("0.0.0.0", 4000), ("192.0.2.1", 0)],  # noqa: S104
)
async def test_a_relay_that_cannot_be_is_given_back(address: tuple[str, int]) -> None:
    async with stun_server(allocated(address)) as liar:
        relay = settings(turn(liar.port), policy="relay")
        async with Pair().made(relay, settings()) as pair:
            error = await pair.fail(2.0)
            assert "gave an answer that cannot be true" in str(error)
            assert pair.viewer.found == []


async def test_a_relay_that_lives_for_no_time_is_not_renewed_madly() -> None:
    async with stun_server(allocated(DOCUMENTATION, lifetime_s=0)) as liar:
        relay = settings(turn(liar.port), policy="relay")
        async with Pair().made(relay, settings()) as pair:
            await pair.fail(0.3)
            assert liar.asked < 10


async def test_a_relay_that_comes_after_the_path_stands_is_given_back() -> None:
    answers: list[str] = []
    reply = allocated(DOCUMENTATION)
    gate = asyncio.Event()

    async with stun_server(silent) as late:

        def slow(request: Message, addr: tuple[str, int]) -> bytes | None:
            answers.append(request.message_method.name)
            if gate.is_set():
                return reply(request, addr)
            asyncio.get_running_loop().call_later(
                0.3, lambda: late.send(reply(request, addr), addr)
            )
            return None

        late._reply = slow
        async with Pair().made(settings(turn(late.port)), settings()) as pair:
            await pair.connect()
            assert set(answers) == {"ALLOCATE"}
            gate.set()
            await until(lambda: "REFRESH" in answers)
            assert pair.viewer.found == []


async def until(condition: Callable[[], bool], timeout_s: float = 3.0) -> None:
    """Wait for a condition of another task."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the gathering tells nobody but the peer
            await asyncio.sleep(0.005)


async def exchanged(pair: Pair) -> bool:
    """Send a message over the data channel and wait for it."""
    link, other = pair.viewer.connection.data, pair.camera.connection.data
    assert link is not None
    assert other is not None
    got: asyncio.Queue[bytes] = asyncio.Queue()
    other.on_message = got.put_nowait
    await until(lambda: link.is_open and other.is_open)
    assert link.send(b"over the relay")
    return await asyncio.wait_for(got.get(), 3.0) == b"over the relay"
