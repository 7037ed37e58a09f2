"""The relay beside the broker: a camera makes accounts for it, if it knows the time."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from mqcam_broker.relay.turn import TurnDecisions, TurnFiles
from mqcam_broker.relay.turnserver import Turnserver
from support.agent import SMALL, RunningAgent
from support.broker import ShippedBroker, free_port
from support.coturn import is_available
from support.watching import next_frame, viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not is_available(), reason="needs coturn")


@pytest.fixture(scope="module")
def relayed() -> Iterator[ShippedBroker]:
    """Run a broker with a relay beside it."""
    with ShippedBroker() as broker, relay_beside(broker):
        yield broker


@contextlib.contextmanager
def relay_beside(broker: ShippedBroker) -> Iterator[None]:
    files, port = TurnFiles(broker.directory), free_port()
    files.set_up(
        TurnDecisions(
            hosts=("127.0.0.1",),
            port=port,
            tls_port=free_port(),
            bind="127.0.0.1",
            private_peers=True,
        )
    )
    with Turnserver(
        write_configuration=files.write_configuration,
        listens_at=("127.0.0.1", port),
        certificate=broker.directory.server_certificate,
        user_id=broker.directory.state.stat().st_uid,
        on_line=lambda _line: None,
        say=lambda _text: None,
    ):
        yield


async def test_a_viewer_watches_through_the_relay_with_what_the_camera_lends(
    relayed: ShippedBroker,
) -> None:
    with RunningAgent(relayed, settings=SMALL, ice="policy: relay", has_clock=True) as camera:
        async with viewer(relayed) as client, client.watch(camera.name) as stream:
            await next_frame(stream)
            [path] = [each["path"] for each in camera.ask("viewers")["viewers"]]
        status = camera.ask("status")
        log = camera.log

    assert path.startswith("relay-")
    assert (status["clock"], status["relay"]) == ("synchronised", "")
    secret = TurnFiles(relayed.directory).secret.read_text().strip()
    assert secret not in log
    assert f"{camera.name}.laptop" not in log


async def test_a_camera_without_a_clock_lends_no_relay_says_so_and_works_where_it_can(
    relayed: ShippedBroker,
) -> None:
    with RunningAgent(relayed, name="timeless", settings=SMALL, has_clock=False) as camera:
        async with viewer(relayed) as client:
            for _ in range(2):
                async with client.watch(camera.name) as stream:
                    await next_frame(stream)
                    [path] = [each["path"] for each in camera.ask("viewers")["viewers"]]
                    assert path.startswith("host-host")
            known = await client.cameras()
        status = camera.ask("status")
        log = camera.log

    assert status["clock"] == "not synchronised"
    assert "no relay is used or lent" in status["relay"]
    assert "dates not checked" in status["certificate"]
    assert log.count("no relay is used or lent") == 1
    assert log.count("certificate are not checked") == 1
    said = known[camera.name]
    assert said is not None
    assert not said.clock.synchronised


async def test_every_session_has_an_account_of_its_own(relayed: ShippedBroker) -> None:
    """What one viewer was lent is no use to another, and ends within the hour."""
    accounts = set()
    with RunningAgent(relayed, name="generous", settings=SMALL, has_clock=True) as camera:
        for name in ("anna", "ben"):
            async with viewer(relayed, name) as client, client.watch(camera.name) as stream:
                await next_frame(stream)
                session = next(iter(client._sessions.values()))
                answer = await session._answer
                [lent] = [each for each in answer.ice_servers if each.username]
                accounts.add((lent.username, lent.credential))
                expiry, _, who = lent.username.partition(":")
                assert who == f"{camera.name}.{name}"
                assert 0 < int(expiry) - time.time() <= 3600
    assert len(accounts) == 2
