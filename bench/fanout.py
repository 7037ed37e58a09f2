"""What one viewer more costs the sender: processor time and memory, from 4 viewers to 16.

1080p30 at 4 Mbit/s; the viewers decode, in processes of their own on the camera's host. Directly,
through a relay, and where the kernel refuses segmentation. It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import processes
from bench.figures import Figure
from bench.picture import FULL_HD
from bench.site import KINDS, Setup, site

if TYPE_CHECKING:
    from bench.site import Kind, Observer, Site
    from bench.stage import Stage

FEW, MANY = 4, 16
OBSERVERS = 2
SETTLE_S = 2.0
WINDOW_S = 6.0
DIRECT_RATIO, RELAYED_RATIO = 0.30, 0.6
RSS_MB = 0.5
WARNINGS = 1
_WARNED = re.compile(r"warning.*no runs of packets", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the sender takes with so many viewers; ``fps`` is that of the slowest of them."""

    cpu_ms_per_s: float
    rss_mb: float
    fps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The sender with few viewers and with many."""

    few: Load
    many: Load

    @property
    def cpu_ms_per_s(self) -> float:
        """Return what each further viewer costs."""
        return (self.many.cpu_ms_per_s - self.few.cpu_ms_per_s) / (MANY - FEW)

    @property
    def rss_mb(self) -> float:
        """Return what each further viewer keeps."""
        return (self.many.rss_mb - self.few.rss_mb) / (MANY - FEW)


Growths = dict["Kind", list[Growth]]


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Let 4 and then 16 watch: directly, relayed, and without segmentation."""
    direct, _ = await _grow(Setup(picture=FULL_HD), runs, KINDS)
    relayed, _ = await _grow(Setup(picture=FULL_HD, is_relayed=True), runs, KINDS)
    refused, log = await _grow(Setup(picture=FULL_HD, has_gso=False), runs, ("ours",))
    refused["stock"] = direct["stock"]
    name = f"CPU of sending, each viewer more, {FEW} -> {MANY}, 1080p30 4 Mbit/s"
    warnings = len(_WARNED.findall(log))
    return [
        _cpu(name, direct, DIRECT_RATIO),
        _slowest(direct),
        _cpu(f"{name}, relayed", relayed, RELAYED_RATIO),
        _slowest(relayed),
        _cpu(f"{name}, GSO refused", refused, RELAYED_RATIO),
        _slowest(refused),
        Figure(
            name="  warnings about it, more or fewer than one",
            unit="",
            ours=(float(abs(warnings - WARNINGS)),),
            limit=0.0,
        ),
        Figure(
            name=f"RSS of the agent, each viewer more, {FEW} -> {MANY}",
            unit="MB",
            ours=tuple(each.rss_mb for each in direct["ours"]),
            stock=tuple(each.rss_mb for each in direct["stock"]),
            limit=RSS_MB,
        ),
    ]


def _cpu(name: str, found: Growths, ratio: float) -> Figure:
    return Figure(
        name=name,
        unit="ms/s",
        ours=tuple(each.cpu_ms_per_s for each in found["ours"]),
        stock=tuple(each.cpu_ms_per_s for each in found["stock"]),
        ratio_limit=ratio,
    )


def _slowest(found: Growths) -> Figure:
    """Tell whether the viewers kept up: a sender that sends less costs less."""
    return Figure(
        name="  pictures per second at the slowest viewer",
        unit="",
        ours=tuple(each.many.fps for each in found["ours"]),
        stock=tuple(each.many.fps for each in found["stock"]),
    )


async def _grow(setup: Setup, runs: int, kinds: tuple[Kind, ...]) -> tuple[Growths, str]:
    found: Growths = {kind: [] for kind in kinds}
    async with site(setup) as made:
        for _ in range(runs):
            for kind in kinds:
                found[kind].append(await _grow_once(made, kind))
        return found, made.log


async def _grow_once(made: Site, kind: Kind) -> Growth:
    async with made.observers(kind, [made.star.camera] * OBSERVERS) as observers:
        processes.keep_apart([made.sender_pid(kind)], [each.pid for each in observers])
        few, many = [await _load(made, kind, observers, viewers) for viewers in (FEW, MANY)]
    return Growth(few=few, many=many)


async def _load(made: Site, kind: Kind, observers: list[Observer], viewers: int) -> Load:
    for observer in observers:
        await observer.watch(viewers // OBSERVERS)
    await asyncio.sleep(SETTLE_S)
    began_at, cpu_s = time.monotonic(), _cpu_s(made, kind)
    await asyncio.sleep(WINDOW_S)
    ended_at = time.monotonic()
    spent_s = _cpu_s(made, kind) - cpu_s
    rss_mb = processes.rss_mb(made.sender_pid(kind))
    seen = [each for observer in observers for each in await observer.watched()]
    parts = [each.between(began_at * 1000, ended_at * 1000) for each in seen]
    return Load(
        cpu_ms_per_s=spent_s * 1000 / (ended_at - began_at),
        rss_mb=rss_mb,
        fps=min(len(each.shown) for each in parts) / (ended_at - began_at),
    )


def _cpu_s(made: Site, kind: Kind) -> float:
    """Return the sender's time: of the stock camera its loop's only, as it encodes beside it."""
    pid = made.sender_pid(kind)
    return processes.cpu_s(pid) if kind == "ours" else processes.thread_cpu_s(pid, pid)
