"""Rigs opened and sources started for the length of a block; what is open in this process.

It must not judge, and needs no pytest. Linux only: it reads /proc.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.errors import SourceError

from mqcam_device.conformance.witness import Witness
from mqcam_device.media import MAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mqcam_device.conformance.rig import Rig
    from mqcam_device.media import AccessUnit, Sink, VideoSource

UNIT_S = 5.0
"""How long a unit may take that must come; a camera opens meanwhile."""

STOP_S = 2.0
GRACE_S = 1.0
POLL_S = 0.01


class Gate:
    """A sink that blocks at its third unit until the gate is opened."""

    def __init__(self) -> None:
        self.witness = Witness()
        self.entered = threading.Event()
        self.opened = threading.Event()

    def take(self, unit: AccessUnit) -> None:
        """Be the sink."""
        self.witness.take(unit)
        if self.witness.count() == 3:  # noqa: PLR2004 - neither the first nor late
            self.entered.set()
            self.opened.wait(60)


@contextlib.contextmanager
def opened(rig_type: type[Rig]) -> Iterator[Rig]:
    """Open a rig in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="mqcam-rig-") as folder:
        rig = rig_type(Path(folder))
        rig.open()
        try:
            yield rig
        finally:
            rig.close()


@contextlib.contextmanager
def started(rig: Rig, sink: Sink, witness: Witness) -> Iterator[VideoSource]:
    """Start a source of the rig's, and stop it."""
    source = rig.make()
    source.start(sink, witness.hear)
    try:
        yield source
    finally:
        source.stop(STOP_S)


def brief_look(rig: Rig) -> None:
    """Start a source, see a few of its pictures, and stop it."""
    witness = Witness()
    with started(rig, witness.take, witness) as source:
        source.resume()
        witness.wait_for_more(2, MAIN, UNIT_S)


def snapshot_or_refusal(source: VideoSource, timeout_s: float) -> bytes | str:
    """Return a snapshot, or the sentence with which it was refused."""
    try:
        return source.snapshot(timeout_s)
    except SourceError as error:
        return str(error)


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def open_things() -> set[str]:
    """Return the threads, Python's and others, and the descriptors of this process."""
    named = {str(thread.native_id): thread.name for thread in threading.enumerate()}
    tasks = (path.name for path in Path("/proc/self/task").iterdir())
    found = {f"thread {task} ({named.get(task, 'not made by Python')})" for task in tasks}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists is gone by now
            found.add(f"descriptor {path.name} ({path.readlink()})")
    return found


def new_leftovers(before: set[str]) -> list[str]:
    """Return what is open beyond ``before`` once a grace is over, or nothing is."""
    deadline = time.monotonic() + GRACE_S
    while (left := open_things() - before) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return sorted(left)
