"""Run the measurements, print the table; the exit code tells whether a limit was missed.

It must not measure anything itself: each measurement is a module with ``measure(stage, runs)``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from mqcam.errors import MqcamError
from support.broker import ShippedBroker

from bench import (
    browser,
    capture,
    clocks,
    crowd,
    encode,
    fanout,
    far_joins,
    footprint,
    handed,
    joins,
    latency,
    outages,
    paths,
    processes,
    rates,
    recording,
    restart,
    sharing,
    slow_servers,
    trust,
    window,
)
from bench.figures import Verdict
from bench.stage import Stage
from bench.table import as_json, draw

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from bench.figures import Figure

    Measure = Callable[[Stage, int], Awaitable[list[Figure]]]

MEASUREMENTS: dict[str, Measure] = {
    "joins": joins.measure,
    "sharing": sharing.measure,
    "footprint": footprint.measure,
    "capture": capture.measure,
    "encode": encode.measure,
    "restart": restart.measure,
    "latency": latency.measure,
    "handed": handed.measure,
    "clocks": clocks.measure,
    "fanout": fanout.measure,
    "far-joins": far_joins.measure,
    "outages": outages.measure,
    "rates": rates.measure,
    "crowd": crowd.measure,
    "browser": browser.measure,
    "servers": slow_servers.measure,
    "paths": paths.measure,
    "window": window.measure,
    "recording": recording.measure,
    "trust": trust.measure,
}
RUNS = 5


def parser() -> argparse.ArgumentParser:
    """Return the description of the command line."""
    described = argparse.ArgumentParser(
        prog="python -m bench", description="Measure mqcam, and stock aiortc in the same run."
    )
    names = ", ".join(MEASUREMENTS)
    described.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=MEASUREMENTS,
        help=f"one of {names}; may be repeated (default: all)",
    )
    described.add_argument(
        "--runs", type=at_least_one, default=RUNS, help="how often each (default: %(default)s)"
    )
    described.add_argument("--json", metavar="FILE", type=Path, help="write all samples there")
    return described


def at_least_one(text: str) -> int:
    """Read a count."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return count


async def measure_all(names: Sequence[str], runs: int) -> tuple[list[Figure], bool]:
    """Return the figures, and whether everything could be measured."""
    figures: list[Figure] = []
    is_complete = True
    with memory_of_its_own(), ShippedBroker() as broker:
        stage = Stage(broker)
        for name in names:
            began_at = time.monotonic()
            print(f"bench: {name}, {runs} runs ... ", end="", file=sys.stderr, flush=True)
            try:
                figures += await MEASUREMENTS[name](stage, runs)
            except (MqcamError, OSError, RuntimeError, TimeoutError) as error:
                is_complete = False
                print(f"failed: {error!r}", file=sys.stderr)
            else:
                print(f"{time.monotonic() - began_at:.0f} s", file=sys.stderr)
    return figures, is_complete


@contextlib.contextmanager
def memory_of_its_own() -> Iterator[None]:
    """Let viewers of the bench remember its cameras elsewhere than those of the user."""
    with (
        tempfile.TemporaryDirectory(prefix="mqcam-bench-") as folder,
        mock.patch.dict("os.environ", XDG_STATE_HOME=folder),
    ):
        yield


def surroundings() -> str:
    """Return machine and versions, for whoever compares two tables."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("mqcam", "aiortc", "av")
    )
    return f"{processes.machine()}; Python {platform.python_version()}, {versions}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; return 1 if a limit was missed or something could not be measured."""
    options = parser().parse_args(arguments)
    machine = surroundings()
    names = options.only or list(MEASUREMENTS)
    try:
        figures, is_complete = asyncio.run(measure_all(names, options.runs))
    except KeyboardInterrupt:
        return 1  # everything that was started has been ended on the way here
    print(machine)
    print(draw(figures))
    if options.json is not None:
        content = {"machine": machine, "runs": options.runs, "figures": as_json(figures)}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    is_missed = any(figure.verdict is Verdict.NOT_MET for figure in figures)
    return 1 if is_missed or not is_complete else 0
