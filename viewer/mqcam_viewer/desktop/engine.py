"""The client on a thread of its own, so that no menu and no slow screen ever delays a packet.

It must not know Qt: what it has to tell goes to ``tell``, which is called in the engine's thread
and must return at once. Every public method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

from mqcam.errors import BrokerError

from mqcam_viewer.client import Client
from mqcam_viewer.desktop.events import (
    BrokerChanged,
    CamerasChanged,
    EngineFailed,
    Event,
    IdentityChanged,
    SnapshotFailed,
    SnapshotSaved,
)
from mqcam_viewer.desktop.pictures import save
from mqcam_viewer.desktop.slot import Slot
from mqcam_viewer.desktop.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mqcam.broker import BrokerState
    from mqcam.credentials import Credentials
    from mqcam.ice import IceSettings

logger = logging.getLogger(__name__)

BROKER_RETRY_S = 2.0
"""Wait before a broker that did not let us in is asked again."""

REFUSED_RETRY_S = 30.0
"""The same, where waiting alone cannot cure it."""

TOGETHER_S = 0.03
"""News of cameras that come within this time are told at once."""


class Engine:
    """Follow the cameras, watch those that are wanted, put their pictures into slots."""

    def __init__(
        self, credentials: Credentials, *, ice: IceSettings, tell: Callable[[Event], None]
    ) -> None:
        self._credentials = credentials
        self._ice = ice
        self._tell = tell
        self._slots: dict[str, Slot] = {}
        self._wanted: frozenset[str] = frozenset()
        self._wanted_changed = asyncio.Event()
        self._watched: dict[str, tuple[Watching, asyncio.Task[None]]] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End every session and leave the broker; tell whether that was done in time."""
        if self._thread.ident is None:
            return True
        self._is_stopped = True
        self._post(self._cancel)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def slot(self, camera: str) -> Slot:
        """Return where the newest picture of a camera is."""
        return self._slots.setdefault(camera, Slot())

    def watch(self, cameras: frozenset[str]) -> None:
        """Watch these cameras and no others."""
        self._post(lambda: self._want(cameras))

    def snapshot(self, camera: str, folder: Path, ending: str) -> None:
        """Save the newest picture of a watched camera; the result is told."""
        self._post(lambda: self._begin_snapshot(camera, folder, ending))

    # the engine's own thread

    def _post(self, action: Callable[[], None]) -> None:
        self._started.wait()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(action)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:
            logger.exception("the engine failed")
            self._tell(EngineFailed(text="the viewer made a mistake; its log says which"))
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.create_task(self._serve(), name="engine")
        self._started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._work

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()

    async def _serve(self) -> None:
        """Keep a client at the broker, for as long as the window lives."""
        while not self._is_stopped:
            try:
                client = Client(
                    self._credentials,
                    ice=self._ice,
                    on_broker=self._broker_changed,
                    on_new_identity=lambda camera: self._tell(IdentityChanged(camera=camera)),
                )
                tell_cameras = partial(self._cameras_changed, client)
                async with client, client.follow(tell_cameras):
                    tell_cameras()
                    await self._watch_wanted(client)
            except BrokerError as error:
                self._tell(BrokerChanged(is_connected=False, trouble=str(error)))
                await asyncio.sleep(BROKER_RETRY_S if error.retryable else REFUSED_RETRY_S)

    async def _watch_wanted(self, client: Client) -> None:
        try:
            while True:
                self._wanted_changed.clear()
                for camera in self._watched.keys() - self._wanted:
                    await self._end([camera])
                for camera in self._wanted - self._watched.keys():
                    self._watch(camera, client)
                await self._wanted_changed.wait()
        finally:
            await self._end([*self._watched])
            for errand in self._errands:
                errand.cancel()
            await asyncio.gather(*self._errands, return_exceptions=True)

    def _watch(self, camera: str, client: Client) -> None:
        watching = Watching(camera, client=client, slot=self.slot(camera), tell=self._tell)
        task = asyncio.create_task(watching.run(), name=f"watching {camera}")
        task.add_done_callback(self._check)
        self._watched[camera] = (watching, task)

    async def _end(self, cameras: list[str]) -> None:
        tasks = [self._watched.pop(camera)[1] for camera in cameras]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for camera in cameras:
            self.slot(camera).take()

    def _check(self, task: asyncio.Task[None]) -> None:
        """Notice a mistake of our own at once, instead of a picture that stands still."""
        if not task.cancelled() and task.exception() is not None:
            logger.error("watching failed", exc_info=task.exception())
            self._tell(EngineFailed(text="the viewer made a mistake; its log says which"))

    def _want(self, cameras: frozenset[str]) -> None:
        self._wanted = cameras
        self._wanted_changed.set()

    def _begin_snapshot(self, camera: str, folder: Path, ending: str) -> None:
        watching, _ = self._watched.get(camera, (None, None))
        if watching is None or watching.last is None:
            self._tell(SnapshotFailed(camera=camera, text="there is no picture yet"))
            return
        frame = watching.last

        async def write() -> None:
            try:
                path = await asyncio.to_thread(save, frame, camera, folder, ending=ending)
            except OSError as error:
                text = error.strerror or str(error)
                self._tell(SnapshotFailed(camera=camera, text=f"{folder}: {text}"))
            else:
                self._tell(SnapshotSaved(camera=camera, path=path))

        errand = asyncio.create_task(write(), name=f"snapshot of {camera}")
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    def _broker_changed(self, state: BrokerState) -> None:
        address = state.address or ""
        self._tell(
            BrokerChanged(
                is_connected=state.connected,
                address=address,
                is_encrypted=address.startswith(("mqtts:", "wss:")),
                trouble=str(state.error) if state.error else "",
            )
        )

    def _cameras_changed(self, client: Client) -> None:
        """Tell soon, once for all that come together: a new subscription brings every camera."""
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TOGETHER_S, self._tell_cameras, client)

    def _tell_cameras(self, client: Client) -> None:
        self._telling = None
        refused = {name: error.text for name, error in client.refused().items()}
        self._tell(CamerasChanged(cameras=client.known(), refused=refused))
