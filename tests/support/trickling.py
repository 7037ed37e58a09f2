"""Two connections that exchange descriptions and trickle candidates, each in the loop of its host.

It must not know brokers: messages go from loop to loop, after a delay if one is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Literal

from mqcam.connection import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence
    from typing import Any, TypeVar

    from mqcam.ice import IceSettings
    from mqcam.servers import IceServer
    from support.namespaces import Host

    Result = TypeVar("Result")


class End:
    """One side; made in the loop that it lives in."""

    def __init__(self, role: Literal["camera", "viewer"], ice: IceSettings) -> None:
        self.found: list[str] = []
        self.ends = 0
        self.closed: list[str] = []
        self.peer: End | None = None
        self.loop = asyncio.get_running_loop()
        self.connected_at = 0.0
        self.path_at = 0.0
        self.dtls_at = 0.0
        self.delay_s = 0.0
        self._is_described = False
        self._held: list[tuple[Sequence[str], str, bool]] = []
        self.connection = Connection(
            role=role, ice=ice, on_candidates=self._found, on_closed=self.closed.append
        )
        self.connection.media.on("statechange", self._note_dtls)
        self.connection._ice.transport.on("statechange", self._note_path)

    def _note_dtls(self) -> None:
        if self.connection.media.state == "connecting":
            self.dtls_at = time.monotonic()

    def _note_path(self) -> None:
        if self.connection._ice.transport.state == "completed":
            self.path_at = time.monotonic()

    def _found(self, candidates: Sequence[str], end: bool) -> None:
        self.found += candidates
        self.ends += end
        if self.peer is not None:
            self.peer.send(candidates, self.connection.ufrag, end=end, delay_s=self.delay_s)

    def send(self, candidates: Sequence[str], ufrag: str, *, end: bool, delay_s: float) -> None:
        """Take candidates of the other side's loop."""
        take = lambda: self.loop.call_later(delay_s, self._take, candidates, ufrag, end)  # noqa: E731
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(take)

    def describe(self) -> None:
        """Hand over what came before the description."""
        self._is_described = True
        for candidates, ufrag, end in self._held:
            self.connection.add_remote_candidates(candidates, ufrag=ufrag, end=end)
        self._held.clear()

    def _take(self, candidates: Sequence[str], ufrag: str, end: bool) -> None:
        if self._is_described:
            self.connection.add_remote_candidates(candidates, ufrag=ufrag, end=end)
        else:
            self._held.append((candidates, ufrag, end))

    async def answer(self, offer: str) -> str:
        """Answer an offer."""
        answer = await self.connection.create_answer(offer)
        self.describe()
        return answer

    async def accept(self, answer: str, servers: Sequence[IceServer]) -> None:
        """Take an answer."""
        await self.connection.accept_answer(answer, servers=servers)
        self.describe()

    async def connect(self, timeout_s: float) -> None:
        """Reach the other side."""
        await self.connection.connect(timeout_s)
        self.connected_at = time.monotonic()


class Pair:
    """A viewer and a camera on hosts of their own, or on this one."""

    def __init__(self, viewer_host: Host | None = None, camera_host: Host | None = None) -> None:
        self._hosts = {"viewer": viewer_host, "camera": camera_host}
        self.offered_at = 0.0

    @contextlib.asynccontextmanager
    async def made(
        self, viewer_ice: IceSettings, camera_ice: IceSettings, *, delay_s: float = 0.0
    ) -> AsyncIterator[Pair]:
        """Make both ends and close them at the end; messages take ``delay_s``."""
        self.delay_s = delay_s
        self.viewer = await self.on("viewer", _make("viewer", viewer_ice))
        self.camera = await self.on("camera", _make("camera", camera_ice))
        self.viewer.peer, self.camera.peer = self.camera, self.viewer
        self.viewer.delay_s = self.camera.delay_s = delay_s
        try:
            yield self
        finally:
            await self.on("viewer", self.viewer.connection.close())
            await self.on("camera", self.camera.connection.close())

    async def on(self, role: str, work: Coroutine[Any, Any, Result]) -> Result:
        """Run something in the loop of a side."""
        host = self._hosts[role]
        return await (work if host is None else host.run(work))

    async def negotiate(self, lent: Sequence[IceServer] = ()) -> None:
        """Exchange descriptions; the viewer gets the servers that the camera lends."""
        offer = await self.on("viewer", self.viewer.connection.create_offer())
        self.offered_at = time.monotonic()
        await asyncio.sleep(self.delay_s)
        answer = await self.on("camera", self.camera.answer(offer))
        self._camera = asyncio.create_task(self.on("camera", self.camera.connect(10.0)))
        await asyncio.sleep(self.delay_s)
        await self.on("viewer", self.viewer.accept(answer, lent))

    async def connect(self, lent: Sequence[IceServer] = ()) -> None:
        """Exchange descriptions and connect."""
        await self.negotiate(lent)
        await self.connect_now()

    async def connect_now(self) -> None:
        """Connect two sides that have each other's description."""
        await asyncio.gather(self._camera, self.on("viewer", self.viewer.connect(10.0)))

    async def fail(self, timeout_s: float, lent: Sequence[IceServer] = ()) -> Exception:
        """Try to connect and return what the viewer raises."""
        await self.negotiate(lent)
        try:
            await self.on("viewer", self.viewer.connect(timeout_s))
        except Exception as error:  # noqa: BLE001 - whatever it is
            return error
        finally:
            await self.on("camera", self.camera.connection.close())
            await asyncio.gather(self._camera, return_exceptions=True)
        raise AssertionError("they connected")

    @property
    def path(self) -> tuple[str, str]:
        """The types of the selected pair as the viewer sees it."""
        pair = self.viewer.connection.selected_pair()
        assert pair is not None
        return pair.local_type, pair.remote_type


async def _make(role: Literal["camera", "viewer"], ice: IceSettings) -> End:
    return End(role, ice)
