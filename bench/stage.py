"""The programs that a measurement needs: broker, agent, stock camera, an audience.

It must not know what is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.agent import RunningAgent

from bench import ROOT
from bench.picture import SOURCE, agent_settings
from bench.programs import READY, expect, program, tell
from bench.stock_viewer import Line

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator, Sequence

    from mqcam_device.media import SourceSettings
    from support.broker import ShippedBroker

CAMERA = "bench"
VIEWER = "laptop"
AUDIENCE = "audience"
FORGER = "forger"
SHIPPED_AGENT = ("-m", "mqcam_device.cli")
STALLING_AGENT = ("-P", str(ROOT / "bench/wrapped_agent.py"), "--stalling")
LIAR = """
user {name}
topic write {namespace}/v1/#
"""
"""What a broker's owner adds to its rules to speak in everybody's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCameraProcess:
    """The stock camera as seen from here."""

    pid: int
    path: str

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Let it encode inside the block; outside it rests, so that it disturbs nobody."""
        async with Line(self.path) as line:
            await line.ask("play")
            try:
                yield
            finally:
                await line.ask("rest")

    async def encoder_thread(self) -> int:
        """Return the kernel's number of the thread that draws and encodes."""
        async with Line(self.path) as line:
            return int((await line.ask("state"))["encoder_thread"])


class Audience:
    """Viewers in one process of their own."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def grow(self, count: int) -> None:
        """Let ``count`` watch in all, and wait until each has seen a picture."""
        tell(self._process, str(count))
        await expect(self._process, str(count))


class Stage:
    """Everything that is started hangs on one broker and ends with its block."""

    def __init__(self, broker: ShippedBroker) -> None:
        self._broker = broker
        self.credentials = broker.credentials("viewer", VIEWER)
        self._audience_credentials = broker.credentials("viewer", AUDIENCE)
        broker.credentials("device", CAMERA)

    def pairs(self) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
        """Return the credentials of two devices, each with a viewer of its own."""
        broker = self._broker
        one, other = (
            (broker.credentials("device", f"pair-{each}"), broker.credentials("viewer", each))
            for each in ("one", "other")
        )
        return one, other

    def forger(self) -> Path:
        """Return the credentials of a viewer who may write in every name, as the broker may."""
        broker = self._broker
        credentials = broker.credentials("viewer", FORGER)
        rules = broker.directory.rules
        lie = LIAR.format(name=FORGER, namespace=broker.namespace)
        if lie not in rules.read_text():
            with rules.open("a") as file:
                file.write(lie)
            if broker.pid is not None:
                os.kill(broker.pid, signal.SIGHUP)
        return credentials

    @contextlib.contextmanager
    def agent(
        self,
        *,
        name: str = CAMERA,
        ice: str = "",
        source: SourceSettings = SOURCE,
        can_stall: bool = False,
    ) -> Iterator[RunningAgent]:
        """Run ``mqcam-device run``; entering blocks until the broker knows the camera.

        ``ice`` is what its configuration says about servers. ``can_stall`` lets its camera stall
        when the capture child gets SIGUSR1.
        """
        settings = agent_settings(source)
        program = STALLING_AGENT if can_stall else SHIPPED_AGENT
        with RunningAgent(
            self._broker, name=name, settings=settings, ice=ice, program=program
        ) as agent:
            yield agent

    @contextlib.asynccontextmanager
    async def stock_camera(self) -> AsyncIterator[StockCameraProcess]:
        """Run the stock camera, resting."""
        async with stock_camera() as camera:
            yield camera

    @contextlib.asynccontextmanager
    async def audience(self, stock: StockCameraProcess | None = None) -> AsyncIterator[Audience]:
        """Run an audience of the stock camera, or of the agent; nobody watches yet."""
        where = (
            ("ours", str(self._audience_credentials), CAMERA)
            if stock is None
            else ("stock", stock.path)
        )
        async with program("bench.audience", *where) as process:
            yield Audience(process)


@contextlib.asynccontextmanager
async def stock_camera(
    *, command: Sequence[str] = (), **options: object
) -> AsyncIterator[StockCameraProcess]:
    """Run the stock camera, resting; ``command`` runs it on another host.

    ``options`` are those of ``bench.stock_camera``.
    """
    with tempfile.TemporaryDirectory(prefix="mqcam-bench-") as folder:
        path = str(Path(folder) / "socket")
        arguments = (path, json.dumps(options))
        async with program("bench.stock_camera", *arguments, command=command) as process:
            await expect(process, READY)
            yield StockCameraProcess(pid=process.pid, path=path)
