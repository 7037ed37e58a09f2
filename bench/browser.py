"""What a person sees in Chromium: the page of the browser tests on a host of its own.

When a picture was shown is when the browser calls back for it, on the machine's monotonic clock;
when it was drawn stands in it. It must not know how figures are shown. There is no stock: no
signaling joins a stock camera and that page.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mqcam.credentials import load_credentials
from support.chromium import Chromium, missing

from bench.figures import Figure
from bench.programs import program
from bench.shown import INF, Shown, Watched, p50, p95
from bench.site import CAMERA, LONG_RUNS, WS_PORT, Setup, site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.chromium import Page

    from bench.site import Site
    from bench.stage import Stage

JOINS = 6
FIRST_FRAME_MS = 60.0
CLEAN_S = 60.0
SETTLE_S = 2.0
AGE_MS = 20.0
NOTHING = 0.0

ROUND_TRIP_MS = 60.0
OUTAGES = 3
BEFORE_S, BLACK_S, AFTER_S = 3.0, 0.7, 5.0
LONGEST_GAP_MS = 100.0
"""Three frame intervals: not yet a freeze."""
YOUNG_MS = 60.0
"""So much older than before the outage is live."""
LIVE_S = 1.0

PINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A minute of an undisturbed picture."""

    decoded: float
    dropped: float
    freezes: float
    age_ms: float


async def measure(_stage: Stage, runs: int) -> list[Figure]:
    """Let the page join, watch for a minute, and go through outages."""
    if missing():
        raise RuntimeError(missing())
    first_ms: list[float] = []
    live_s: list[float] = []
    async with site(Setup()) as made, _page(made) as page:
        await _join(made, page)  # the first one loads the browser's parts
        for _ in range(runs):
            first_ms += [await _join(made, page) for _ in range(JOINS)]
        minutes = [await _watch(made, page) for _ in range(min(runs, LONG_RUNS))]
        made.star.delay(ROUND_TRIP_MS)
        for _ in range(runs):
            live_s += await _outages(made, page)
    counts = {"frames dropped": "dropped", "freezes": "freezes"}
    return [
        Figure(
            name="Chromium: createOffer -> first frame",
            unit="ms",
            ours=tuple(first_ms),
            limit=FIRST_FRAME_MS,
        ),
        *(
            Figure(
                name=f"Chromium: {name} in {CLEAN_S:g} s of 720p30",
                unit="",
                ours=tuple(getattr(each, what) for each in minutes),
                limit=NOTHING,
            )
            for name, what in counts.items()
        ),
        Figure(name="  frames decoded", unit="", ours=tuple(each.decoded for each in minutes)),
        Figure(
            name="Chromium: capture -> shown, p50",
            unit="ms",
            ours=tuple(each.age_ms for each in minutes),
            limit=AGE_MS,
        ),
        Figure(
            name=f"Chromium: {BLACK_S:g} s outage, RTT {ROUND_TRIP_MS:g} ms, live after its start",
            unit="s",
            ours=tuple(live_s),
            limit=LIVE_S,
        ),
    ]


@contextlib.asynccontextmanager
async def _page(made: Site) -> AsyncIterator[Page]:
    """Open the page in a browser on the viewer's host."""
    command = made.star.command(made.star.viewer)
    async with program("bench.pages", command=command) as pages, Chromium(command) as chromium:
        if pages.stdout is None:
            raise RuntimeError("nobody serves the page")
        address = (await pages.stdout.readline()).decode().strip()
        yield await chromium.page(f"{address}/index.html")


@contextlib.asynccontextmanager
async def _watching(made: Site, page: Page) -> AsyncIterator[None]:
    """Let the page watch inside the block; raises RuntimeError when it cannot."""
    credentials = load_credentials(made.credentials)
    login = {
        "url": f"wss://{made.star.camera_address}:{WS_PORT}/",
        "name": credentials.name,
        "namespace": credentials.namespace,
        "username": credentials.username,
        "password": credentials.password,
        "identity": credentials.identity,
        "owner": credentials.owner,
        "grant": credentials.grant,
    }
    async with made.playing("ours"):
        outcome = await page.call("watch", login, CAMERA, {})
        if outcome != "connected":
            raise RuntimeError(f"the page does not reach the camera: {outcome}")
        try:
            yield
        finally:
            await page.call("leave")


async def _join(made: Site, page: Page) -> float:
    async with _watching(made, page):
        counts = await page.call("counts")
    return float(counts["firstFrameSinceCreationMs"])


async def _watch(made: Site, page: Page) -> Minute:
    async with _watching(made, page):
        before = await page.call("counts")
        await asyncio.sleep(SETTLE_S)
        settled_ms = time.monotonic() * 1000
        offset_ms = await _offset_ms(page)
        await page.call("record")
        await asyncio.sleep(CLEAN_S - SETTLE_S)
        watched = _watched(await page.call("recorded"), offset_ms)
        after = await page.call("counts")
    ages_ms = watched.between(settled_ms, INF).true_ages_ms()
    return Minute(
        decoded=after["framesDecoded"] - before["framesDecoded"],
        dropped=after["framesDropped"] - before["framesDropped"],
        freezes=after["freezeCount"] - before["freezeCount"],
        age_ms=p50(ages_ms),
    )


async def _outages(made: Site, page: Page) -> list[float]:
    """Return after how many seconds the picture was smooth and live again, each time."""
    found = []
    async with _watching(made, page):
        await page.call("counts")
        for _ in range(OUTAGES):
            offset_ms = await _offset_ms(page)
            await page.call("record")
            await asyncio.sleep(BEFORE_S)
            black_ms = time.monotonic() * 1000
            made.star.black(True)
            await asyncio.sleep(BLACK_S)
            made.star.black(False)
            await asyncio.sleep(AFTER_S)
            watched = _watched(await page.call("recorded"), offset_ms)
            usual_ms = p95(watched.between(-INF, black_ms).true_ages_ms())
            after = watched.between(black_ms + BLACK_S * 1000, INF)
            live_ms = after.settled_ms(oldest_ms=usual_ms + YOUNG_MS, longest_gap_ms=LONGEST_GAP_MS)
            found.append(AFTER_S if live_ms is None else (live_ms - black_ms) / 1000)
    return found


async def _offset_ms(page: Page) -> float:
    """Return what to add to the page's clock to get the machine's: the quickest answer counts."""
    answers = []
    for _ in range(PINGS):
        asked_ms = time.monotonic() * 1000
        page_ms = float(await page.call("now"))
        answered_ms = time.monotonic() * 1000
        answers.append((answered_ms - asked_ms, (asked_ms + answered_ms) / 2 - page_ms))
    return min(answers)[1]


def _watched(recorded: list[list[Any]], offset_ms: float) -> Watched:
    return Watched(
        tuple(
            Shown(number, drawn_ms, shown_ms + offset_ms, None)
            for number, drawn_ms, shown_ms in recorded
        ),
        (),
    )
