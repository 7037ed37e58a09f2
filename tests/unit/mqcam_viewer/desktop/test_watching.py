from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self, cast

import pytest
from mqcam.broker import BrokerState
from mqcam.errors import AccountRefused, StreamEnded
from mqcam.ice import CandidatePairInfo
from mqcam_viewer.desktop.events import Connecting, Interrupted
from mqcam_viewer.desktop.slot import Slot
from mqcam_viewer.desktop.watching import Watching, describe, fps, rate_bps
from mqcam_viewer.standing import ACCOUNT_REFUSED, SHUT_OUT, Standing

if TYPE_CHECKING:
    from mqcam_viewer.client import Client
    from mqcam_viewer.desktop.events import Event


class Shunned:
    """A client, and its stream, whose account the broker refuses while a camera is watched."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.tries = 0

    def watch(self, _camera: str, **_options: object) -> Self:
        """Return what fails when it is entered."""
        return self

    async def __aenter__(self) -> Self:
        """Fail as a stream of somebody removed does."""
        self.tries += 1
        self.standing.note(BrokerState(connected=False, error=AccountRefused("unknown")))
        raise StreamEnded(ACCOUNT_REFUSED, SHUT_OUT)

    async def __aexit__(self, *_error: object) -> None:
        """Do nothing; it is never left."""


async def test_who_is_shut_out_reads_that_and_watches_again_when_the_account_is_back() -> None:
    client = Shunned()
    events: asyncio.Queue[Event] = asyncio.Queue()
    watching = Watching("front", client=cast("Client", client), slot=Slot(), tell=events.put_nowait)
    task = asyncio.create_task(watching.run())
    refused = Interrupted(camera="front", code=ACCOUNT_REFUSED, text=SHUT_OUT, is_final=True)
    for _ in range(2):
        assert await events.get() == Connecting(camera="front")
        assert await events.get() == refused
        assert events.empty()
        client.standing.note(BrokerState(connected=True))
    assert await events.get() == Connecting(camera="front")
    task.cancel()
    await asyncio.wait({task})
    assert client.tries >= 2


def pair(local: str, remote: str) -> CandidatePairInfo:
    return CandidatePairInfo(
        local_type=local,
        remote_type=remote,
        protocol="udp",
        local=("192.0.2.1", 1),
        remote=("192.0.2.2", 2),
    )


def test_a_rate_is_that_between_the_counts() -> None:
    assert rate_bps(deque([(10.0, 1000), (11.0, 5000), (12.0, 251_000)])) == 1_000_000


def test_one_count_is_no_rate() -> None:
    assert rate_bps(deque([(10.0, 1000)])) is None


def test_pictures_a_second_are_counted_between_them() -> None:
    assert fps([5 + at / 30 for at in range(61)]) == pytest.approx(30)
    assert fps([5.0]) == 0


def test_a_path_is_direct_unless_a_relay_carries_it() -> None:
    assert describe(pair("host", "srflx")) == "Direct, UDP"
    assert describe(pair("relay", "host")) == "Relayed, UDP"
    assert describe(pair("host", "relay")) == "Relayed, UDP"
    assert describe(None) == ""
