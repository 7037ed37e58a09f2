from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mqcam.ice import IceSettings
from mqcam.protocol.effects import SessionKey
from mqcam.protocol.messages import Offer
from mqcam_device.hub import Hub
from mqcam_device.peers import Peers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.servers import IceServer

KEY = SessionKey(peer="alice", peer_key="alice", session="s")


class Told:
    """Takes what peers say of themselves."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def answered(self, key: SessionKey, sdp: str, servers: Sequence[IceServer]) -> None:
        """Take an answer."""

    def refused(self, key: SessionKey, code: str, text: str) -> None:
        """Take a refusal."""

    def found(self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Take candidates."""

    def connected(self, key: SessionKey) -> None:
        """Take a success."""

    def ended(self, key: SessionKey, code: str, text: str) -> None:
        """Take an end."""
        self.ends.append(code)


def make_peers() -> Peers:
    """Return peers at a hub that nobody feeds."""
    hub = Hub(
        request_keyframe=lambda _: None,
        set_active=lambda _, __: None,
        clock=lambda: 0.0,
        call_later=lambda _, __: asyncio.get_running_loop().call_soon(lambda: None),
    )
    return Peers(
        signaling=Told(),
        hub=hub,
        make_egress=lambda _key, _connection: pytest.fail("nobody is connected"),
        ice=IceSettings(),
        lend=lambda _viewer: (),
        connect_s=1.0,
    )


async def test_a_peer_that_is_ended_before_its_first_step_is_forgotten() -> None:
    """An offer and its bye may come in one piece; an entry that stayed would stay for ever."""
    peers = make_peers()
    peers.start(KEY, Offer(n=0, sdp="v=0", nonce=""))
    peers.end(KEY)
    await peers.close()
    await asyncio.sleep(0)

    assert len(peers) == 0


async def test_a_peer_whose_offer_is_refused_is_forgotten() -> None:
    peers = make_peers()
    peers.start(KEY, Offer(n=0, sdp="v=0", nonce=""))
    async with asyncio.timeout(1):
        while len(peers):  # noqa: ASYNC110 - the task is not ours to await
            await asyncio.sleep(0)

    assert len(peers) == 0
