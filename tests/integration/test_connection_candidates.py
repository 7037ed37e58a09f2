"""Which addresses two connections try, and which they refuse."""

from __future__ import annotations

import asyncio
import errno
import time

import aioice.ice
import pytest
from mqcam.connection import EARLY_CANDIDATE_LIMIT
from mqcam.errors import (
    ConnectFailed,
    StageTimeout,
)
from mqcam.ice import IceSettings
from support.connections import (
    CONNECT_TIMEOUT_S,
    connect_both,
    connected_sides,
    lines_of,
    negotiate,
    sides,
    without_lines,
)


async def test_trickled_candidates_alone_are_enough() -> None:
    async with sides() as (viewer, camera):
        offer = await viewer.connection.create_offer()
        answer = await camera.connection.create_answer(without_lines(offer, "a=candidate:"))
        await viewer.connection.accept_answer(without_lines(answer, "a=candidate:"))
        async with asyncio.TaskGroup() as group:
            group.create_task(viewer.connection.connect(CONNECT_TIMEOUT_S))
            group.create_task(camera.connection.connect(CONNECT_TIMEOUT_S))
            await asyncio.sleep(0)
            viewer.connection.add_remote_candidates(
                lines_of(answer, "a=candidate:"), ufrag=camera.connection.ufrag, end=True
            )
            camera.connection.add_remote_candidates(
                lines_of(offer, "a=candidate:"), ufrag=viewer.connection.ufrag, end=False
            )


async def test_candidates_that_overtake_the_answer_wait_for_it() -> None:
    """One message follows the other, and taking the answer takes a turn of the loop."""
    async with sides() as (viewer, camera):
        offer = await viewer.connection.create_offer()
        answer = await camera.connection.create_answer(without_lines(offer, "a=candidate:"))
        ufrag = camera.connection.ufrag
        early = lines_of(answer, "a=candidate:")
        viewer.connection.add_remote_candidates(early, ufrag=ufrag, end=True)
        viewer.connection.add_remote_candidates(early, ufrag="another", end=True)
        assert viewer.connection.refused_candidates == 0
        await viewer.connection.accept_answer(without_lines(answer, "a=candidate:"))
        assert viewer.connection.refused_candidates == len(early)  # those of another generation
        await connect_both(viewer.connection, camera.connection)


async def test_candidates_before_the_answer_are_bounded() -> None:
    async with sides() as (viewer, _):
        flood = ["candidate:1 1 udp 1 192.0.2.1 9 typ host"] * (EARLY_CANDIDATE_LIMIT + 7)
        viewer.connection.add_remote_candidates(flood, ufrag="", end=False)
        viewer.connection.add_remote_candidates(flood, ufrag="", end=False)
        assert viewer.connection.refused_candidates == 7 + len(flood)


async def test_garbage_names_and_stale_candidates_neither_delay_nor_break() -> None:
    bad = [
        "",
        "candidate:",
        "candidate:1 1 udp 1 127.0.0.1 99999 typ host",
        "candidate:1 2 udp 1 127.0.0.1 9 typ host",
        "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
        "candidate:1 1 udp 1 224.0.0.1 9 typ host",
        "\x00\ud800" * 40,
    ]
    names = [f"candidate:{n} 1 udp 1 nobody-{n}.local 9 typ host" for n in range(20)]
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        began_at = time.monotonic()
        for connection, other in (
            (viewer.connection, camera.connection),
            (camera.connection, viewer.connection),
        ):
            connection.add_remote_candidates(bad + names, ufrag=other.ufrag, end=True)
            connection.add_remote_candidates(bad, ufrag="another", end=False)
        await connect_both(viewer.connection, camera.connection)
        assert time.monotonic() - began_at < 1.0
        assert viewer.connection.refused_candidates >= 2 * len(bad) + 12


async def test_a_name_is_looked_up_beside_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The only candidate is a name; what answers for it is replaced."""
    lookups = Lookups({"camera-1.local": "127.0.0.1"})
    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", lookups.get)
    async with sides() as (viewer, camera):
        offer = await viewer.connection.create_offer()
        answer = await camera.connection.create_answer(without_lines(offer, "a=candidate:"))
        await viewer.connection.accept_answer(answer.replace(" 127.0.0.1 ", " camera-1.local "))
        await connect_both(viewer.connection, camera.connection)
        assert lookups.asked == ["camera-1.local"]


async def test_a_taken_mdns_port_costs_the_name_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", Lookups({}).fail)
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        name = "candidate:1 1 udp 2130706431 nobody.local 9 typ host"
        viewer.connection.add_remote_candidates([name], ufrag="", end=False)
        await connect_both(viewer.connection, camera.connection)
        assert viewer.connection.refused_candidates == 1


@pytest.mark.parametrize("address", ["224.0.0.1", "::ffff:0.0.0.0", "", "nonsense", None])
async def test_a_name_that_leads_nowhere_good_is_not_used(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    lookups = Lookups({} if address is None else {"evil.local": address})
    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", lookups.get)
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        name = "candidate:1 1 udp 2130706431 evil.local 9 typ host"
        viewer.connection.add_remote_candidates([name], ufrag="", end=False)
        await connect_both(viewer.connection, camera.connection)
        assert lookups.asked == ["evil.local"]
        assert viewer.connection.refused_candidates == 1


class Lookups:
    """Stands for the multicast of a home network."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.asked: list[str] = []
        self._addresses = addresses

    async def get(self, _: object) -> Lookups:
        """Return what resolves names."""
        return self

    async def fail(self, _: object) -> Lookups:
        """Find the port taken."""
        raise OSError(errno.EADDRINUSE, "in use")

    async def resolve(self, name: str) -> str | None:
        """Resolve a name."""
        self.asked.append(name)
        return self._addresses.get(name)


async def test_candidates_after_connect_and_after_close_are_ignored() -> None:
    late = ["candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"]
    async with connected_sides() as (viewer, camera):
        viewer.connection.add_remote_candidates(late, ufrag=camera.connection.ufrag, end=False)
        assert viewer.connection.refused_candidates == 1
        await viewer.connection.close()
        viewer.connection.add_remote_candidates(late, ufrag=camera.connection.ufrag, end=True)
        assert viewer.connection.refused_candidates == 2


async def test_a_candidate_that_its_own_check_overtook_still_says_what_it_is() -> None:
    """Under load a camera's relay is heard before the broker has told of it."""
    async with sides() as (viewer, camera):
        offer = await viewer.connection.create_offer()
        answer = await camera.connection.create_answer(offer)
        lines = lines_of(answer, "a=candidate:")
        await viewer.connection.accept_answer(without_lines(answer, "a=candidate:"))
        await connect_both(viewer.connection, camera.connection)
        assert str(viewer.connection.selected_pair()) == "host-prflx udp"
        relayed = [line.replace("typ host", "typ relay raddr 127.0.0.1 rport 9") for line in lines]
        for _ in range(2):
            viewer.connection.add_remote_candidates(
                relayed, ufrag=camera.connection.ufrag, end=False
            )
            await asyncio.sleep(0)
        assert str(viewer.connection.selected_pair()) == "host-relay udp"
        assert viewer.connection.refused_candidates == len(lines)


async def test_a_peer_without_addresses_is_named_as_such() -> None:
    async with sides() as (viewer, camera):
        answer = await camera.connection.create_answer(await viewer.connection.create_offer())
        await viewer.connection.accept_answer(without_lines(answer, "a=candidate:"))
        with pytest.raises(StageTimeout, match="sent no address"):
            await viewer.connection.connect(0.1)


async def test_a_machine_without_a_usable_address_says_so() -> None:
    async with sides(viewer_ice=IceSettings(exclude_interfaces=("*",))) as (viewer, _):
        with pytest.raises(ConnectFailed, match="no network address"):
            await viewer.connection.create_offer()


async def test_the_end_of_local_candidates_is_reported_once() -> None:
    async with connected_sides() as (viewer, camera):
        assert viewer.candidates == camera.candidates == [((), True)]
