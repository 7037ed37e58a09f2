"""The window: from decoded to on the screen, and from the start of the program to its window.

The shipped program on an X server of its own; it reports both when it ends. It must not know how
figures are shown. Without such a server there is nothing to measure.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any

from support import screen
from support.xserver import XServer

from bench.figures import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from bench.stage import Stage

DRAW_MS = 5.0
WINDOW_MS = 1500.0
SECONDS = 5
END_S = 20.0


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Open the window on a 720p30 camera, several times."""
    if not screen.is_complete():
        print(f"(left out: the window {screen.NO_SCREEN}) ", end="", file=sys.stderr)
        return []
    with stage.agent(), XServer() as server:
        reports = [await watch(server, stage.credentials) for _ in range(runs)]
    return [
        Figure(
            name="decoded picture -> on the screen, 720p30, p50",
            unit="ms",
            ours=tuple(report["draw_ms"]["p50"] for report in reports),
            limit=DRAW_MS,
        ),
        Figure(
            name="program start -> window on the screen",
            unit="ms",
            ours=tuple(report["window_ms"] for report in reports),
            limit=WINDOW_MS,
        ),
    ]


async def watch(server: XServer, credentials: Path) -> dict[str, Any]:
    """Show the window for some seconds; return what it reports."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mqcam_viewer.cli", "--credentials", str(credentials)),
        *("--loopback", "--json", "--seconds", str(SECONDS)),
        env=server.environment,
        stdout=PIPE,
    )
    async with asyncio.timeout(END_S):
        out, _ = await process.communicate()
    report: dict[str, Any] = json.loads(out)
    return report
