"""How a session ends from this side: the good-bye first, then the media."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from mqcam.ice import IceSettings
from mqcam.protocol.effects import SessionKey
from mqcam.transport import Delivery
from mqcam_viewer import session as module
from mqcam_viewer.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import pytest
    from mqcam.connection import Connection
    from mqcam.errors import SessionError

KEY = SessionKey(peer="cam", peer_key="cam", session="s")


class Media:
    """A connection that only remembers that it was closed."""

    def __init__(self) -> None:
        self.is_closed = False
        self.trouble: dict[str, int] = {}

    async def create_offer(self) -> str:
        return "v=0"

    async def close(self) -> None:
        self.is_closed = True


class Broker:
    """A signaling whose good-bye is taken when the test says so."""

    def __init__(self) -> None:
        self.offered = asyncio.Event()
        self.said = asyncio.Event()
        self.receipt: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

    def offer(self, _session: Session, _sdp: str, *, replaces: str | None) -> SessionKey:
        del replaces
        self.offered.set()
        return KEY

    def found(self, _key: SessionKey, _found: Sequence[str], *, ufrag: str, end: bool) -> None:
        """Take nothing: there are no candidates here."""

    def connected(self, _key: SessionKey) -> None:
        """Take nothing: nothing connects here."""

    def ended(self, _key: SessionKey, _code: str, _text: str) -> list[asyncio.Future[Delivery]]:
        self.said.set()
        return [self.receipt]


@contextlib.asynccontextmanager
async def ending(broker: Broker, media: Media) -> AsyncIterator[asyncio.Task[SessionError]]:
    """Give the task of a session that was told to end and has said good-bye."""
    session = Session(
        "cam",
        signaling=broker,
        ice=IceSettings(),
        connect_s=1.0,
        on_frame=lambda _session, _frame: None,
        on_unit=lambda _session, _unit, _ns: None,
        wish=lambda: None,
    )
    session.connection = cast("Connection", media)
    task = asyncio.create_task(session.run(), name="session")
    async with asyncio.timeout(5):
        await broker.offered.wait()
        task.cancel()
        await broker.said.wait()
        yield task
        await asyncio.wait({task})


async def test_the_media_stays_until_the_broker_has_the_goodbye() -> None:
    broker, media = Broker(), Media()
    async with ending(broker, media) as task:
        await asyncio.sleep(0)
        assert not media.is_closed
        broker.receipt.set_result(Delivery.ACCEPTED)
        await asyncio.wait({task})

    assert media.is_closed


async def test_a_broker_that_is_away_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GOODBYE_S", 0.01)
    broker, media = Broker(), Media()
    async with ending(broker, media):
        pass

    assert media.is_closed
    assert not broker.receipt.cancelled()
