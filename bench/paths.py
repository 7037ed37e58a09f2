"""How fast a path is found where that is not easy: behind a firewall, or only over a relay.

Hosts are network namespaces, so this needs root, nftables and coturn. It must not know how figures
are shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from secrets import SystemRandom
from typing import TYPE_CHECKING, Any
from unittest import mock

import aioice
from aiortc import RTCDtlsTransport
from mqcam.ice import IceSettings
from support.coturn import PASSWORD, USER
from support.namespaces import Apart, Host, TwoHosts, drop_new
from support.networks import Programs, lent
from support.star import SlowLine
from support.trickling import Pair

from bench import stock_pair
from bench.figures import Figure
from bench.joins import join_stock
from bench.picture import GOP_S
from bench.stage import stock_camera

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stage import Stage

NEAR_DELAY_S, FAR_DELAY_S = 0.005, 0.05
NEAR_MS, FAR_MS = 25.0, 230.0
DTLS_MS = 2.0
RELAY_MS = 150.0
RELAYS = {
    "UDP": "turn:{address}",
    "TCP": "turn:{address}?transport=tcp",
    "TLS": "turns:{address}",
}
NOTHING_ELSE = IceSettings()

random = SystemRandom()


@dataclass(slots=True)
class Marks:
    """When the camera's ICE had a pair and its DTLS began, of the latest connection."""

    nominated_at: dict[int, float] = field(default_factory=dict)
    begun: list[tuple[str, float, float]] = field(default_factory=list)

    def note_pair(self, connection: aioice.Connection, pair: Any) -> None:
        """Note the first nominated pair of a connection."""
        if pair.nominated:
            self.nominated_at.setdefault(id(connection), time.monotonic())

    def note_begin(self, transport: RTCDtlsTransport) -> None:
        """Note the beginning of the key exchange."""
        ice = transport.transport
        at = self.nominated_at.pop(id(ice._connection), None)  # noqa: SLF001 - which is whose
        if at is not None:
            self.begun.append((ice.role, at, time.monotonic()))


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Measure ours and stock by turns on the same hosts."""
    firewall = [
        await _behind_a_firewall("~0", TwoHosts(), NEAR_DELAY_S, NEAR_MS, runs),
        await _behind_a_firewall("100 ms", SlowLine(50), FAR_DELAY_S, FAR_MS, runs),
    ]
    return [await _nominated_to_dtls(runs), *firewall, *await _over_a_relay(runs)]


async def _behind_a_firewall(
    name: str, network: TwoHosts | SlowLine, delay_s: float, limit: float, runs: int
) -> Figure:
    ours, stock = [], []
    with network:
        drop_new(network.viewer)
        with Host(network.viewer) as viewer, Host(network.camera) as camera:
            for _ in range(runs):
                ours.append(await _ours(viewer, camera, delay_s))
                stock.append(await _stock(viewer, camera, delay_s))
    return Figure(
        name=f"offer at the camera -> ICE done, viewer behind a firewall, RTT {name}",
        unit="ms",
        ours=tuple(each.path_ms for each in ours),
        stock=tuple(each.path_ms for each in stock),
        limit=limit,
    )


async def _nominated_to_dtls(runs: int) -> Figure:
    ours, stock = [], []
    with TwoHosts() as network, Host(network.viewer) as viewer, Host(network.camera) as camera:
        for _ in range(runs * 2):
            ours.append(await _ours(viewer, camera, 0.0))
            stock.append(await _stock(viewer, camera, 0.0))
    return Figure(
        name="ICE nominated -> DTLS begun, both ends",
        unit="ms",
        ours=tuple(wait for each in ours for wait in each.dtls_ms),
        stock=tuple(wait for each in stock for wait in each.dtls_ms),
        limit=DTLS_MS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """What one connection took in milliseconds."""

    path_ms: float
    dtls_ms: tuple[float, ...]


async def _ours(viewer: Host, camera: Host, delay_s: float) -> Meeting:
    with marks() as seen:
        async with Pair(viewer, camera).made(NOTHING_ELSE, NOTHING_ELSE, delay_s=delay_s) as pair:
            began_at = time.monotonic()
            await pair.connect()
    return _meeting(seen, began_at + delay_s)


async def _stock(viewer: Host, camera: Host, delay_s: float) -> Meeting:
    with marks() as seen:
        began_at = time.monotonic()
        await stock_pair.connect(viewer, camera, delay_s=delay_s)
    return _meeting(seen, began_at + delay_s)


def _meeting(seen: Marks, arrived_at: float) -> Meeting:
    done = [begun for role, _, begun in seen.begun if role == "controlled"]
    return Meeting(
        path_ms=(done[0] - arrived_at) * 1000,
        dtls_ms=tuple((begun - at) * 1000 for _, at, begun in seen.begun),
    )


@contextlib.contextmanager
def marks() -> Iterator[Marks]:
    """Look over the shoulder of both libraries in the same way, ours and stock."""
    seen = Marks()
    completed, started = aioice.Connection.check_complete, RTCDtlsTransport.start

    def complete(connection: aioice.Connection, pair: Any) -> None:
        seen.note_pair(connection, pair)
        completed(connection, pair)

    async def start(transport: RTCDtlsTransport, parameters: Any) -> None:
        seen.note_begin(transport)
        await started(transport, parameters)

    with (
        mock.patch.object(aioice.Connection, "check_complete", complete),
        mock.patch.object(RTCDtlsTransport, "start", start),
    ):
        yield seen


async def _over_a_relay(runs: int) -> list[Figure]:
    figures = []
    for name, url in RELAYS.items():
        with Apart() as network, Programs(network) as programs:
            address = network.middle_address
            programs.start_broker(network.middle, address)
            programs.start_coturn(network.middle, address)
            programs.start_camera(network.camera, lent(address, url))
            ours = [await asyncio.to_thread(_probe, programs) for _ in range(runs + 1)][1:]
            with mock.patch.dict("os.environ", programs.environment):
                stock = await _stock_relayed(network, url.format(address=address))
        figures.append(
            Figure(
                name=f"offer -> first frame, only a relay over {name}",
                unit="ms",
                ours=tuple(ours),
                stock=(stock,),
                limit=RELAY_MS,
            )
        )
    return figures


def _probe(programs: Programs[Apart]) -> float:
    code, report, errors = programs.probe(programs.network.viewer, 0.5)
    if code != 0:
        raise RuntimeError(errors)
    return float(report["first_frame_ms"])


async def _stock_relayed(network: Apart, url: str) -> float:
    servers = [{"urls": url, "username": USER, "credential": PASSWORD}]
    command = network.command(network.camera)
    async with stock_camera(servers=servers, command=command) as camera, camera.playing():
        await asyncio.sleep(random.uniform(0, GOP_S))
        with Host(network.viewer) as host:
            joined = await host.run(join_stock(camera.path, servers))
    return joined.watch_ms
