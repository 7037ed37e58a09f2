"""A camera's host and viewers' hosts with lines between them, and the programs on them.

Broker, agent and stock camera run on the camera's host; a viewer there reaches them over its
loopback interface, one on another host over lines that can be made long, lossy, narrow or dead.
Needs root. It must not know what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mqcam_device.control import ask
from support.networks import AGENT, VIEWERS, Programs, lent
from support.star import Star

from bench import ROOT
from bench.notes import read_notes
from bench.picture import HD, PICTURES, agent_settings
from bench.programs import expect, program, tell
from bench.shown import read_watched
from bench.stage import StockCameraProcess, stock_camera

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from bench.shown import Watched

Kind = Literal["ours", "stock"]
KINDS: tuple[Kind, ...] = ("ours", "stock")
CAMERA = "front"
MAX_VIEWERS = 20
WS_PORT = 8884
REST_S = 15.0
ORDER_S = 60.0
POLL_S = 0.05
LONG_RUNS = 2
"""What takes minutes is done no more often, however many runs were asked for."""
RELAY = "turn:{address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is different from a picture of 720p on one viewer's host with perfect lines.

    ``round_trip_ms`` and ``loss`` (0 to 1, each way) are those of the lines. ``is_relayed`` lets
    the camera use nothing but a coturn on its own host. ``is_noted`` keeps when pictures are
    handed over, ``has_gso`` False lets the kernel refuse segmentation.
    """

    picture: str = HD
    viewers: int = 1
    round_trip_ms: float = 0.0
    loss: float = 0.0
    seed: int = 1
    is_relayed: bool = False
    is_noted: bool = False
    has_gso: bool = True


class Observer:
    """Viewers in a process on some host."""

    def __init__(self, process: Process, folder: Path) -> None:
        self._process = process
        self._file = folder / f"seen-{process.pid}.json"
        self.pid = process.pid

    async def watch(self, count: int) -> None:
        """Let ``count`` watch in all, and wait a while until each has seen a picture."""
        await self._tell(f"watch {count}")

    async def watched(self) -> list[Watched]:
        """Return what each of them has seen so far."""
        await self._tell(f"write {self._file}")
        return [read_watched(each) for each in json.loads(self._file.read_text())]

    async def _tell(self, order: str) -> None:
        tell(self._process, order)
        await expect(self._process, order, timeout_s=ORDER_S)


class Site:
    """Everything that a measurement over lines needs; made by ``site``."""

    def __init__(self, setup: Setup, star: Star, programs: Programs[Star]) -> None:
        self.setup = setup
        self.star = star
        self._programs = programs
        self.credentials = programs.folder / "laptop.yaml"
        self._stock: StockCameraProcess | None = None
        self.pid = 0

    @property
    def log(self) -> str:
        """Return what the agent has said so far."""
        return self._programs.log_file(CAMERA).read_text("utf-8", "replace")

    def status(self) -> dict[str, Any]:
        """Return what the agent says of itself."""
        return ask(CAMERA, "status", self._programs.folder)

    @property
    def stock(self) -> StockCameraProcess:
        """Return the stock camera."""
        if self._stock is None:
            raise RuntimeError("the stock camera does not run")
        return self._stock

    def sender_pid(self, kind: Kind) -> int:
        """Return the process that sends to viewers."""
        return self.pid if kind == "ours" else self.stock.pid

    @contextlib.asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Run broker, agent and stock camera inside the block; both cameras rest."""
        star, programs, setup = self.star, self._programs, self.setup
        programs.start_broker(star.camera, star.camera_address, "--ws-port", str(WS_PORT))
        servers: list[dict[str, str]] = []
        ice = ""
        if setup.is_relayed:
            programs.start_coturn(star.camera, star.camera_address)
            ice = lent(star.camera_address, RELAY) + "  policy: relay\n"
            url = RELAY.format(address=star.camera_address)
            servers = [{"urls": url, "username": "u", "credential": "p"}]
        self.pid = programs.start_camera(
            star.camera,
            ice,
            settings=agent_settings(PICTURES[setup.picture]) + f"max_viewers: {MAX_VIEWERS}\n",
            program=self._agent(),
        )
        async with stock_camera(
            command=star.command(star.camera),
            servers=servers,
            is_relayed=setup.is_relayed,
            picture=setup.picture,
            notes=str(self._notes("stock")) if setup.is_noted else "",
        ) as camera:
            self._stock = camera
            yield

    @contextlib.asynccontextmanager
    async def observer(self, kind: Kind, host: str | None = None) -> AsyncIterator[Observer]:
        """Run viewers of one camera, on the first viewer's host; the camera rests afterwards."""
        async with self.observers(kind, [host or self.star.viewer]) as (one,):
            yield one

    @contextlib.asynccontextmanager
    async def observers(self, kind: Kind, hosts: Sequence[str]) -> AsyncIterator[list[Observer]]:
        """Run viewers of one camera in a process on each host; the camera rests afterwards.

        At most two hosts: each process has an account of its own.
        """
        async with self.playing(kind), contextlib.AsyncExitStack() as stack:
            found = []
            for host, account in zip(hosts, VIEWERS, strict=False):
                file = f"{self._programs.folder}/{account}.yaml"
                where = (file, CAMERA) if kind == "ours" else (self.stock.path,)
                started = program("bench.observer", kind, *where, command=self.star.command(host))
                process = await stack.enter_async_context(started)
                found.append(Observer(process, self._programs.folder))
            yield found

    @contextlib.asynccontextmanager
    async def playing(self, kind: Kind) -> AsyncIterator[None]:
        """Let a camera send inside the block; raises TimeoutError if it does not rest after it."""
        if kind == "stock":
            async with self.stock.playing():
                yield
            return
        yield
        async with asyncio.timeout(REST_S):
            while self.status()["layers"]:  # noqa: ASYNC110 - another process' state
                await asyncio.sleep(POLL_S)

    def handed(self, kind: Kind) -> dict[int, float]:
        """Return when each picture was handed to the sender, by the millisecond drawn into it."""
        return read_notes(self._notes(kind))

    def _notes(self, kind: Kind) -> Path:
        return self._programs.folder / f"handed-{kind}"

    def _agent(self) -> Sequence[str]:
        setup = self.setup
        if setup.has_gso and not setup.is_noted:
            return AGENT
        return (
            "-P",
            str(ROOT / "bench/wrapped_agent.py"),
            *(("--notes", str(self._notes("ours"))) if setup.is_noted else ()),
            *(() if setup.has_gso else ("--no-gso",)),
        )


@contextlib.asynccontextmanager
async def site(setup: Setup) -> AsyncIterator[Site]:
    """Make hosts, lines and programs, and remove them."""
    with hosts(setup) as star, Programs(star) as programs:
        made = Site(setup, star, programs)
        async with made.started():
            yield made


@contextlib.contextmanager
def hosts(setup: Setup) -> Iterator[Star]:
    """Make hosts and lines."""
    with Star(viewers=setup.viewers, seed=str(setup.seed)) as star:
        star.delay(setup.round_trip_ms)
        star.lose(setup.loss)
        yield star
